"""Word alignments from attention weights.

In weights [T, S] of this module, S and T are the numbers of source and target words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mt.data.alignment_words import count_words
from mt.data.links import Link, Links
from mt.data.tokenizer import Tokenizer
from mt.decoding.token_budget import TokenBudget
from mt.inspection.pair_attention import PairAttention, defined_readings
from mt.inspection.teacher_forcing import (
    Pair,
    attention_shapes,
    map_pair_attention,
    require_cross_attention,
)
from mt.models.seq2seq import Seq2Seq


class LayerReading(NamedTuple):
    """A layer of the cross-attention, and a reading of it; links use the mean over its heads."""

    layer: int  # from 0 at the bottom
    reading: str  # "output" or "input", see `mt.inspection.pair_attention`


@dataclass(frozen=True)
class PairLinks:
    """The links of a pair, and the number of words that its pieces form on each side."""

    links: Links
    source_words: int
    target_words: int


def argmax_links(weights: np.ndarray) -> Links:
    """Link each target word to the source word with the largest weight in weights [T, S].

    The first is chosen if several are equal. A row without positive weights has no link.
    """
    if not weights.size:
        return Links()
    best = enumerate(weights.argmax(1))
    return _links((source, target) for target, source in best if weights[target, source] > 0)


def threshold_links(weights: np.ndarray, threshold: float) -> Links:
    """Link all words whose weight in weights [T, S] is above the threshold."""
    return _links((source, target) for target, source in np.argwhere(weights > threshold))


def link_pairs(
    models: Sequence[Seq2Seq],
    tokenizer: Tokenizer,
    pairs: Sequence[Pair],
    budget: TokenBudget,
    precision: str = "fp32",
    readings: Sequence[LayerReading | None] = (None,),
) -> list[list[PairLinks]]:
    """Link each target word to a source word by `PairAttention.word_weights`, averaged over models.

    Returns the links of each pair, by all of `readings` from one pass of the models; None is the
    default of `word_weights`. Other arguments are as for `attention_weights`, but weights are held
    for one batch only. Raises UsageError if a model has no attention to the source, or does not
    have one of the readings.
    """

    def link(members: list[PairAttention]) -> list[PairLinks]:
        links = []
        for each in readings:
            layer, reading = each or (None, None)
            weights = np.mean([m.word_weights(layer, reading=reading) for m in members], axis=0)
            links.append(PairLinks(argmax_links(weights), weights.shape[1], weights.shape[0]))
        return links

    require_cross_attention(models)
    return map_pair_attention(models, tokenizer, pairs, budget, link, precision)


def layer_readings(model: Seq2Seq) -> list[LayerReading]:
    """Return every layer of the cross-attention in every reading that the decoder has."""
    layers, _ = attention_shapes(model)["cross"]
    readings = defined_readings(model.decoder.query_reads_input)
    return [LayerReading(layer, reading) for layer in range(layers) for reading in readings]


def join_links(parts: Sequence[PairLinks], source: str, target: str) -> Links | None:
    """Join the links of the parts of a line; indices count the words of the whole line.

    Returns None if the words of the parts are not those of the line. This happens if a word was
    split, if parts were joined without a space, or if a word consisted only of bytes that
    normalisation removes.
    """
    joined: set[Link] = set()
    sources = targets = 0
    for part in parts:
        joined.update((sources + i, targets + j) for i, j in part.links.sure)
        sources, targets = sources + part.source_words, targets + part.target_words
    if (sources, targets) != (count_words(source), count_words(target)):
        return None
    return Links(frozenset(joined))


def _links(pairs: Iterable[Link]) -> Links:
    return Links(frozenset((int(source), int(target)) for source, target in pairs))
