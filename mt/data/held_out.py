"""Validation and test pairs held out of a training corpus."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from mt.config.schema import CleanConfig
from mt.data.arrow_files import Pair
from mt.data.cleaning.duplicates import pair_key
from mt.data.digests import digest, text_hash
from mt.data.normalisation import Normaliser, is_blank, normalise
from mt.data.sources import PairSource
from mt.data.tags import add_tag, split_tag
from mt.errors import MTError, UsageError

MAX_HELD_OUT_SHARE = 0.05  # of the training corpus, for each held-out part


@dataclass
class Candidate:
    """A source that may be held out: its pairs without repeats, and the rows of all of them."""

    pairs: dict[int, Pair] = field(default_factory=dict)  # by what identifies them
    rows: list[int] = field(default_factory=list)


class HeldOutSplit:
    """Split a training corpus into held-out parts and the rest, by a hash of the source sentence.

    Sources are ranked by a hash of their text, regardless of case, compatibility forms and spacing.
    This random order depends on the text alone, so that the same sentences are held out whatever
    their order in the files. Each part takes sources in this order, with all pairs of a source,
    until it has `size` pairs. A source with more pairs than fit stays in training. The selection
    takes one streaming pass, on first use; only the candidates are held in memory.

    With data.clean.deduplicate, pairs that are the same after normalisation count once, and their
    repeats are in no part.
    """

    def __init__(
        self,
        corpus: PairSource,
        parts: tuple[str, ...],
        size: int,
        clean: CleanConfig,
        note: Callable[[str], None],
    ) -> None:
        if size <= 0:
            raise UsageError(
                f"data.{parts[0]} is not set, so data.holdout must be > 0, got {size}: set either"
            )
        self._corpus = corpus
        self._parts = parts
        self._size = size
        self._normalise = Normaliser.from_config(clean) if clean.deduplicate else None
        self._note = note

    def part(self, name: str) -> PairSource:
        """Return one held-out part."""
        return PairSource(
            name, 1.0, lambda: iter(self._selection[0][name]), lambda: self._fingerprint(name)
        )

    def rest(self) -> PairSource:
        """Return the corpus without the held-out pairs and their repeats."""

        def pairs() -> Iterator[Pair]:
            _, held_out = self._selection
            return (pair for row, pair in enumerate(self._corpus.pairs()) if row not in held_out)

        return PairSource(
            self._corpus.name, self._corpus.weight, pairs, lambda: self._fingerprint("rest")
        )

    def _fingerprint(self, name: str) -> str:
        by_text = [self._normalise] if self._normalise else []
        return digest(
            self._corpus.fingerprint(), "held out", self._parts, self._size, name, *by_text
        )

    @cached_property
    def _selection(self) -> tuple[dict[str, list[Pair]], set[int]]:
        """Return the pairs of each part, and the rows of the corpus that are not in the rest."""
        total, different, candidates = self._candidates()
        size = min(self._size, int(MAX_HELD_OUT_SHARE * different))
        if not size:
            settings = " and ".join(f"data.{part}" for part in self._parts)
            raise MTError(
                f"{self._corpus.name} has {different}{' different' if different < total else ''} "
                f"pairs, too few to hold out {' and '.join(self._parts)}: set {settings}"
            )
        selection: dict[str, list[Pair]] = {part: [] for part in self._parts}
        rows: set[int] = set()
        for _, source in sorted(candidates.items()):
            for selected in selection.values():
                if len(source.rows) <= self._size and len(selected) + len(source.pairs) <= size:
                    selected.extend(source.pairs.values())
                    rows.update(source.rows)
                    break
        counts = ", ".join(f"{len(pairs):,} pairs for {part}" for part, pairs in selection.items())
        repeats = len(rows) - sum(map(len, selection.values()))
        self._note(
            f"held out of {self._corpus.name} by a hash of the source: {counts} (of {total:,})"
            + (f"; repeats of them, left out: {repeats:,}" if repeats else "")
        )
        return selection, rows

    def _candidates(self) -> tuple[int, int, dict[int, Candidate]]:
        """Return the number of pairs, that of different ones, and the sources that rank first.

        Different pairs are counted as far as their number matters. Candidates, by their keys, are
        twice as many sources as can be needed.
        """
        capacity = 2 * self._size * len(self._parts)
        candidates: dict[int, Candidate] = {}
        negated_keys: list[int] = []  # a heap: the candidate that ranks last comes first
        different: set[int] = set()
        total = 0
        for row, pair in enumerate(self._corpus.pairs()):
            total = row + 1
            if int(MAX_HELD_OUT_SHARE * len(different)) < self._size:
                different.add(self._identity(row, pair))
            if _is_blank(*pair):
                continue
            key = source_key(pair[0])
            if key not in candidates:
                if len(candidates) >= capacity and key >= -negated_keys[0]:
                    continue
                candidates[key] = Candidate()
                heapq.heappush(negated_keys, -key)
                if len(candidates) > capacity:
                    del candidates[-heapq.heappop(negated_keys)]
            source = candidates[key]
            if len(source.rows) <= self._size:  # one row more than fits shows that it does not fit
                source.rows.append(row)
                source.pairs.setdefault(self._identity(row, pair), pair)
        return total, len(different), candidates

    def _identity(self, row: int, pair: Pair) -> int:
        """Return what is the same for pairs that count as one: a hash, or else the row."""
        if not self._normalise:
            return row
        tag, source = split_tag(pair[0])
        return pair_key(add_tag(self._normalise(source), tag), self._normalise(pair[1]))


def source_key(source: str) -> int:
    """Return the hash by which a source is ranked; equal keys count as the same source.

    A tag makes no difference.
    """
    return text_hash(" ".join(normalise(split_tag(source)[1], "NFKC").casefold().split()))


def _is_blank(source: str, target: str) -> bool:
    return is_blank(split_tag(source)[1]) or is_blank(target)
