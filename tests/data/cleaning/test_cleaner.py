"""The cleaner: counts, order, report, and steps that are off."""

from __future__ import annotations

from mt.config.schema import CleanConfig
from mt.data.cleaning.cleaner import Cleaner


def test_each_step_counts_what_it_drops() -> None:
    held_out = [("held out source", "x"), ("y", "Geheim\u0301")]
    pairs = [
        ("a plain pair", "ein Paar"),
        ("  a plain pair\x00", "ein Paar"),  # normalised, then a duplicate
        ("a plain pair", "ein anderes Paar"),  # same source only: kept
        ("", "leer"),
        ("blank", " \t "),  # normalised and empty
        ("w " * 6 + "w", "sieben"),  # one word over the limit
        ("c" * 41, "d" * 30),  # one character over the limit
        ("\u4e00" * 7, "seven characters"),
        ("held out source", "neu"),
        ("new", "Gehei\u1e3f"),  # the target of a held-out pair, composed
    ]
    cleaner = Cleaner(CleanConfig(max_words=6, max_chars=40), held_out)
    kept = list(cleaner(pairs))
    assert kept == [("a plain pair", "ein Paar"), ("a plain pair", "ein anderes Paar")]
    assert {name: count for name, count in cleaner.counts.items() if count} == {
        "read": 10,
        "kept": 2,
        "normalised": 2,
        "empty": 2,
        "too long": 3,
        "overlap": 2,
        "duplicate": 1,
    }
    assert sum(cleaner.dropped().values()) == 8
    assert list(cleaner([("a plain pair", "ein Paar")])) == []  # also across corpora
    assert cleaner.counts["duplicate"] == 2
    report = "\n".join(cleaner.report())
    assert "pairs read: 11; kept: 2 (18.2 %)" in report and "in validation or test: 2" in report


def test_steps_can_be_switched_off() -> None:
    config = CleanConfig(
        unicode="none",
        max_words=0,
        max_chars=0,
        max_ratio=0.0,
        max_copied=0.0,
        max_repeats=0,
        same_markup=False,
        deduplicate=False,
        drop_overlap=False,
    )
    pairs = [("e\u0301", "x " * 5000), ("e\u0301", "x " * 5000)]
    cleaner = Cleaner(config, pairs)
    assert [source for source, _ in cleaner(pairs)] == ["e\u0301", "e\u0301"]
    assert sum(line.endswith("step is off") for line in cleaner.report()) == len(cleaner.steps) - 1


def test_the_report_shows_what_was_dropped_and_warns_of_a_step_that_drops_much() -> None:
    long = "word " * 30
    pairs = [(f"source {i}", f"target {i}") for i in range(30)]
    pairs += [(f"{i} {long}", f"short {i}") for i in range(5)] + [("", "an empty one")]
    cleaner = Cleaner(CleanConfig(), [])
    assert len(list(cleaner(pairs))) == 30
    report = cleaner.report()
    at = next(i for i, line in enumerate(report) if "4 times as long as the other: 5" in line)
    shown = f"  0 {long}"[:69] + "... ||| short 0"
    assert report[at + 1] == shown and report[at + 3].endswith("||| short 2")
    (warning,) = [line for line in report if line.startswith("warning")]
    assert warning == report[at + 4]
    assert "14% of the pairs" in warning and warning.endswith("check data.clean.max_ratio")
    assert "   ||| an empty one" in report


def test_the_warning_of_much_overlap_names_the_sets() -> None:
    pairs = [(f"source {i}", f"target {i}") for i in range(30)]
    cleaner = Cleaner(CleanConfig(), pairs[:10])
    cleaner(pairs)
    (warning,) = [line for line in cleaner.report() if line.startswith("warning: 33%")]
    assert "check data.train, data.val, data.test and data.clean.drop_overlap" in warning
