"""Byte-pair encoding that goes on from pieces instead of characters (Sennrich et al. 2016)."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from typing import NamedTuple

from mt.data.sampling import SPACE

Pair = tuple[str, str]
MIN_COUNT = 2  # occurrences of a pair that is merged


class Merge(NamedTuple):
    """Two neighbours that become one piece; of a character, the left one is empty."""

    left: str
    right: str
    frequency: int  # in the text

    @property
    def name(self) -> str:
        """The new piece."""
        return self.left + self.right


def learn_merges(
    words: Mapping[tuple[str, ...], int], number: int, known: Collection[str]
) -> list[Merge]:
    """Return up to `number` merges, each of the most frequent pair after those before it.

    `words` are segmented words with their frequencies. Equal frequencies are decided by the
    alphabet. No merge makes a piece that is `known`; only known and new pieces are merged, and
    none with the beginning of a word.
    """
    pieces = set(known)
    segmented = [list(word) for word in words]
    frequencies = list(words.values())
    counts: Counter[Pair] = Counter()
    places: defaultdict[Pair, set[int]] = defaultdict(set)  # words that may have the pair

    def is_open(pair: Pair) -> bool:
        left, right = pair
        is_inside = not right.startswith(SPACE)
        return is_inside and left in pieces and right in pieces and left + right not in known

    for index, (word, frequency) in enumerate(zip(segmented, frequencies, strict=True)):
        for pair in filter(is_open, itertools.pairwise(word)):
            counts[pair] += frequency
            places[pair].add(index)
    heap = [(-count, pair) for pair, count in counts.items()]
    heapq.heapify(heap)
    merges: list[Merge] = []
    while heap and len(merges) < number:
        count, pair = heapq.heappop(heap)
        if counts[pair] != -count:  # changed since
            continue
        if -count < MIN_COUNT:
            break
        if "".join(pair) not in pieces:  # else two other neighbours have become this piece before
            merges.append(Merge(*pair, -count))
            pieces.add("".join(pair))
        changed: set[Pair] = set()
        for index in places.pop(pair):
            before, after = segmented[index], apply_merge(segmented[index], pair)
            segmented[index] = after
            for sign, word in ((-1, before), (1, after)):
                for each in filter(is_open, itertools.pairwise(word)):
                    counts[each] += sign * frequencies[index]
                    changed.add(each)
                    if sign > 0:
                        places[each].add(index)
        for each in changed:
            if counts[each] > 0:
                heapq.heappush(heap, (-counts[each], each))
    return merges


def apply_merge(word: list[str], pair: Pair) -> list[str]:
    """Return a word with every occurrence of a pair merged, from left to right."""
    merged: list[str] = []
    for piece in word:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged
