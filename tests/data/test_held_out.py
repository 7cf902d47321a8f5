"""Validation and test sets that are held out of the training text."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from helpers.corpora import PAIRS, write_sides
from mt.config.schema import DataConfig
from mt.data.corpus import RawCorpus, load_corpus
from mt.data.held_out import source_key
from mt.errors import MTError, UsageError


def held_out(tmp_path: Path, pairs: list[tuple[str, str]], **settings: object) -> RawCorpus:
    return load_corpus(DataConfig(train=write_sides(tmp_path, pairs, "held"), **settings))  # type: ignore[arg-type]


def test_held_out_parts_share_no_source_and_do_not_depend_on_order(tmp_path: Path) -> None:
    pairs = [(f"Sentence {i}", f"Satz {i}") for i in range(3000)]
    # The same sources in another spelling.
    pairs += [(f"sentence  {i}", f"Satz {i}, nochmals") for i in range(0, 3000, 3)]
    pairs += [("Thank you.", f"Danke {i}.") for i in range(500)] + [("", "x"), ("Sentence 7", "")]
    loaded = held_out(tmp_path, pairs, holdout=150)
    parts = [list(source.pairs()) for source in (loaded.train[0], loaded.val, loaded.test)]
    # Every pair is in exactly one part.
    assert sorted(pair for part in parts for pair in part) == sorted(pairs)
    assert [len(part) for part in parts[1:]] == [150, 150]
    place = defaultdict(set)
    for number, part in enumerate(parts):
        for source, target in part:
            if target:
                place[" ".join(source.lower().split())].add(number)
    assert all(len(numbers) == 1 for numbers in place.values()) and place["thank you."] == {0}
    assert loaded.notes == [
        "held out of train by a hash of the source: "
        "150 pairs for val, 150 pairs for test (of 4,502)"
    ]
    again = held_out(tmp_path, pairs[::-1], holdout=150)  # the order of the file does not matter
    assert {source_key(s) for s, _ in again.val.pairs()} == {source_key(s) for s, _ in parts[1]}
    assert sorted(again.train[0].pairs()) == sorted(parts[0])
    sources = (
        loaded.train[0],
        loaded.val,
        loaded.test,
        held_out(tmp_path, pairs, holdout=100).train[0],
    )
    assert len({source.fingerprint() for source in sources}) == 4


def test_the_held_out_share_is_5_percent_and_one_part_may_be_given(tmp_path: Path) -> None:
    pairs = [(f"Sentence {i}", f"Satz {i}") for i in range(200)]
    loaded = held_out(tmp_path, pairs, val=write_sides(tmp_path, PAIRS), reverse=True)
    assert list(loaded.val.pairs()) == [pair[::-1] for pair in PAIRS]
    test = list(loaded.test.pairs())
    assert len(test) == 10 and set(test) <= {pair[::-1] for pair in pairs}  # 5 %
    assert len(list(loaded.train[0].pairs())) == 190
    with pytest.raises(MTError, match="19 pairs, too few.*data.val and data.test"):
        list(held_out(tmp_path, pairs[:19]).val.pairs())
    with pytest.raises(UsageError, match="data.holdout must be > 0, got 0"):
        held_out(tmp_path, pairs, holdout=0)
