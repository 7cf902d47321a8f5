"""The contents of attention maps: words, the weights between them, and gold links."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mt.data.links import Links
from mt.data.sampling import SPACE
from mt.data.scripts import is_unspaced
from mt.data.tags import is_tag_piece
from mt.errors import MTError, UsageError
from mt.inspection.attention_kinds import KINDS, alignment_layer

if TYPE_CHECKING:
    from mt.inspection.pair_attention import PairAttention

BYTE_PIECES = re.compile(r"(?:<0x[0-9A-F]{2}>)+")


@dataclass(frozen=True)
class View:
    """The weights to show; layers and heads count from 0 here, from 1 in what users see."""

    kind: str = "cross"
    layer: int | str | None = None  # "all"; None: the layer that alignments are read from
    head: int | str = "mean"  # "all"; "mean": the mean of all heads

    def check(self, shapes: Mapping[str, tuple[int, int]]) -> None:
        """Raise UsageError if attention with these (layers, heads) of each kind lacks the view."""
        if self.kind not in shapes:
            raise UsageError(
                f"the model has no attention of the kind {self.kind!r}: "
                f"it has {', '.join(shapes) or 'none at all'}"
            )
        layers, heads = shapes[self.kind]
        for name, value, size in (("layer", self.layer, layers), ("head", self.head, heads)):
            if isinstance(value, int) and not 0 <= value < size:
                raise UsageError(
                    f"there is no {name} {value + 1}: the {KINDS[self.kind]} has {size}, "
                    "counted from 1"
                )


@dataclass(frozen=True)
class SentenceMap:
    """The attention in one pair between words, or pieces if the script does not separate words."""

    name: str  # of the line, as users see it
    source: list[str]  # [W]
    target: list[str]  # [W']
    # kind -> [layers, heads, W', W] ("encoder": [..., W, W], "decoder": [..., W', W']).
    weights: dict[str, np.ndarray]
    gold: Links | None = None  # between source and target words

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the (layers, heads) of each kind."""
        return {kind: (array.shape[0], array.shape[1]) for kind, array in self.weights.items()}

    @property
    def size(self) -> int:
        """Return the number of weights of all kinds."""
        return sum(array.size for array in self.weights.values())


@dataclass(frozen=True)
class Panel:
    """One matrix to draw."""

    title: str
    rows: list[str]
    columns: list[str]
    weights: np.ndarray  # [rows, columns]
    gold: Links  # (column, row)


def sentence_map(pair: PairAttention, name: str, gold: Links | None = None) -> SentenceMap:
    """Return the map of every kind, layer and head of a pair.

    Raises MTError if a gold link has a word that the pair does not have.
    """
    source, source_units = _units(pair.source_pieces, pair.source_words, gold is not None)
    target, target_units = _units(pair.target_pieces, pair.target_words, gold is not None)
    for i, j in gold.possible if gold else ():
        if i >= len(source) or j >= len(target):
            raise MTError(
                f"{name} has a link of words {i} and {j}, but the pair has {len(source)} and "
                f"{len(target)} (counted from 0)"
            )
    pair = replace(pair, source_words=source_units, target_words=target_units)
    kinds = [kind for kind in KINDS if pair.piece_weights(kind) is not None]
    weights = {kind: pair.all_word_weights(kind) for kind in kinds}
    return SentenceMap(name, source, target, weights, gold)


def panels(sentence: SentenceMap, view: View) -> list[list[Panel]]:
    """Return the panels of a view: a list for each layer, with a panel for each head.

    Raises UsageError if the sentence does not have the view.
    """
    view.check(sentence.shapes)
    weights = sentence.weights[view.kind]
    rows = sentence.source if view.kind == "encoder" else sentence.target
    columns = sentence.target if view.kind == "decoder" else sentence.source
    gold = sentence.gold if sentence.gold is not None and view.kind == "cross" else Links()

    def panel(layer: int, head: int | None) -> Panel:
        chosen = weights[layer].mean(0) if head is None else weights[layer, head]
        title = f"layer {layer + 1}, {'mean of the heads' if head is None else f'head {head + 1}'}"
        return Panel(title, rows, columns, chosen, gold)

    layer = alignment_layer(len(weights)) if view.layer is None else view.layer
    layers = [layer] if isinstance(layer, int) else range(len(weights))
    heads: list[int | None] = [view.head if isinstance(view.head, int) else None]
    if view.head == "all":
        heads = list(range(weights.shape[1]))
    return [[panel(layer, head) for head in heads] for layer in layers]


def _units(pieces: list[str], words: list[int], need_words: bool) -> tuple[list[str], list[int]]:
    """Return the labels of a side, and the index of the label of each piece (-1: none).

    Labels are words, which gold links count. Without gold links, text in an unspaced script is
    shown in pieces, because it would be a single word.
    """
    if not need_words and is_unspaced("".join(pieces).replace(SPACE, " ")):
        visible = [bool(piece.strip(SPACE)) and not is_tag_piece(piece) for piece in pieces]
        numbers = np.cumsum(visible).tolist()
        words = [n - 1 if shown else -1 for n, shown in zip(numbers, visible, strict=True)]
    units = [""] * (max(words, default=-1) + 1)
    for piece, word in zip(pieces, words, strict=True):
        if word >= 0:
            units[word] += piece
    return [_readable(unit) for unit in units], words


def _readable(unit: str) -> str:
    """Decode the byte pieces of a word, and replace unprintable characters by U+FFFD.

    These include characters that break lines or change the direction of text.
    """

    def decode(match: re.Match[str]) -> str:
        return bytes.fromhex(match[0].replace("<0x", "").replace(">", "")).decode(
            "utf-8", "replace"
        )

    text = BYTE_PIECES.sub(decode, unit).replace(SPACE, "")
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
