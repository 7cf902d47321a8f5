"""Preparation of a corpus: once, atomically, and again whenever its content changes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import yaml

from mt.config.schema import CleanConfig, DataConfig, SplitConfig, TokenizerConfig
from mt.config.yaml import config_from_yaml
from mt.data import arrow_files, pipeline
from mt.data import prepare as module
from mt.data.batch_order import BatchOrder
from mt.data.collate import collate
from mt.data.prepare import PreparedData, prepare
from mt.data.segmenter import Segmenter
from mt.data.tokenizer import Tokenizer
from mt.data.word_counts import load_counts, split_words
from mt.errors import MTError

NOUNS = ["garden", "window", "mountain", "letter", "answer", "question", "river", "teacher"]
VERBS = ["sees", "hears", "finds", "carries", "follows", "watches", "opens", "closes"]
PAIRS = [
    (f"the {a} {v} the {b}", f"Das {a.upper()} {v.upper()} das {b.upper()}")
    for a in NOUNS
    for v in VERBS
    for b in NOUNS
]


def write_split(folder: Path, name: str, pairs: list[tuple[str, str]]) -> SplitConfig:
    paths = {side: folder / f"{name}.{side}" for side in ("src", "tgt")}
    for path, lines in zip(paths.values(), zip(*pairs, strict=True), strict=True):
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return SplitConfig(src=str(paths["src"]), tgt=str(paths["tgt"]))


@pytest.fixture
def config(tmp_path: Path) -> DataConfig:
    return DataConfig(
        train=write_split(tmp_path, "train", PAIRS[20:]),
        val=write_split(tmp_path, "val", [*PAIRS[:9], ("", "blank  source")]),
        test=write_split(tmp_path, "test", PAIRS[10:20]),
        clean=CleanConfig(drop_overlap=True),
        tokenizer=TokenizerConfig(vocab_size=330),
        cache=str(tmp_path / "cache"),
    )


def run(config: DataConfig, **options: Tokenizer) -> tuple[PreparedData, list[str]]:
    log: list[str] = []
    return prepare(config, log.append, **options), log


def rows(data: PreparedData, index: int = 0) -> list[tuple[str, str]]:
    table = data.train[index]
    source, target = table.pieces(np.arange(len(table)))
    return list(
        zip(
            data.tokenizer.decode_many(source, "src"),
            data.tokenizer.decode_many(target, "tgt"),
            strict=True,
        )
    )


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


@pytest.mark.parametrize("sampling", [0.0, 0.1])
def test_any_number_of_workers_prepares_the_same_files(
    config: DataConfig, sampling: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrow_files, "CHUNK_SIZE", 90)
    config.mix = {"more": write_split(tmp_path, "more", [*PAIRS[15:30], ("new", "Neues")])}
    config.both_directions = not sampling
    config.tokenizer.sampling = sampling
    contents = []
    for workers in (1, 3):
        config.cache, config.workers = str(tmp_path / f"cache {workers}"), workers
        folder = run(config)[0].folder
        contents.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert contents[0] == contents[1]
    assert ("train.3.arrow" in contents[0]) == config.both_directions
    report = json.loads(contents[0]["report.json"])
    assert "more: 16 pairs read, 1 kept after cleaning" in report


def test_second_start_reads_the_cache(config: DataConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    first, log = run(config)
    assert any("preparing" in line for line in log)
    monkeypatch.setattr(Tokenizer, "train", None)
    monkeypatch.setattr(pipeline, "Cleaner", None)
    config.train.weight = 0.5  # weights do not affect the files
    second, log = run(config)
    assert log == []
    assert (second.hash, second.val.pairs) == (first.hash, first.val.pairs)
    assert second.report == [*first.report, "train: each pair is seen 0.5 times an epoch"]
    assert rows(second) == rows(first) and second.train[0].weight == 0.5
    assert second.tokenizer.serialized() == first.tokenizer.serialized()


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


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_set_without_any_target_or_source_is_refused(
    config: DataConfig, tmp_path: Path, split: str
) -> None:
    path = tmp_path / "null.jsonl"
    name = "validation" if split == "val" else "test"
    for record, side in (
        ({"src": "a", "tgt": None}, "targets"),
        ({"src": "", "tgt": "b"}, "sources"),
    ):
        path.write_text(f"{json.dumps(record)}\n" * 3, encoding="utf-8")
        setattr(config, split, SplitConfig(file=str(path), columns=["src", "tgt"]))
        with pytest.raises(
            MTError, match=f"all 3 {side} of the {name} set are empty or null: check data.{split}"
        ):
            run(config)


def test_hash_follows_content_and_settings(config: DataConfig, tmp_path: Path) -> None:
    hashes = [run(config)[0].hash]
    source = Path(config.train.src)
    source.write_bytes(source.read_bytes().replace(b"river", b"rover", 1))
    hashes.append(run(config)[0].hash)
    config.max_pieces = 100
    hashes.append(run(config)[0].hash)
    config.clean.max_words = 100
    hashes.append(run(config)[0].hash)
    config.tokenizer.vocab_size = 331
    hashes.append(run(config)[0].hash)
    config.val = config.test
    hashes.append(run(config)[0].hash)
    assert len(set(hashes)) == len(hashes)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    config.train = SplitConfig(
        *(str(shutil.copy(path, moved)) for path in (config.train.src, config.train.tgt))
    )
    assert run(config)[0].hash == hashes[-1]  # the folder does not matter


def test_same_text_gives_the_same_files(config: DataConfig, tmp_path: Path) -> None:
    first, _ = run(config)
    config.cache = str(tmp_path / "other")
    second, _ = run(config)
    assert first.hash == second.hash
    contents = [
        {path.name: path.read_bytes() for path in (tmp_path / cache / first.hash).iterdir()}
        for cache in ("cache", "other")
    ]
    assert contents[0] == contents[1] and len(contents[0]) == 8


def test_words_of_the_cleaned_training_text_are_counted(config: DataConfig) -> None:
    data, _ = run(config)
    counted = [load_counts(path) for path in data.word_counts]
    for side, counts in enumerate(counted):
        expected = Counter(word for pair in PAIRS[20:] for word in split_words(pair[side]))
        assert counts == expected and sum(counts.values()) > 100


def test_caches_of_earlier_versions_keep_their_names() -> None:
    first = {"unicode", "max_words", "max_chars", "max_ratio", "deduplicate", "drop_overlap"}
    later = {"unescape", "relative_lengths", "max_copied", "max_repeats", "same_markup"}
    assert set(module.cleaning_settings(CleanConfig())) == first | later
    assert module.cleaning_settings(CleanConfig(min_words=2))["min_words"] == 2
    # What a run of an earlier version, which has none of the later settings, is read as.
    old = yaml.safe_dump({"data": {"clean": {"max_ratio": 4.0}}})
    assert set(module.cleaning_settings(config_from_yaml(old).data.clean)) == first


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


def test_a_crash_leaves_no_half_cache(config: DataConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(pipeline.Pipeline, "_encode_validation", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(config)
    assert [path.suffix for path in Path(config.cache).iterdir()] in ([], [".lock"])
    # A process that is killed cannot clean up; its files do no harm.
    monkeypatch.setattr(module.shutil, "rmtree", lambda *_, **__: None)
    with monkeypatch.context() as patch:
        patch.setattr(pipeline.Pipeline, "_encode_validation", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(config)
    assert list(Path(config.cache).glob("*.unfinished"))
    monkeypatch.undo()
    assert rows(run(config)[0]) == PAIRS[20:]
    assert not list(Path(config.cache).glob("*.unfinished"))


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
    assert "dropped, a side over 30 pieces: 2; training pairs: 492" in data.report
    assert len(data.val.table) == 2 and data.val.table.src_lengths[0] > 31
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


def test_an_empty_training_set_says_why(config: DataConfig, tmp_path: Path) -> None:
    config.train = write_split(tmp_path, "bad", [("", "x"), ("y", ""), ("a b c", "d e f")])
    config.clean.max_words = 2
    with pytest.raises(
        MTError, match=r"no training pair is left after cleaning: 3 read \(.*2 empty, 1 too long\)"
    ):
        run(config)
    config.test = write_split(tmp_path, "none", [("a", "b")])
    for path in (config.test.src, config.test.tgt):
        Path(path).write_text("")
    with pytest.raises(MTError, match="data.test"):
        run(config)


def test_a_vocabulary_that_the_text_cannot_fill_is_refused(config: DataConfig) -> None:
    config.tokenizer.vocab_size = 50_000
    with pytest.raises(MTError, match=r"vocab_size=50000: it supports at most \d+"):
        run(config)


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


SCRIPT = """
import json, sys
from mt.config.schema import DataConfig, SplitConfig, TokenizerConfig
from mt.data.prepare import prepare
given = json.loads(sys.argv[1])
splits = {part: SplitConfig(**given[part]) for part in ("train", "val", "test")}
config = DataConfig(**splits, tokenizer=TokenizerConfig(**given["tokenizer"]), cache=given["cache"])
log = []
data = prepare(config, log.append)
print(data.hash, len(data.train[0]), any("once" in line for line in log))
"""


def test_processes_that_start_together_prepare_once(config: DataConfig) -> None:
    command = [sys.executable, "-c", SCRIPT, json.dumps(asdict(config))]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    results = sorted(process.communicate(timeout=120)[0].split() for process in processes)
    assert results[0][:2] == results[1][:2] and results[0][1] == str(len(PAIRS) - 20)
    assert [prepared for _, _, prepared in results] == ["False", "True"]


def test_cache_that_cannot_be_written_or_is_damaged(config: DataConfig, tmp_path: Path) -> None:
    good, _ = run(config)
    (Path(config.cache) / good.hash / "val.arrow").write_bytes(b"")
    with pytest.raises(MTError, match="delete the folder"):
        run(config)
    (tmp_path / "file").write_text("")
    config.cache = str(tmp_path / "file")
    with pytest.raises(MTError, match="set data.cache"):
        run(config)
