"""Word alignments from attention weights.

In weights [T, S] of this module, S and T are the numbers of source and target words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mt.data.alignment_words import count_words
from mt.data.links import Link, Links
from mt.data.tokenizer import Tokenizer
from mt.decoding.token_budget import TokenBudget
from mt.inspection.pair_attention import PairAttention
from mt.inspection.teacher_forcing import Text, map_pair_attention, require_cross_attention
from mt.models.seq2seq import Seq2Seq


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
    pairs: Sequence[tuple[Text, Text]],
    budget: TokenBudget,
    precision: str = "fp32",
) -> list[PairLinks]:
    """Link each target word to a source word by `PairAttention.word_weights`, averaged over models.

    Arguments are as for `attention_weights`, but weights are held for one batch only. Raises
    UsageError if a model has no attention to the source.
    """

    def link(members: list[PairAttention]) -> PairLinks:
        weights = np.mean([member.word_weights() for member in members], axis=0)
        return PairLinks(argmax_links(weights), weights.shape[1], weights.shape[0])

    require_cross_attention(models)
    return map_pair_attention(models, tokenizer, pairs, budget, link, precision)


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
