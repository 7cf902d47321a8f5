"""Word alignments: Pharaoh's format, links from weights, and the alignment error rate.

Shapes: S source and T target words (or pieces, where said). A link is (source word, target word), both from 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mt.data.readers import open_bytes
from mt.data.words import count_words
from mt.errors import MTError

Link = tuple[int, int]
READINGS = ("output", "input")  # at which step attention is read, see `mt/decoding/attention.py`
PATTERN = re.compile(r"(\d{1,9})([-p])(\d{1,9})", re.ASCII)


@dataclass(frozen=True)
class Links:
    """The links of one sentence pair. Possible links include the sure ones; what a system finds is all sure."""

    sure: frozenset[Link] = frozenset()
    possible: frozenset[Link] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "possible", self.possible | self.sure)


@dataclass(frozen=True)
class AlignmentScore:
    """Of a corpus, in percent."""

    aer: float  # alignment error rate: less is better
    precision: float  # links found that are possible, of those found; 0 where none is found
    recall: float  # sure links that are found, of the sure ones
    links: int  # found
    sentences: int


def parse_links(text: str) -> Links:
    """A line such as `0-0 1p2`: sure and possible links, source word first. MTError for anything else."""
    found: dict[str, set[Link]] = {"-": set(), "p": set()}
    for token in text.split():
        match = PATTERN.fullmatch(token)
        if not match:
            raise MTError(f"{token[:40]!r} is no link, which is written 0-0 (sure) or 0p0 (possible), in the line {text.strip()[:80]!r}")
        found[match[2]].add((int(match[1]), int(match[3])))
    return Links(frozenset(found["-"]), frozenset(found["p"]))


def format_links(links: Links) -> str:
    """What `parse_links` reads, in order of the source words."""
    return " ".join(f"{source}{'-' if (source, target) in links.sure else 'p'}{target}" for source, target in sorted(links.possible))


def read_links(path: Path) -> list[Links]:
    """The links of each line of a file (.gz, .xz, .zst too). MTError names the file and the line."""
    with open_bytes(path) as file:
        return parse_lines((line.decode("utf-8", "replace") for line in file), str(path))


def parse_lines(lines: Iterable[str], name: str) -> list[Links]:
    """The links of each line of what is called `name`. MTError names it and the line."""
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(parse_links(line))
        except MTError as error:
            raise MTError(f"{name}, line {number}: {error}") from None
    return found


def check_gold(golds: Sequence[Links], pairs: Sequence[tuple[str, str]], name: str) -> None:
    """Raise MTError unless each line of gold links, of what is called `name`, can belong to its pair of normalised texts, and
    there is something to score against."""
    if len(golds) != len(pairs):
        raise MTError(f"{name} has {len(golds):,} lines for {len(pairs):,} sentence pairs: line i of each must belong together")
    for number, (gold, (source, target)) in enumerate(zip(golds, pairs, strict=True), start=1):
        words = count_words(source), count_words(target)
        for i, j in gold.possible:
            if i >= words[0] or j >= words[1]:
                raise MTError(f"{name}, line {number} links words {i} and {j}, but the pair has {words[0]} and {words[1]} (counted from 0)")
    if not any(gold.sure for gold in golds):
        raise MTError(f"{name} has no sure link (such as 0-0): there is nothing to score against")


def score_alignments(hypotheses: Sequence[Links], golds: Sequence[Links]) -> AlignmentScore:
    """Och and Ney 2003, section 5.1, with all links of a hypothesis as A, sure S and possible P of the gold standard.

    Precision |A and P| / |A|, recall |A and S| / |S|, AER 1 - (|A and S| + |A and P|) / (|A| + |S|), counted over the
    corpus. MTError where the two differ in length, or where there is no sure link.
    """
    if len(hypotheses) != len(golds):
        raise MTError(f"there are {len(hypotheses)} lines of alignments but {len(golds)} of gold: line i of each must belong together")
    found = sure = found_sure = found_possible = 0
    for hypothesis, gold in zip(hypotheses, golds, strict=True):
        found += len(hypothesis.possible)
        sure += len(gold.sure)
        found_sure += len(hypothesis.possible & gold.sure)
        found_possible += len(hypothesis.possible & gold.possible)
    if not sure:
        raise MTError("the gold alignments have no sure link: there is nothing to score against")
    return AlignmentScore(
        aer=100 * (1 - (found_sure + found_possible) / (found + sure)),
        precision=100 * found_possible / max(1, found),
        recall=100 * found_sure / sure,
        links=found,
        sentences=len(golds),
    )


def argmax_links(weights: np.ndarray) -> Links:
    """weights [T, S] -> each target word to its best source word (the first of equals); a row without any weight to none."""
    if not weights.size:
        return Links()
    return _links((best, target) for target, best in enumerate(weights.argmax(1)) if weights[target, best] > 0)


def threshold_links(weights: np.ndarray, threshold: float) -> Links:
    """weights [T, S] -> every pair of words whose weight is above the threshold."""
    return _links((source, target) for target, source in np.argwhere(weights > threshold))


def merge_pieces(weights: np.ndarray, source_words: Sequence[int], target_words: Sequence[int]) -> np.ndarray:
    """weights [..., T, S] of pieces -> of words: the sum over a source word's pieces, the mean over a target word's.

    So a row that sums to 1 still does. `source_words` [S] and `target_words` [T] are the word of each piece, -1 for a piece
    outside any (such as EOS), which is left out. There are as many words as the highest index says; one without pieces has
    weight 0. MTError where an index is missing or too many.
    """
    target, source = (
        _membership(words, size, side)
        for words, size, side in zip((target_words, source_words), weights.shape[-2:], ("target", "source"), strict=True)
    )
    mean = (target / np.maximum(target.sum(0), 1)).T
    return (mean @ weights @ source).astype(weights.dtype)


def _membership(words: Sequence[int], size: int, side: str) -> np.ndarray:
    """[pieces, words], 1 where the piece belongs to the word."""
    if len(words) != size:
        raise MTError(f"the weights have {size} {side} pieces, but the words of {len(words)} are given")
    index = np.asarray(words, dtype=np.int64)
    return (index[:, None] == np.arange(index.max(initial=-1) + 1)).astype(np.float64)


def _links(pairs: Iterable[Link]) -> Links:
    return Links(frozenset((int(source), int(target)) for source, target in pairs))
