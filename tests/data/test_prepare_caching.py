"""A corpus is prepared once, atomically, and again whenever its content changes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from helpers.prepared_corpora import PAIRS, rows, run, write_split
from mt.config.schema import CleanConfig, DataConfig, SplitConfig
from mt.config.yaml import config_from_yaml
from mt.data import arrow_files, pipeline
from mt.data import prepare as module
from mt.data.cache_key import cache_key, cleaning_settings
from mt.data.corpus import load_corpus
from mt.data.tokenizer import Tokenizer


@pytest.mark.medium
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


def test_hash_follows_the_languages_if_other_ones_are_dropped(config: DataConfig) -> None:
    hashes = []
    for factor in (0, 10):
        config.clean.max_foreign = factor
        for config.src_lang in ("en", "fr"):
            hashes.append(cache_key(config, load_corpus(config), None))
    assert len(set(hashes)) == 3 and hashes[0] == hashes[1]


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


def test_caches_of_earlier_versions_keep_their_names() -> None:
    first = {"unicode", "max_words", "max_chars", "max_ratio", "deduplicate", "drop_overlap"}
    later = {"unescape", "relative_lengths", "max_copied", "max_repeats", "same_markup"}
    assert set(cleaning_settings(CleanConfig())) == first | later
    assert cleaning_settings(CleanConfig(min_words=2))["min_words"] == 2
    # What a run of an earlier version, which has none of the later settings, is read as.
    old = yaml.safe_dump({"data": {"clean": {"max_ratio": 4.0}}})
    assert set(cleaning_settings(config_from_yaml(old).data.clean)) == first


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


@pytest.mark.medium
def test_processes_that_start_together_prepare_once(config: DataConfig) -> None:
    command = [sys.executable, "-c", SCRIPT, json.dumps(asdict(config))]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    results = sorted(process.communicate(timeout=120)[0].split() for process in processes)
    assert results[0][:2] == results[1][:2] and results[0][1] == str(len(PAIRS) - 20)
    assert [prepared for _, _, prepared in results] == ["False", "True"]
