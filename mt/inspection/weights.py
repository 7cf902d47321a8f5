"""What a model's attention says about words: the weights of given pairs, and word alignments from them.

Shapes: S source and T target pieces of a pair, without EOS; W' target and W source words.

There are up to three kinds of weights, and a model has those of its attention: "cross", of the
decoder to the source; "encoder" and "decoder", the self-attention of Transformers.

Row t of the decoder's weights, to the source and to itself, is its step t, which reads target piece
t - 1 (BOS at step 0) and predicts piece t. Two readings tell which row belongs to piece t:

- "output": row t, the step that predicts it (Bahdanau et al. 2014, figure 3).
- "input": row t + 1, the step that reads it. The query then knows the word to be aligned; lower
  layers of a deep decoder look back at its source (Chen et al. 2020, "Accurate Word Alignment
  Induction from Neural Machine Translation"). Defined only where the query of a step has read the
  step's input: see `Decoder.query_reads_input`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from mt.data.alignment_words import count_words, piece_words
from mt.data.batching import make_batch
from mt.data.links import Links
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import EOS, PAD
from mt.decoding.token_budget import TokenBudget
from mt.device import autocast
from mt.errors import UsageError
from mt.evaluation.alignment import READINGS
from mt.inspection.attention_kinds import KINDS, default_layer
from mt.inspection.word_links import argmax_links, merge_pieces
from mt.models.loss import cross_entropy
from mt.models.seq2seq import Seq2Seq

Text = str | Sequence[int]  # normalised text, or its pieces
Result = TypeVar("Result")

CELLS = 2**25  # most weights of a batch: 128 MiB, of which there are a few copies for a while


@dataclass(frozen=True)
class PairAttention:
    """One model's attention in one pair. Lists of pieces are without EOS, which is the last row and column of the weights."""

    source_pieces: list[str]  # [S], as SentencePiece writes them
    target_pieces: list[str]  # [T]
    source_words: list[int]  # [S] word of each piece, from 0; -1 outside words
    target_words: list[int]  # [T]
    weights: np.ndarray  # "cross": [layers, heads, T + 1, S + 1] float32; no layers where it is absent or was not asked for
    query_reads_input: bool  # of the decoder: whether the reading "input" is defined
    encoder: np.ndarray | None = (
        None  # [layers, heads, S + 1, S + 1] float32; None where absent or not asked for
    )
    decoder: np.ndarray | None = (
        None  # [layers, heads, T + 1, T + 1]; column t is what step t reads: BOS, then piece t - 1
    )
    loss: float | None = (
        None  # negative log-likelihood of the target, nats a piece, EOS included; None unless asked for
    )

    def of(self, kind: str) -> np.ndarray | None:
        """The weights of this kind of attention, of pieces; None where they are absent or were not asked for."""
        found = {
            "cross": self.weights if len(self.weights) else None,
            "encoder": self.encoder,
            "decoder": self.decoder,
        }
        if kind not in found:
            raise UsageError(f"a kind of attention is one of {', '.join(KINDS)}, not {kind!r}")
        return found[kind]

    def word_weights(
        self,
        layer: int | None = None,
        head: int | None = None,
        reading: str | None = None,
        kind: str = "cross",
    ) -> np.ndarray:
        """[W', W] weights of words ("encoder": [W, W], "decoder": [W', W']): `layer` from 0 at the bottom, one `head` or their
        mean, `reading` as above.

        What is not given is what links are made from, and `default_layer` and this are the places
        that say so: the mean of the heads; "output", because that layer looks for the next word
        (error rates of a three-layer Transformer on Hansards: 38, and 72 by "input"). What goes to
        BOS and EOS is left out, so rows sum to 1 or less. Raises UsageError where there is no such
        kind, layer, head or reading.
        """
        weights = self.of(kind)
        layers, heads = (0, 0) if weights is None else weights.shape[:2]
        layer = default_layer(layers) if layer is None else layer
        for name, value, size in (("layer", layer, layers), ("head", head or 0, heads)):
            if weights is None or not 0 <= value < size:
                raise UsageError(
                    f"there is no {name} {value}: the {KINDS[kind]} has {size}, counted from 0"
                )
        return self._merge(
            weights[layer].mean(0) if head is None else weights[layer, head], kind, reading
        )  # type: ignore[index]

    def all_word_weights(self, kind: str = "cross", reading: str | None = None) -> np.ndarray:
        """`word_weights` of every layer and head: [layers, heads, W', W], or as the kind says. UsageError as there."""
        weights = self.of(kind)
        if weights is None:
            raise UsageError(
                f"there is no {KINDS[kind]}: this model has none, or it was not asked for"
            )
        return self._merge(weights, kind, reading)

    def _merge(self, weights: np.ndarray, kind: str, reading: str | None) -> np.ndarray:
        """weights [..., rows, columns] of pieces -> of words."""
        reading = "output" if reading is None else reading
        if reading not in READINGS:
            raise UsageError(f"a reading is one of {', '.join(READINGS)}, not {reading!r}")
        source = [*self.source_words, -1]
        if kind == "encoder":
            return merge_pieces(weights, source, source)
        if reading == "input" and not self.query_reads_input:
            raise UsageError(
                "this decoder attends before it reads its input, so that its weights have no reading 'input': use reading 'output'"
            )
        inputs = [-1, *self.target_words]
        rows = [*self.target_words, -1] if reading == "output" else inputs
        return merge_pieces(weights, source if kind == "cross" else inputs, rows)


