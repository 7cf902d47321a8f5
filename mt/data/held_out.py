"""Validation and test pairs held out of a training corpus."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from functools import cached_property

from mt.data.arrow_files import Pair
from mt.data.digests import digest, text_hash
from mt.data.normalisation import is_blank, normalise
from mt.data.sources import PairSource
from mt.data.tags import split_tag
from mt.errors import MTError, UsageError

MAX_HELD_OUT_SHARE = 0.05  # of the training corpus, for each held-out part


class HeldOutSplit:
    """Split a training corpus into held-out parts and the rest, by a hash of the source sentence.

    Sources are ranked by a hash of their text, regardless of case, compatibility forms and spacing.
    This random order depends on the text alone, so that the same sentences are held out whatever
    their order in the files. Each part takes sources in this order, with all pairs of a source,
    until it has `size` pairs. A source with more pairs than fit stays in training. The selection
    takes one streaming pass, on first use; only the candidates are held in memory.
    """

    def __init__(
        self, corpus: PairSource, parts: tuple[str, ...], size: int, note: Callable[[str], None]
    ) -> None:
        if size <= 0:
            raise UsageError(
                f"data.{parts[0]} is not set, so data.holdout must be > 0, got {size}: set either"
            )
        self._corpus = corpus
        self._parts = parts
        self._size = size
        self._note = note

    def part(self, name: str) -> PairSource:
        """Return one held-out part."""
        return PairSource(
            name, 1.0, lambda: iter(self._selection[name].values()), lambda: self._fingerprint(name)
        )

    def rest(self) -> PairSource:
        """Return the corpus without the held-out pairs."""

        def pairs() -> Iterator[Pair]:
            held_out = {row for selected in self._selection.values() for row in selected}
            return (pair for row, pair in enumerate(self._corpus.pairs()) if row not in held_out)

        return PairSource(
            self._corpus.name, self._corpus.weight, pairs, lambda: self._fingerprint("rest")
        )

    def _fingerprint(self, name: str) -> str:
        return digest(self._corpus.fingerprint(), "held out", self._parts, self._size, name)

    @cached_property
    def _selection(self) -> dict[str, dict[int, Pair]]:
        """Return the pairs of each part, by their rows in the corpus."""
        total, candidates = self._candidates()
        size = min(self._size, int(MAX_HELD_OUT_SHARE * total))
        if not size:
            settings = " and ".join(f"data.{part}" for part in self._parts)
            raise MTError(
                f"{self._corpus.name} has {total} pairs, "
                f"too few to hold out {' and '.join(self._parts)}: set {settings}"
            )
        selection: dict[str, dict[int, Pair]] = {part: {} for part in self._parts}
        for _, pairs in sorted(candidates.items()):
            for selected in selection.values():
                if len(selected) + len(pairs) <= size:
                    selected.update(pairs)
                    break
        counts = ", ".join(f"{len(pairs):,} pairs for {part}" for part, pairs in selection.items())
        self._note(
            f"held out of {self._corpus.name} by a hash of the source: {counts} (of {total:,})"
        )
        return selection

    def _candidates(self) -> tuple[int, dict[int, dict[int, Pair]]]:
        """Return the number of pairs, and those of the sources that rank first, by key and row.

        Candidates are twice as many sources as can be needed.
        """
        capacity = 2 * self._size * len(self._parts)
        pairs_by_key: dict[int, dict[int, Pair]] = {}
        negated_keys: list[int] = []  # a heap: the candidate that ranks last comes first
        total = 0
        for row, (source, target) in enumerate(self._corpus.pairs()):
            total = row + 1
            if _is_blank(source, target):
                continue
            key = source_key(source)
            if key in pairs_by_key:
                # One pair more than fits shows that the source does not fit.
                if len(pairs_by_key[key]) <= self._size:
                    pairs_by_key[key][row] = source, target
            elif len(pairs_by_key) < capacity or key < -negated_keys[0]:
                pairs_by_key[key] = {row: (source, target)}
                heapq.heappush(negated_keys, -key)
                if len(pairs_by_key) > capacity:
                    del pairs_by_key[-heapq.heappop(negated_keys)]
        return total, pairs_by_key


def source_key(source: str) -> int:
    """Return the hash by which a source is ranked; equal keys count as the same source.

    A tag makes no difference.
    """
    return text_hash(" ".join(normalise(split_tag(source)[1], "NFKC").casefold().split()))


def _is_blank(source: str, target: str) -> bool:
    return is_blank(split_tag(source)[1]) or is_blank(target)
