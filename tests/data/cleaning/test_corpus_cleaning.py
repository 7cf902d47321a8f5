"""Cleaning of a corpus to files: the same as in memory, with any number of processes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest

from mt.config.schema import CleanConfig
from mt.data import arrow_files
from mt.data.arrow_files import Pair, open_arrow, read_pairs
from mt.data.cleaning.cleaner import Cleaner
from mt.data.cleaning.corpus_cleaning import clean_corpus
from mt.data.tags import add_tag
from mt.worker_pool import map_in_order

CONFIG = CleanConfig(near_duplicates=True, max_words=9)


def corpus(seed: int, size: int) -> list[Pair]:
    """Pairs with many repetitions, empty sides, tags, and sides that are too long."""
    draw = random.Random(seed)
    pairs = []
    for _ in range(size):
        source = draw.choice(["Dog", "dog", "cat 1", "cat 2", "a b", "", "word " * 12])
        source += draw.choice(["", ".", " !", " x", " y"])
        tag = draw.choice(["", "", "<t>"])
        pairs.append((add_tag(source, tag), f"ziel {draw.randrange(6)}"))
    return pairs


def by_sets(pairs: Iterable[Pair], cleaner: Cleaner, seen: list[set[int]]) -> Iterator[Pair]:
    """Yield what a stream with a set of keys for each step keeps."""
    for pair in pairs:
        passed = cleaner.examine([pair]).pairs
        for kept in passed:
            for known, key in zip(seen, cleaner.keys.values(), strict=True):
                if (value := key(*kept)) in known:
                    break
                known.add(value)
            else:
                yield kept


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_files_hold_what_a_stream_with_sets_keeps(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrow_files, "CHUNK_SIZE", 7)
    sources = [corpus(1, 100), [], corpus(2, 45)]
    paths = [tmp_path / f"{index}.text.arrow" for index in range(3)]
    cleaner, reference, in_memory = (Cleaner(CONFIG, [("a b", "z")]) for _ in range(3))
    seen: list[set[int]] = [set(), set()]
    expected = [list(by_sets(pairs, reference, seen)) for pairs in sources]
    numbers = clean_corpus(
        cleaner, sources, paths, partial(map_in_order, workers), lambda tables: tables
    )
    assert [read_pairs(path) for path in paths] == expected
    assert [list(in_memory(pairs)) for pairs in sources] == expected
    assert numbers == [(len(a), len(b)) for a, b in zip(sources, expected, strict=True)]
    assert 0 < len(expected[2]) < len(expected[0]) < 60  # most are repeated
    assert (cleaner.counts, cleaner.tags) == (in_memory.counts, in_memory.tags)
    assert set(cleaner.tags) == {"", "<t>"} and cleaner.counts["near-duplicate"] > 3
    assert cleaner.report() == in_memory.report()
    assert min(map(len, cleaner.examples.values())) == 0
    assert len(cleaner.examples["duplicate"]) == len(cleaner.examples["empty"]) == 3
    sizes = [len(batch) for batch in open_arrow(paths[0]).to_batches()]
    assert set(sizes[:-1]) == {7} and 0 < sizes[-1] <= 7
    assert sorted(path.name for path in tmp_path.iterdir()) == [path.name for path in paths]


def test_steps_that_are_off_need_no_keys(tmp_path: Path) -> None:
    pairs = [("a", "b"), ("a", "b")]
    cleaner = Cleaner(CleanConfig(deduplicate=False), [])
    path = tmp_path / "x.arrow"
    assert clean_corpus(cleaner, [pairs], [path], partial(map_in_order, 1), iter) == [(2, 2)]
    assert read_pairs(path) == pairs and cleaner.keys == {}