@dataclass(frozen=True)
class PairLinks:
    """The links of a pair, and how many words its pieces make on either side."""

    links: Links
    source_words: int
    target_words: int


@torch.no_grad()
def attention_shapes(model: Seq2Seq) -> dict[str, tuple[int, int]]:
    """The kinds of attention that a model has, with their (layers, heads), in the order of KINDS.

    Asked of the model itself, with one token a side, so that every architecture can answer.
    """
    token = torch.full((1, 1), EOS, device=model.device)
    found = model(
        token, torch.ones_like(token, dtype=torch.bool), token, need_weights=True
    ).attention
    return {kind: (found[kind].shape[1], found[kind].shape[2]) for kind in KINDS if kind in found}


def attention_weights(
    model: Seq2Seq,
    tokenizer: Tokenizer,
    pairs: Sequence[tuple[Text, Text]],
    budget: TokenBudget,
    precision: str = "fp32",
    kinds: Sequence[str] = ("cross",),
) -> list[PairAttention]:
    """The attention of one model in each (source, target), all target positions at once by teacher forcing.

    Texts are normalised (`mt.data.cleaning.normalise`). Model as it is: call `eval()` before. All
    weights of all pairs are held in memory: for each kind 4 * layers * heads * (T + 1) * (S + 1)
    bytes each. Nothing is split or cut. UsageError where the model has not all `kinds`.
    """
    require_kinds([model], kinds)
    return attend_pairs(
        [model], tokenizer, pairs, budget, lambda members: members[0], precision, kinds
    )


def link_pairs(
    models: Sequence[Seq2Seq],
    tokenizer: Tokenizer,
    pairs: Sequence[tuple[Text, Text]],
    budget: TokenBudget,
    precision: str = "fp32",
) -> list[PairLinks]:
    """Each target word linked to its best source word, by `PairAttention.word_weights`; by their mean for several models.

    As `attention_weights`, except that weights are held for one batch only.
    """

    def link(members: list[PairAttention]) -> PairLinks:
        weights = np.mean([member.word_weights() for member in members], axis=0)
        return PairLinks(argmax_links(weights), weights.shape[1], weights.shape[0])

    require_attention(models)
    return attend_pairs(models, tokenizer, pairs, budget, link, precision)


def join_links(parts: Sequence[PairLinks], source: str, target: str) -> Links | None:
    """Links of a line from those of its parts, with indices that count through the whole line.

    None where the parts have not the words of the line: one was cut in two, parts were joined
    without a space, or a word was only bytes that normalisation takes out.
    """
    joined: set[tuple[int, int]] = set()
    sources = targets = 0
    for part in parts:
        joined.update((sources + i, targets + j) for i, j in part.links.sure)
        sources, targets = sources + part.source_words, targets + part.target_words
    return (
        Links(frozenset(joined))
        if (sources, targets) == (count_words(source), count_words(target))
        else None
    )


def require_attention(models: Sequence[Seq2Seq]) -> None:
    """Raise UsageError where there are no weights to look at."""
    if not all(model.decoder.attends for model in models):
        raise UsageError(
            "this model's decoder has no attention to the source, so there is nothing to align words by"
        )


