"""The size of the vocabulary: as asked for, or the most that the text supports."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.training_runs import run_training
from mt.config.compose import load_config
from mt.config.schema import Config, TokenizerConfig
from mt.data.cache_key import cache_key
from mt.data.corpus import load_corpus
from mt.data.prepare import PreparedData, prepare_run
from mt.data.tokenizer import Tokenizer
from mt.errors import MTError
from mt.run_folder import RunFolder

Overrides = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MT_CACHE", str(tmp_path / "cache"))


def settings(overrides: list[str], **tokenizer: object) -> Config:
    config = load_config([text for text in overrides if "vocab_size" not in text])
    config.data.tokenizer = dataclasses.replace(config.data.tokenizer, **tokenizer)
    return config


def prepared(config: Config) -> tuple[PreparedData, list[str]]:
    log: list[str] = []
    return prepare_run(config, log.append), log


def test_an_automatic_vocabulary_is_the_largest_that_the_text_supports(tiny_run: Overrides) -> None:
    data, log = prepared(settings(tiny_run(60)))
    size = data.tokenizer.vocab_size()
    note = f"note: {size} pieces are the most that this text supports"
    assert 260 < size < 8000 and any(line.startswith(note) for line in data.report)
    with pytest.raises(MTError, match=f"text of both sides is too small .* at most {size} pieces"):
        prepared(settings(tiny_run(60), vocab_size=size + 1))
    with pytest.raises(
        MTError, match="vocab_size=8000: it supports at most"
    ):  # in the cache or not
        prepared(settings(tiny_run(60), vocab_size=8000))
    # Another start, or one that asks for this size, finds the same text in the cache.
    for config in (settings(tiny_run(60)), settings(tiny_run(60), vocab_size=size)):
        again, log = prepared(config)
        assert again.hash == data.hash and not log
        assert (note in str(again.report)) == (not config.data.tokenizer.vocab_size)


def test_a_note_without_its_folder_is_prepared_again(tiny_run: Overrides, tmp_path: Path) -> None:
    data, _ = prepared(settings(tiny_run(60)))
    (tmp_path / "cache" / data.hash).rename(tmp_path / "elsewhere")
    assert prepared(settings(tiny_run(60)))[0].hash == data.hash
    (note,) = (tmp_path / "cache").glob("*.vocabulary")
    note.write_text("damaged")
    assert prepared(settings(tiny_run(60)))[0].hash == data.hash


@pytest.mark.parametrize("content", [b"\xff", b"0", b"99999"])
def test_a_damaged_note_is_written_anew(
    content: bytes, tiny_run: Overrides, tmp_path: Path
) -> None:
    config = settings(tiny_run(60), vocab_size=0, max_vocab_size=8000)
    size = prepared(config)[0].tokenizer.vocab_size()
    (note,) = (tmp_path / "cache").glob("*.vocabulary")
    note.write_bytes(content)
    assert prepared(config)[0].tokenizer.vocab_size() == size == int(note.read_text())


def test_a_text_that_supports_the_largest_size_has_the_key_of_that_size(
    tiny_run: Overrides,
) -> None:
    """Caches and runs of versions whose default was a number stay valid."""
    automatic, fixed = (
        settings(tiny_run(60), vocab_size=size, max_vocab_size=320) for size in (0, 320)
    )
    data, _ = prepared(automatic)
    assert data.hash == cache_key(fixed.data, load_corpus(fixed.data), None)
    assert data.tokenizer.vocab_size() == 320 and "the most that" not in str(data.report)


def test_separate_vocabularies_have_the_smaller_size() -> None:
    """Each error names its side."""
    short, long = (
        [f"word{i} letter" for i in range(10)],
        [f"word{i} letter{i * i}" for i in range(500)],
    )
    config = TokenizerConfig(joint=False)
    for src, tgt, side in ((short, long, "source"), (long, short, "target")):
        tokenizer = Tokenizer.train(lambda src=src: src, lambda tgt=tgt: tgt, config)
        size = tokenizer.vocab_size("src")
        assert size == tokenizer.vocab_size("tgt") < 300
        explicit = dataclasses.replace(config, vocab_size=size + 1)
        with pytest.raises(MTError, match=f"the {side} text is too small .* at most {size} pieces"):
            Tokenizer.train(lambda src=src: src, lambda tgt=tgt: tgt, explicit)
    many = ["".join(chr(0x4E00 + i) for i in range(100))]
    with pytest.raises(MTError, match="no vocabulary size fits both sides: the source text"):
        Tokenizer.train(lambda: short, lambda: many, config)


@pytest.mark.medium
def test_a_run_records_the_size_continues_with_it_and_is_tuned_with_it(
    tiny_run: Overrides, tmp_path: Path
) -> None:
    overrides = [text for text in tiny_run(60) if "vocab_size" not in text]
    overrides += ["model/size=tiny", "trainer.test=false"]
    run_training([*overrides, "trainer.max_steps=1"])
    folder = RunFolder.at(tmp_path / "runs" / "tiny")
    size = folder.read_config().data.tokenizer.vocab_size
    assert size == Tokenizer.load(folder.path).vocab_size() < 8000
    run_training([*overrides, "trainer.max_steps=2"])
    run_training([*overrides, "trainer.max_steps=3", f"data.tokenizer.vocab_size={size}"])
    for other, message in (("", f"vocab_size was {size}, now 400"), ("max_", "largest vocabulary")):
        with pytest.raises(MTError, match=message):
            run_training(
                [*overrides, "trainer.max_steps=4", f"data.tokenizer.{other}vocab_size=400"]
            )
    tune = [*overrides, "trainer.max_steps=1", "name=tuned", f"trainer.init_from={folder}"]
    run_training(tune)
    tuned = RunFolder.at(tmp_path / "runs" / "tuned")
    assert tuned.read_config().data.tokenizer.vocab_size == size


def test_the_reason_of_sentencepiece_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    message = "INTERNAL: src/trainer_interface.cc(827) [insert_id()]"
    monkeypatch.setattr("mt.data.tokenizer_training._run_process", lambda *_: message)
    with pytest.raises(MTError, match="no vocabulary of 8000 unigram pieces") as error:
        Tokenizer.train(lambda: ["a"], lambda: ["b"], TokenizerConfig())
    assert ".cc" not in str(error.value)


def test_presets_leave_the_size_automatic() -> None:
    for data in ("demo", "files", "hub", "multi30k", "wmt14"):
        assert load_config([f"data={data}"]).data.tokenizer.vocab_size == 0
