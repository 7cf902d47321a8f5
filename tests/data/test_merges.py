"""Continued byte-pair encoding, against the algorithm as Sennrich et al. 2016 write it."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest

from mt.data.merges import apply_merge, learn_merges


def slow_merges(words: dict, number: int, known: set[str]) -> list[tuple[str, str, int]]:
    """Count all pairs anew for each merge."""
    text, new, merges = dict(words), set(), []
    while len(merges) < number:
        counts: Counter = Counter()
        for word, frequency in text.items():
            for left, right in pairwise(word):
                parts = {left, right} <= known | new
                if parts and left + right not in known and not right.startswith("▁"):
                    counts[left, right] += frequency
        if not counts:
            break
        pair = min(counts, key=lambda each: (-counts[each], each))
        if counts[pair] < 2:
            break
        if "".join(pair) not in new:
            merges.append((*pair, counts[pair]))
            new.add("".join(pair))
        merged: Counter = Counter()
        for word, frequency in text.items():
            parts, rest = [], list(word)
            while rest:
                width = 2 if tuple(rest[:2]) == pair else 1
                parts.append("".join(rest[:width]))
                rest = rest[width:]
            merged[tuple(parts)] += frequency
        text = merged
    return merges


@pytest.mark.parametrize("seed", range(6))
def test_merges_are_those_of_the_slow_algorithm(seed: int) -> None:
    choose = random.Random(seed)
    alphabet = ["a", "b", "aa", "ba", "▁", "▁a", "<0x41>"]
    words: Counter = Counter()
    for _ in range(60):
        words[tuple(choose.choices(alphabet, k=choose.randint(1, 9)))] += choose.randint(1, 4)
    known = {"a", "b", "aa", "ba", "▁", "▁a", "▁b"}
    merges = learn_merges(words, 40, known)
    assert list(map(tuple, merges)) == slow_merges(words, 40, known)
    assert len({merge.name for merge in merges}) == len(merges) > 20
    assert not any("0x" in merge.name or merge.name in known for merge in merges)


def test_overlapping_pairs_are_merged_from_the_left() -> None:
    assert apply_merge(list("aaa"), ("a", "a")) == ["aa", "a"]
    assert apply_merge(list("aaaab"), ("a", "a")) == ["aa", "aa", "b"]
    assert learn_merges({tuple("ab"): 1}, 5, {"a", "b"}) == []
