"""Text from which no model can be trained, and caches that cannot be used, are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.prepared_corpora import run, write_split
from mt.config.schema import DataConfig, SplitConfig
from mt.errors import MTError


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


def test_an_empty_training_set_says_why(config: DataConfig, tmp_path: Path) -> None:
    config.train = write_split(tmp_path, "bad", [("", "x"), ("y", ""), ("a b c", "d e f")])
    config.clean.max_words = 2
    with pytest.raises(
        MTError, match=r"no training pair is left after cleaning: 3 read \(.*2 empty, 1 too long\)"
    ):
        run(config)
    config.clean.max_words = 0
    config.test = config.train
    with pytest.raises(
        MTError, match="1 overlap.*; check data.train and data.clean$"
    ):  # most are empty
        run(config)
    config.train = config.test = write_split(tmp_path, "same", [(f"a {n}", f"b {n}") for n in "12"])
    with pytest.raises(
        MTError,
        match=r"2 read \(2 overlap\); 2 are in data.val or data.test, .*: give .* other text",
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


def test_cache_that_cannot_be_written_or_is_damaged(config: DataConfig, tmp_path: Path) -> None:
    good, _ = run(config)
    (Path(config.cache) / good.hash / "val.arrow").write_bytes(b"")
    with pytest.raises(MTError, match="delete the folder"):
        run(config)
    (tmp_path / "file").write_text("")
    config.cache = str(tmp_path / "file")
    with pytest.raises(MTError, match="set data.cache"):
        run(config)
