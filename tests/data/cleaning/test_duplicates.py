"""Repeated pairs: found in parts of the keys, as a set of all pairs would find them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mt.data.cleaning import duplicates
from mt.data.cleaning.duplicates import find_first, find_repeated, pair_key, simplified_key

RANDOM = np.random.default_rng(5)


def first_by_a_set(keys: list[int], among: list[bool]) -> list[bool]:
    seen: set[int] = set()
    result = []
    for key, counts in zip(keys, among, strict=True):
        result.append(counts and key not in seen)
        if counts:
            seen.add(key)
    return result


@pytest.mark.parametrize("part_keys", [1, 7, 100, 10_000])
@pytest.mark.parametrize("block_keys", [3, 1 << 20])
def test_parts_of_the_keys_find_what_a_set_of_all_finds(
    part_keys: int, block_keys: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "_BLOCK_KEYS", block_keys)
    keys = RANDOM.integers(0, 60, 150).astype(np.uint64) * np.uint64(2**58 + 1)
    among = RANDOM.random(150) < 0.8
    keys.tofile(tmp_path / "keys")
    for given in (keys, np.memmap(tmp_path / "keys", np.uint64, "r")):
        found = find_first(given, among, part_keys)
        assert found.tolist() == first_by_a_set(keys.tolist(), among.tolist())
    assert find_first(keys[:0], among[:0]).tolist() == []


def test_a_row_that_one_step_drops_is_not_seen_by_the_next() -> None:
    first = np.array([1, 2, 1, 3, 4], np.uint64)
    second = np.array([7, 8, 9, 9, 8], np.uint64)  # row 2 is gone when row 3 is looked at
    found = find_repeated({"first": first, "second": second})
    assert {name: rows.tolist() for name, rows in found.items()} == {"first": [2], "second": [4]}
    assert find_repeated({}) == {}


def test_keys_are_those_of_the_texts_or_of_their_letters_and_digits() -> None:
    assert pair_key("a b", "c") == pair_key("a b", "c") < 2**64
    assert len({pair_key(*pair) for pair in [("a", "b"), ("ab", ""), ("b", "a"), ("A", "b")]}) == 4
    assert simplified_key("A, 12 b!", "c") == simplified_key("a 7 B", "C.")
    assert simplified_key("?", "!") != simplified_key("!", "!")
