"""What attention maps show: words, the weights between them, and gold links. Numbers only; pictures are made elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mt.data.links import Links
from mt.data.sampling import SPACE
from mt.data.scripts import is_unspaced
from mt.errors import MTError, UsageError
from mt.inspection.attention_kinds import KINDS, default_layer

if TYPE_CHECKING:  # showing weights need not wait for PyTorch
    from mt.inspection.weights import PairAttention

BYTES = re.compile(r"(?:<0x[0-9A-F]{2}>)+")


@dataclass(frozen=True)
class View:
    """Which weights to show. Layers and heads count from 0 here, and from 1 in all that people read and write."""

    kind: str = "cross"
    layer: int | str | None = None  # "all"; None: the layer that links are made from
    head: int | str = "mean"  # "all"; "mean": of all heads

    def check(self, shapes: Mapping[str, tuple[int, int]]) -> None:
        """UsageError where attention with these (layers, heads) of each kind has not what is to be shown."""
        if self.kind not in shapes:
            raise UsageError(
                f"this model has no attention of the kind {self.kind!r}: it has {', '.join(shapes) or 'none at all'}"
            )
        for name, value, size in zip(
            ("layer", "head"), (self.layer, self.head), shapes[self.kind], strict=True
        ):
            if isinstance(value, int) and not 0 <= value < size:
                raise UsageError(
                    f"there is no {name} {value + 1}: the {KINDS[self.kind]} has {size}, counted from 1"
                )


@dataclass(frozen=True)
class SentenceMap:
    """The attention in one pair, between words; between pieces on a side whose script does not separate words."""

    name: str  # which line it is, for people
    source: list[str]  # [W]
    target: list[str]  # [W']
    weights: dict[
        str, np.ndarray
    ]  # kind -> [layers, heads, W', W] ("encoder": [.., W, W], "decoder": [.., W', W'])
    gold: Links | None = None  # between source and target words

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """kind -> (layers, heads)"""
        return {kind: (each.shape[0], each.shape[1]) for kind, each in self.weights.items()}

    @property
    def cells(self) -> int:
        return sum(each.size for each in self.weights.values())


@dataclass(frozen=True)
class Panel:
    """One matrix to draw."""

    title: str
    rows: list[str]
    columns: list[str]
    weights: np.ndarray  # [rows, columns]
    gold: Links  # (column, row)


def sentence_map(pair: PairAttention, name: str, gold: Links | None = None) -> SentenceMap:
    """Every kind, layer and head that `pair` has. MTError where a gold link joins words that the pair has not."""
    source, source_units = _units(pair.source_pieces, pair.source_words, gold is not None)
    target, target_units = _units(pair.target_pieces, pair.target_words, gold is not None)
    for i, j in gold.possible if gold else ():
        if i >= len(source) or j >= len(target):
            raise MTError(
                f"{name} has a link of words {i} and {j}, but the pair has {len(source)} and {len(target)} (counted from 0)"
            )
    pair = replace(pair, source_words=source_units, target_words=target_units)
    return SentenceMap(
        name,
        source,
        target,
        {kind: pair.all_word_weights(kind) for kind in KINDS if pair.of(kind) is not None},
        gold,
    )


def panels(sentence: SentenceMap, view: View) -> list[list[Panel]]:
    """What a view shows of a sentence: for each layer, a panel for each head. UsageError where it has not what is to be shown."""
    view.check(sentence.shapes)
    weights = sentence.weights[view.kind]
    rows = sentence.source if view.kind == "encoder" else sentence.target
    columns = sentence.target if view.kind == "decoder" else sentence.source
    gold = sentence.gold if sentence.gold is not None and view.kind == "cross" else Links()
    layer = default_layer(len(weights)) if view.layer is None else view.layer

    def panel(layer: int, head: int | None) -> Panel:
        chosen = weights[layer].mean(0) if head is None else weights[layer, head]
        title = f"layer {layer + 1}, {'mean of the heads' if head is None else f'head {head + 1}'}"
        return Panel(title, rows, columns, chosen, gold)

    heads = (
        range(weights.shape[1])
        if view.head == "all"
        else [view.head if isinstance(view.head, int) else None]
    )
    layers = [layer] if isinstance(layer, int) else range(len(weights))
    return [[panel(each, head) for head in heads] for each in layers]


def _units(pieces: list[str], words: list[int], need_words: bool) -> tuple[list[str], list[int]]:
    """What to put on a side, and the unit of each piece (-1: none): the words, which are what gold links count.

    Text in a script without spaces would be one word: there the pieces are more to look at.
    """
    if not need_words and is_unspaced("".join(pieces).replace(SPACE, " ")):
        real = [bool(piece.strip(SPACE)) for piece in pieces]
        words = [
            number - 1 if here else -1
            for number, here in zip(np.cumsum(real).tolist(), real, strict=True)
        ]
    units = [""] * (max(words, default=-1) + 1)
    for piece, word in zip(pieces, words, strict=True):
        if word >= 0:
            units[word] += piece
    return [_readable(unit) for unit in units], words


def _readable(unit: str) -> str:
    """A word as people write it: its bytes joined to characters, and nothing in it that breaks lines or turns text round."""
    text = BYTES.sub(
        lambda match: bytes.fromhex(match[0].replace("<0x", "").replace(">", "")).decode(
            "utf-8", "replace"
        ),
        unit,
    )
    return "".join(c if c.isprintable() else "\ufffd" for c in text.replace(SPACE, ""))
