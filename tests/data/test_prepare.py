"""Prepared tables: the cleaned text in pieces, raw validation and test sets, the report."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from helpers.prepared_corpora import PAIRS, rows, run, write_split
from mt.config.schema import DataConfig
from mt.data import arrow_files
from mt.data.batch_order import BatchOrder
from mt.data.collate import collate
from mt.data.prepare import UNKNOWN_LANGUAGES
from mt.data.segmenter import Segmenter
from mt.data.tokenizer import Tokenizer
from mt.data.word_counts import load_counts, split_words
from mt.errors import MTError


def test_tables_hold_the_cleaned_text_in_pieces(config: DataConfig) -> None:
    data, _ = run(config)
    assert rows(data) == PAIRS[20:]
    assert data.train[0].src_lengths.tolist() == [
        len(data.tokenizer.encode(src)) + 1 for src, _ in PAIRS[20:]
    ]
    # Blank and long pairs stay in validation, and the text is raw.
    assert data.val.pairs == [*PAIRS[:9], ("", "blank  source")] and data.test_pairs == PAIRS[10:20]
    assert len(data.val.table) == 10 and data.val.table.src_lengths[9] == 1
    assert len(np.concatenate(BatchOrder(data.train, 256, 1).epoch(0))) == len(PAIRS) - 20


@pytest.mark.parametrize("chunk", [7, 100_000])
def test_the_chunk_size_does_not_affect_the_table(
    config: DataConfig, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrow_files, "CHUNK_SIZE", chunk)
    assert rows(run(config)[0]) == PAIRS[20:]


def test_empty_sides_of_validation_and_test_are_counted_and_named(
    config: DataConfig, tmp_path: Path
) -> None:
    pairs = [(source, "" if i % 2 else target) for i, (source, target) in enumerate(PAIRS[:40])]
    config.val = write_split(tmp_path, "holes", [*pairs, ("", "blank source"), ("x", "\u00ad \t")])
    expected = [
        "validation set: 1 of 42 sources are empty or null (pairs 41): "
        "they are scored as they are; better remove these pairs",
        "validation set: 21 of 42 targets are empty or null "
        "(pairs 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, ...): "
        "they are scored as they are; better remove these pairs",
    ]
    for _ in range(2):  # prepared, and from the cache
        assert run(config)[0].report[-2:] == expected


def test_languages_that_are_not_set_are_noted(config: DataConfig) -> None:
    assert UNKNOWN_LANGUAGES in run(config)[0].report
    config.src_lang = "en"
    assert UNKNOWN_LANGUAGES in run(config)[0].report
    config.tgt_lang = "de"
    assert UNKNOWN_LANGUAGES not in run(config)[0].report
    config.tgt_lang = "German"
    note = "note: data.tgt_lang=German is not the code of a language: set data.tgt_lang=de"
    assert note in run(config)[0].report


def test_words_of_the_cleaned_training_text_are_counted(config: DataConfig) -> None:
    data, _ = run(config)
    counted = [load_counts(path) for path in data.word_counts]
    for side, counts in enumerate(counted):
        expected = Counter(word for pair in PAIRS[20:] for word in split_words(pair[side]))
        assert counts == expected and sum(counts.values()) > 100


def test_escapes_of_validation_and_test_are_undone_as_in_training(
    config: DataConfig, tmp_path: Path
) -> None:
    escaped = [("it &apos;s a test", "ein &quot;Test&quot;"), ("a <b> &amp;", "  x @-@ y ")]
    config.train = write_split(tmp_path, "escaped", [*escaped, *PAIRS[20:]])
    config.test = write_split(tmp_path, "escaped-test", escaped)
    config.clean.same_markup = config.clean.drop_overlap = False
    expected = [("it 's a test", 'ein "Test"'), ("a <b> &amp;", "  x-y ")]
    data, _ = run(config)
    assert data.test_pairs == expected
    assert rows(data)[:2] == [(source, target.strip()) for source, target in expected]
    assert data.val.pairs == [*PAIRS[:9], ("", "blank  source")]
    assert (
        "test pairs with HTML entities or Moses escapes, which were undone (data.clean.unescape): 2"
    ) in data.report
    config.clean.unescape = False
    assert run(config)[0].test_pairs == escaped


def test_long_pairs_are_dropped_from_training_and_counted(
    config: DataConfig, tmp_path: Path
) -> None:
    long = [("window " * 40, "short"), ("short", "window " * 40)]
    config.train = write_split(tmp_path, "long", [*long, *PAIRS[20:]])
    config.val = write_split(
        tmp_path, "long-val", [("river " * 40, "brief"), ("brief", "river " * 40)]
    )
    config.max_pieces = 30
    config.clean.max_ratio = config.clean.max_repeats = 0
    data, _ = run(config)
    assert rows(data) == PAIRS[20:]
    line = "dropped, with a side over 30 pieces (data.max_pieces): 2; training pairs: 492"
    first = data.report.index(line) + 1
    shown = [f"{'window ' * 9}wind... ||| short", f"short ||| {'window ' * 9}wind..."]
    assert data.report[first : first + 2] == [f"  {pair}" for pair in shown]
    assert not any("over 30 pieces)" in each for each in data.report)  # no warning
    assert len(data.val.table) == 2 and data.val.table.src_lengths[0] > 31
    config.max_pieces = 15
    report = run(config)[0].report
    (warning,) = (each for each in report if "over 15 pieces):" in each)
    assert warning.endswith("look at the examples above, and check data.max_pieces")
    config.max_pieces = 1
    with pytest.raises(MTError, match="all 494 are over data.max_pieces=1"):
        run(config)


def test_report_counts_each_source_and_duplicates_across(
    config: DataConfig, tmp_path: Path
) -> None:
    config.mix = {
        "extra": write_split(
            tmp_path,
            "extra",
            [*PAIRS[20:25], ("a new pair", "ein neues Paar"), ("", "x"), PAIRS[0]],
        )
    }
    config.mix["extra"].weight = 2.0
    data, _ = run(config)
    assert "train: 492 pairs read, 492 kept after cleaning" in data.report
    assert "extra: 8 pairs read, 1 kept after cleaning" in data.report
    assert "vocabulary: 330 unigram pieces, joint" in data.report
    assert "validation pairs: 10; test pairs: 10" in data.report
    assert rows(data, 1) == [("a new pair", "ein neues Paar")] and data.train[1].weight == 2.0


def test_given_tokenizer_is_used(
    config: DataConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, _ = run(config)
    monkeypatch.setattr(Tokenizer, "train", None)
    config.train = write_split(tmp_path, "tune", [("ÄÖ the river", "ß"), *PAIRS[30:40]])
    config.tokenizer.vocab_size = 9999  # ignored
    data, _ = run(config, tokenizer=original.tokenizer)
    assert data.tokenizer.serialized() == original.tokenizer.serialized()
    assert rows(data)[0] == ("ÄÖ the river", "ß") and data.hash != original.hash


@pytest.mark.parametrize(("kind", "sampling"), [("unigram", 0.1), ("bpe", 0.2)])
def test_with_sampling_the_table_holds_text_and_the_length_to_expect(
    config: DataConfig, kind: str, sampling: float
) -> None:
    config.tokenizer.type, config.tokenizer.sampling = kind, sampling
    data, _ = run(config)
    table = data.train[0]
    source, target = table.text(np.arange(len(table)))
    assert list(zip(source, target, strict=True)) == PAIRS[20:]
    assert not data.val.table.holds_text
    drawn = np.mean(
        [
            [len(data.tokenizer.sample(text, "src", sampling, seed)) for text in source]
            for seed in range(3)
        ]
    )
    assert table.src_lengths.mean() - 1 == pytest.approx(drawn, rel=0.15)
    assert drawn > 1.1 * np.mean([len(data.tokenizer.encode(text)) for text in source])
    order = BatchOrder(data.train, 512, 1)
    for epoch in range(2):
        segment = Segmenter(data.tokenizer, sampling, 1, epoch, config.max_pieces)
        batches = [collate(data.train, batch_rows, segment) for batch_rows in order.epoch(epoch)]
        decoded = [
            data.tokenizer.decode(ids, "src") for batch in batches for ids in batch.source.tolist()
        ]
        assert sorted(decoded) == sorted(source)
        assert max(batch.source.numel() for batch in batches) <= 2 * 512