def in_groups(
    pairs: Sequence[tuple[Text, Text]], model: Seq2Seq, kinds: Sequence[str]
) -> Iterator[list[tuple[Text, Text]]]:
    """Consecutive pairs, in pieces, whose weights of these kinds are up to CELLS together; at least one.

    UsageError where the model has not all `kinds`.
    """
    require_kinds([model], kinds)
    shapes = attention_shapes(model)
    planes = sum(shapes[kind][0] * shapes[kind][1] for kind in kinds)
    group: list[tuple[Text, Text]] = []
    cells = 0
    for pair in pairs:
        more = planes * (max(map(len, pair)) + 1) ** 2
        if group and cells + more > CELLS:
            yield group
            group, cells = [], 0
        group.append(pair)
        cells += more
    if group:
        yield group


def require_kinds(models: Sequence[Seq2Seq], kinds: Sequence[str]) -> None:
    """Raise UsageError unless every model has all these kinds of attention, and at least one is named."""
    for shapes in map(attention_shapes, models):
        if not shapes:
            raise UsageError("this model has no attention to look at")
        for kind in kinds:
            if kind not in shapes:
                raise UsageError(
                    f"this model has no attention of the kind {kind!r}: it has {', '.join(shapes)}"
                )


@torch.no_grad()
def attend_pairs(
    models: Sequence[Seq2Seq],
    tokenizer: Tokenizer,
    pairs: Sequence[tuple[Text, Text]],
    budget: TokenBudget,
    use: Callable[[list[PairAttention]], Result],
    precision: str = "fp32",
    kinds: Sequence[str] = ("cross",),
    loss: bool = False,
) -> list[Result]:
    """`use` of each pair's attention of these kinds in every model, which has them; weights are held for one batch only.

    `budget` counts the longer side; where a batch does not fit into memory, `use` is called again
    for its pairs. `loss`: each pair's loss comes with it.
    """

    def encode(text: Text, side: str) -> list[int]:
        return tokenizer.encode(text, side) if isinstance(text, str) else list(text)

    sources = [encode(source, "src") for source, _ in pairs]
    targets = [encode(target, "tgt") for _, target in pairs]
    device = models[0].device

    def work(rows: list[int]) -> list[Result]:
        batch = make_batch([sources[row] for row in rows], [targets[row] for row in rows]).to(
            device
        )
        found = []
        for model in models:
            with autocast(device, precision):
                output = model(
                    batch.source, batch.source_mask, batch.target_input, need_weights=True
                )
                losses = (
                    pair_losses(model, output.hidden, batch.target) if loss else [None] * len(rows)
                )
            found.append(
                ({kind: output.attention[kind].float().cpu().numpy() for kind in kinds}, losses)
            )
        return [
            use([describe(row, place, *each) for each in zip(models, found, strict=True)])
            for place, row in enumerate(rows)
        ]

    def describe(
        row: int, place: int, model: Seq2Seq, collected: tuple[dict[str, np.ndarray], list]
    ) -> PairAttention:
        weights, losses = collected
        source, target = (
            tokenizer.pieces(sources[row], "src"),
            tokenizer.pieces(targets[row], "tgt"),
        )
        s, t = len(source) + 1, len(target) + 1
        sizes = {"cross": (t, s), "encoder": (s, s), "decoder": (t, t)}
        # Copies: views would keep the batch.
        real = {
            kind: each[place, :, :, : sizes[kind][0], : sizes[kind][1]].copy()
            for kind, each in weights.items()
        }
        cross = real.pop("cross") if "cross" in real else np.zeros((0, 0, t, s), np.float32)
        words = piece_words(source), piece_words(target)
        reads = model.decoder.query_reads_input
        return PairAttention(
            source,
            target,
            *words,
            cross,
            reads,
            real.get("encoder"),
            real.get("decoder"),
            losses[place],
        )

    longer = [max(pair, key=len) for pair in zip(sources, targets, strict=True)]
    area = None
    if len(pairs) > 1:  # one pair is one batch in any case, and asking each model costs a little
        # Models compute all kinds at once, whatever is looked at afterwards.
        area = CELLS // max(
            1,
            sum(
                layers * heads
                for model in models
                for layers, heads in attention_shapes(model).values()
            ),
        )
    return budget.map(longer, 1, work, area)


def pair_losses(model: Seq2Seq, hidden: Tensor, target: Tensor) -> list[float]:
    """hidden [B, T, D], target [B, T] -> the mean negative log-likelihood of each row's tokens, in nats."""
    nll = cross_entropy(hidden, model.output, target)[1]
    return (nll.sum(1) / (target != PAD).sum(1)).tolist()
