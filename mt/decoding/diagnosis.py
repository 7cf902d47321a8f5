"""Every attention map of a model, pair by pair, for the figures of `mt.evaluation.diagnostics`.

Teacher-forced: the decoder reads the reference. Maps are held for one batch only.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch.nn import functional as F

from mt.data.batching import make_batch
from mt.data.cleaning import normalise
from mt.data.sampling import SPACE
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import PAD
from mt.decoding.batches import Budget
from mt.errors import UsageError
from mt.evaluation.diagnostics import KINDS, Diagnostics, SentenceFigures, measure, summarise
from mt.evaluation.lengths import default_threshold, length_unit, lengths_of
from mt.models.seq2seq import Seq2Seq
from mt.training.device import autocast

if TYPE_CHECKING:
    from mt.decoding.translator import Translator

Result = TypeVar("Result")


@dataclass(frozen=True)
class PairMaps:
    """One pair as the model sees it. S source and T target pieces, without EOS."""

    source_pieces: list[str]  # [S], as SentencePiece writes them
    target_pieces: list[str]  # [T]
    # Kind -> [layers, heads, queries, keys] float32, with S + 1 or T + 1 queries and keys: views of the batch, copy to keep.
    maps: dict[str, np.ndarray]
    loss: float  # negative log-likelihood of the target in nats a token, EOS included


def diagnose(translator: Translator, sources: Sequence[str], references: Sequence[str], threshold: int | None = None) -> Diagnostics:
    """Figures of the translator's (first) model on pairs of texts.

    Pairs are left out that are blank on a side, or have more pieces than the model is used on (`data.max_pieces`).
    `threshold`: longest source that counts as short, by default as in the scores. UsageError for a model without attention;
    MTError where no pair is left.
    """
    tokenizer, limit = translator.tokenizer, translator.max_pieces
    texts = [[normalise(line, translator.unicode) for line in lines] for lines in (sources, references)]
    pieces = [tokenizer.encode_many(lines, side) for lines, side in zip(texts, ("src", "tgt"), strict=True)]
    kept = [row for row, pair in enumerate(zip(*pieces, strict=True)) if all(0 < len(side) <= limit for side in pair)]
    unit = length_unit(texts[0])
    pairs = [(pieces[0][row], pieces[1][row]) for row in kept]
    # In float32, whatever the translator's precision: rows of bfloat16 weights sum to 1 only within 0.002.
    found = map_pairs(translator.models[0], tokenizer, pairs, translator.budget, measure_pair, "fp32")
    threshold = default_threshold(unit) if threshold is None else threshold
    return summarise(found, lengths_of([texts[0][row] for row in kept]), threshold, unit, len(sources) - len(kept))


def measure_pair(pair: PairMaps) -> SentenceFigures:
    source, target = (np.array([is_punctuation(piece) for piece in pieces]) for pieces in (pair.source_pieces, pair.target_pieces))
    keys = {"encoder": np.append(source, False), "decoder": np.append(False, target), "cross": np.append(source, False)}
    return SentenceFigures({kind: measure(weights, kind, keys[kind]) for kind, weights in pair.maps.items()}, pair.loss)


def is_punctuation(piece: str) -> bool:
    """Whether a piece is nothing but punctuation (Unicode's categories P)."""
    text = piece.strip(SPACE)
    return bool(text) and all(unicodedata.category(character).startswith("P") for character in text)


@torch.no_grad()
def map_pairs(
    model: Seq2Seq,
    tokenizer: Tokenizer,
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
    budget: Budget,
    use: Callable[[PairMaps], Result],
    precision: str = "fp32",
) -> list[Result]:
    """`use` of each (source pieces, target pieces), in their order. `budget` counts the longer side.

    Model as it is: call `eval()` before. `use` is called once more for pairs of a batch that did not fit into memory.
    UsageError where the model has no attention.
    """
    device = model.device

    def work(rows: list[int]) -> list[Result]:
        batch = make_batch([pairs[row][0] for row in rows], [pairs[row][1] for row in rows]).to(device)
        with autocast(device, precision):
            output = model(batch.source, batch.source_mask, batch.target_input, need_weights=True)
            logits = model.output(output.hidden).float()
        weights = {kind: output.attention[kind].float().cpu().numpy() for kind in KINDS if kind in output.attention}
        if not weights:
            raise UsageError("this model has no attention, so there is nothing for --diagnostics to measure")
        nll = F.cross_entropy(logits.flatten(0, 1), batch.target.flatten(), ignore_index=PAD, reduction="none").view_as(batch.target)
        losses = (nll.sum(1) / (batch.target != PAD).sum(1)).tolist()
        return [use(describe(row, {kind: each[at] for kind, each in weights.items()}, losses[at])) for at, row in enumerate(rows)]

    def describe(row: int, weights: dict[str, np.ndarray], loss: float) -> PairMaps:
        source, target = pairs[row]
        sides = {"encoder": (source, source), "decoder": (target, target), "cross": (target, source)}
        sizes = {kind: (len(queries) + 1, len(keys) + 1) for kind, (queries, keys) in sides.items()}
        maps = {kind: each[:, :, : sizes[kind][0], : sizes[kind][1]] for kind, each in weights.items()}
        return PairMaps(tokenizer.pieces(source, "src"), tokenizer.pieces(target, "tgt"), maps, loss)

    return budget.map([max(pair, key=len) for pair in pairs], 1, work)
