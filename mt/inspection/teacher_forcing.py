"""The attention weights of models on given pairs of sentences, by teacher forcing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from mt.data.alignment_words import piece_words
from mt.data.batching import make_batch
from mt.data.tokenizer import EncodedPair, Tokenizer
from mt.data.vocabulary import EOS, PAD
from mt.decoding.token_budget import TokenBudget
from mt.device import autocast
from mt.errors import UsageError
from mt.inspection.attention_kinds import KINDS
from mt.inspection.pair_attention import PairAttention
from mt.inspection.piece_merging import repeat_weights, split_at_spaces
from mt.models.loss import cross_entropy
from mt.models.seq2seq import Seq2Seq

Pair = EncodedPair | tuple[str, str]  # pieces of a source and a target, or their normalised texts
Result = TypeVar("Result")

MAX_BATCH_WEIGHTS = 2**25  # 128 MiB, of which a few copies exist for a short time


@torch.no_grad()
def attention_shapes(model: Seq2Seq) -> dict[str, tuple[int, int]]:
    """Return the (layers, heads) of each kind of attention that a model has, ordered as in KINDS.

    Runs the model on one token, so that the function works for every architecture.
    """
    token = torch.full((1, 1), EOS, device=model.device)
    mask = torch.ones_like(token, dtype=torch.bool)
    weights = model(token, mask, token, need_weights=True).attention
    shapes = {kind: weights[kind].shape for kind in KINDS if kind in weights}
    return {kind: (shape[1], shape[2]) for kind, shape in shapes.items()}


def require_cross_attention(models: Sequence[Seq2Seq]) -> None:
    """Raise UsageError unless every decoder attends to the source."""
    if not all(model.decoder.attends for model in models):
        raise UsageError("the model has no attention to the source, so it cannot align words")


def require_kinds(models: Sequence[Seq2Seq], kinds: Sequence[str]) -> None:
    """Raise UsageError unless every model has some attention, and all these kinds of it."""
    if isinstance(kinds, str):
        raise UsageError(f"kinds must be several names, got {kinds!r}: give [{kinds!r}]")
    for shapes in map(attention_shapes, models):
        if not shapes:
            raise UsageError("the model has no attention")
        for kind in kinds:
            if kind not in shapes:
                raise UsageError(
                    f"the model has no attention of the kind {kind!r}: it has {', '.join(shapes)}"
                )


def attention_weights(
    model: Seq2Seq,
    tokenizer: Tokenizer,
    pairs: Sequence[Pair],
    budget: TokenBudget,
    precision: str = "fp32",
    kinds: Sequence[str] = ("cross",),
) -> list[PairAttention]:
    """Return the attention of one model in each (source, target).

    Texts must be normalised (`mt.data.normalisation.normalise`); nothing is split or truncated. The
    model must be in evaluation mode. The weights of all pairs are held in memory: 4 * layers *
    heads * (T + 1) * (S + 1) bytes per pair for the cross-attention.

    Raises UsageError if the model does not have all `kinds`.
    """
    require_kinds([model], kinds)
    return map_pair_attention(
        [model], tokenizer, pairs, budget, lambda members: members[0], precision, kinds
    )


def group_by_memory(
    pairs: Sequence[EncodedPair], model: Seq2Seq, kinds: Sequence[str]
) -> Iterator[list[EncodedPair]]:
    """Group consecutive pairs whose weights together are at most MAX_BATCH_WEIGHTS.

    A larger pair is a group of its own. Raises UsageError if the model does not have all `kinds`.
    """
    require_kinds([model], kinds)
    shapes = attention_shapes(model)
    maps = sum(shapes[kind][0] * shapes[kind][1] for kind in kinds)
    group: list[EncodedPair] = []
    group_size = 0
    for pair in pairs:
        size = maps * (max(len(pair[0]), len(pair[1])) + 1) ** 2
        if group and group_size + size > MAX_BATCH_WEIGHTS:
            yield group
            group, group_size = [], 0
        group.append(pair)
        group_size += size
    if group:
        yield group


@dataclass(frozen=True)
class _BatchAttention:
    """The attention of one model on a padded batch."""

    weights: dict[str, np.ndarray]  # kind -> [batch, layers, heads, rows, columns]
    losses: list[float] | list[None]
    query_reads_input: bool


@torch.no_grad()
def map_pair_attention(
    models: Sequence[Seq2Seq],
    tokenizer: Tokenizer,
    pairs: Sequence[Pair],
    budget: TokenBudget,
    function: Callable[[list[PairAttention]], Result],
    precision: str = "fp32",
    kinds: Sequence[str] = ("cross",),
    loss: bool = False,
) -> list[Result]:
    """Apply a function to the attention of each pair in every model.

    Weights are held in memory for one batch only. `budget` limits the longer side. If a batch does
    not fit into memory, `function` is called again for its pairs. Models must have all `kinds`.
    `loss` computes the loss of each pair too.
    """
    encoded = [
        EncodedPair(*pair) if not isinstance(pair[0], str) else tokenizer.encode_pairs([pair])[0]
        for pair in pairs
    ]
    sources, targets = [pair.source for pair in encoded], [pair.target for pair in encoded]
    device = models[0].device

    def process(rows: list[int]) -> list[Result]:
        batch = make_batch([sources[row] for row in rows], [targets[row] for row in rows])
        batch = batch.to(device)
        members = []
        for model in models:
            losses: list[float] | list[None] = [None] * len(rows)
            with autocast(device, precision):
                output = model(
                    batch.source, batch.source_mask, batch.target_input, need_weights=True
                )
                if loss:
                    losses = pair_losses(model, output.hidden, batch.target)
            weights = {kind: output.attention[kind].float().cpu().numpy() for kind in kinds}
            members.append(_BatchAttention(weights, losses, model.decoder.query_reads_input))
        return [
            function([unpad(row, place, member) for member in members])
            for place, row in enumerate(rows)
        ]

    def unpad(row: int, place: int, member: _BatchAttention) -> PairAttention:
        contents = encoded[row].contents
        source, source_parts = split_at_spaces(
            tokenizer.shown_pieces(sources[row], "src", contents)
        )
        target, target_parts = split_at_spaces(
            tokenizer.shown_pieces(targets[row], "tgt", contents)
        )
        s, t = len(sources[row]) + 1, len(targets[row]) + 1
        sizes = {"cross": (t, s), "encoder": (s, s), "decoder": (t, t)}
        parts = {
            "cross": ([*target_parts, 1], [*source_parts, 1]),
            "encoder": ([*source_parts, 1], [*source_parts, 1]),
            "decoder": ([*target_parts, 1], [1, *target_parts]),
        }
        # A view would keep the batch in memory.
        weights = {
            kind: repeat_weights(
                padded[place, :, :, : sizes[kind][0], : sizes[kind][1]].copy(), *parts[kind]
            )
            for kind, padded in member.weights.items()
        }
        return PairAttention(
            source,
            target,
            piece_words(source),
            piece_words(target),
            weights.get("cross"),
            member.query_reads_input,
            weights.get("encoder"),
            weights.get("decoder"),
            member.losses[place],
        )

    longer = [max(pair, key=len) for pair in zip(sources, targets, strict=True)]
    max_area = None
    if len(pairs) > 1:  # a single pair is one batch in any case
        # A model computes all its kinds at once, whichever are requested.
        shapes = [shape for model in models for shape in attention_shapes(model).values()]
        maps = sum(layers * heads for layers, heads in shapes)
        max_area = MAX_BATCH_WEIGHTS // max(1, maps)
    return budget.map(longer, 1, process, max_area)


def pair_losses(model: Seq2Seq, hidden: Tensor, target: Tensor) -> list[float]:
    """Compute the mean negative log-likelihood of the tokens of each row, in nats.

    `hidden` is [B, T, D], `target` is [B, T].
    """
    nll = cross_entropy(hidden, model.output, target)[1]
    return (nll.sum(1) / (target != PAD).sum(1)).tolist()
