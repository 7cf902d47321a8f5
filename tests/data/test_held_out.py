"""Validation and test sets that are held out of the training text."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from helpers.corpora import PAIRS, write_sides
from mt.config.schema import CleanConfig, DataConfig
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


def test_repeated_pairs_count_once_and_are_in_no_other_part(tmp_path: Path) -> None:
    pairs = [(f"Sentence {i}", f"Satz {i}") for i in range(400)]
    pairs += [(f"Sentence {i}", f"Satz {i}, anders") for i in range(0, 400, 4)]
    once = held_out(tmp_path, pairs)
    chosen = [list(source.pairs()) for source in (once.val, once.test)]
    assert [len(part) for part in chosen] == [25, 25]
    spaced = [(f" {source}", f"{target}\t") for source, target in pairs]  # the same, normalised
    thrice = held_out(tmp_path, [*pairs, *pairs[::-1], *spaced])
    parts = [list(source.pairs()) for source in (thrice.train[0], thrice.val, thrice.test)]
    assert list(map(sorted, parts[1:])) == list(map(sorted, chosen))
    assert not {source.strip() for source, _ in parts[0]} & {
        source for part in chosen for source, _ in part
    }
    assert len(parts[0]) == 3 * 500 - 3 * 50
    assert thrice.notes == [
        "held out of train by a hash of the source: 25 pairs for val, 25 pairs for test "
        "(of 1,500); repeats of them, left out: 100"
    ]
    with pytest.raises(MTError, match="19 different pairs, too few"):
        list(held_out(tmp_path, 2 * pairs[:19]).val.pairs())


def test_without_deduplication_repeated_pairs_count_as_they_are(tmp_path: Path) -> None:
    pairs = [(f"Sentence {i}", f"Satz {i}") for i in range(400)]
    clean = CleanConfig(deduplicate=False)
    repeated = held_out(tmp_path, 3 * pairs, clean=clean)
    assert (len(list(repeated.val.pairs())), len(set(repeated.val.pairs()))) == (60, 20)
    # What does not repeat is held out as with it.
    plain, kept = (held_out(tmp_path, pairs, clean=each) for each in (CleanConfig(), clean))
    for first, second in ((plain.val, kept.val), (plain.test, kept.test)):
        assert list(first.pairs()) == list(second.pairs())
    assert plain.val.fingerprint() != kept.val.fingerprint()


def test_a_source_of_more_rows_than_a_part_has_stays_in_training(tmp_path: Path) -> None:
    pairs = [(f"Sentence {i}", f"Satz {i}") for i in range(300)]
    first = next(held_out(tmp_path, pairs, holdout=5).val.pairs())
    chosen = held_out(tmp_path, [*pairs, *5 * [first]], holdout=5)
    assert first not in {*chosen.val.pairs(), *chosen.test.pairs()}
    assert list(chosen.train[0].pairs()).count(first) == 6
