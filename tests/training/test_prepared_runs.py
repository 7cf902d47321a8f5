"""Training on a prepared corpus without its text is training on the text."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from helpers.training_runs import (
    NARROW_MODEL,
    checkpoint_tensors,
    read_records,
    run_training,
    write_tiny_run,
)
from mt import prepare as command
from mt.config.compose import load_config
from mt.config.prepared import INDEX, read_index
from mt.data import prepared_corpus
from mt.data.prepare import PreparedData, prepare_run
from mt.data.prepare import prepare as prepare_data
from mt.errors import MTError, UsageError
from mt.evaluation.evaluation_set import load_corpus_split
from mt.locations import open_location
from mt.run_folder import RunFolder
from mt.training.automatic import text_facts


class Corpus:
    """A corpus of 60 pairs, with settings of its runs, prepared in `folder` and below `url`."""

    def __init__(self, path: Path) -> None:
        (path / "text").mkdir(parents=True)
        self.path, self.folder, self.url = path, str(path / "corpus"), f"memory:/{path}/corpus"
        own = write_tiny_run(path / "text", 60)
        own += ["data.mix.more.src=" + str(path / "text/val.src"), "data.mix.more.weight=2"]
        own += ["data.mix.more.tgt=" + str(path / "text/val.tgt"), "data.both_directions=true"]
        own += [f"data.val_sets.old.{side}={path}/text/test.{side}" for side in ("src", "tgt")]
        own += ["data.max_pieces=30"]  # which bounds the outputs of untrained models
        self.text = [each for each in own if each.startswith("data")]
        self.others = [each for each in own if not each.startswith("data")]

    def settings(self, location: str, cache: str = "other") -> list[str]:
        """Return the settings of a run on the prepared corpus."""
        return [f"data.prepared={location}", f"data.cache={self.path}/{cache}", *self.others]

    def write(self, output: str, *more: str) -> None:
        command.main([*self.text, "auto=false", "--output", output, *more])

    def hide_text(self) -> None:
        (self.path / "text").rename(self.path / "hidden")


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus(tmp_path)


def prepare(settings: list[str], said: list[str] | None = None) -> PreparedData:
    return prepare_run(load_config(settings), [].append if said is None else said.append)


def train(settings: list[str], name: str, steps: int) -> None:
    limits = ["trainer.log_every=1", "trainer.val_every=1", "trainer.test=false"]
    limits += ["data.concat=0.3"]
    run_training([*settings, *NARROW_MODEL, *limits, f"name={name}", f"trainer.max_steps={steps}"])


def losses(folder: Path) -> list[tuple[Any, ...]]:
    names = ("kind", "step", "loss", "bleu")
    return [tuple(record.get(name) for name in names) for record in read_records(folder)]


@pytest.mark.slow
def test_runs_have_the_losses_of_those_on_the_text(corpus: Corpus) -> None:
    corpus.write(corpus.folder)
    corpus.write(corpus.url)
    train([*corpus.text, *corpus.others], "text", 2)
    runs = (corpus.path / "text" / "runs").rename(corpus.path / "runs")
    corpus.others.append(f"runs_dir={runs}")
    corpus.hide_text()
    train(corpus.settings(corpus.url), "prepared", 1)
    train(corpus.settings(corpus.folder), "prepared", 2)  # continues, from another place
    expected = losses(runs / "text")
    assert len(expected) == 4 and losses(runs / "prepared") == expected
    weights, found = (checkpoint_tensors(runs / name) for name in ("text", "prepared"))
    assert all(torch.equal(found[name], tensor) for name, tensor in weights.items())
    recorded, before = (
        RunFolder.at(runs / name).read_config().data for name in ("prepared", "text")
    )
    assert recorded == replace(before, prepared=corpus.folder, cache=f"{corpus.path}/other")
    train(corpus.settings(corpus.url), "text", 3)  # what was begun on the text goes on, too
    train(corpus.settings(corpus.url), "prepared", 3)
    assert losses(runs / "prepared") == losses(runs / "text")


def test_data_and_split_are_those_of_the_text(corpus: Corpus) -> None:
    corpus.write(corpus.url)
    text = prepare([*corpus.text, *corpus.others])
    config = load_config([*corpus.text, *corpus.others])
    splits = [load_corpus_split(config, split, "run") for split in ("val", "test", "old")]
    corpus.hide_text()
    said: list[str] = []
    data = prepare(corpus.settings(corpus.url), said)
    assert len(said) == 1 and said[0].startswith(f"fetching {corpus.url} once, ")
    assert text_facts(data) == text_facts(text) and data.text == text.text
    assert [table.weight for table in data.train] == [1, 2, 1, 2]
    assert (data.hash, data.report, data.test_pairs) == (text.hash, text.report, text.test_pairs)
    assert [each.name for each in data.val_sets] == ["val", "old"]
    config = load_config(corpus.settings(corpus.url))
    assert [load_corpus_split(config, split, "run") for split in ("val", "test", "old")] == splits


def test_complete_files_are_not_fetched_again(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus.write(corpus.url)
    fetched: list[str] = []
    copy, fails = prepared_corpus.copy_content, True

    def copy_or_fail(source: str, target: str, count: Callable[[int], None]) -> Any:
        if fails and source.endswith("train.1.arrow"):
            raise MTError("the connection is lost")
        content = copy(source, target, count)
        fetched.append(source)
        return content

    monkeypatch.setattr(prepared_corpus, "copy_content", copy_or_fail)
    monkeypatch.setattr("mt.locations.COPIED_AT_ONCE", 1)
    with pytest.raises(MTError, match="the connection is lost"):
        prepare(corpus.settings(corpus.url))
    before, fails = list(fetched), False
    prepare(corpus.settings(corpus.url))
    assert 0 < len(before) < len(fetched) == len(read_index(corpus.url).files)
    assert len(set(fetched)) == len(fetched)
    prepare(corpus.settings(corpus.url))
    assert len(set(fetched)) == len(fetched)


def spoil(path: str, change: Callable[[bytes], bytes]) -> None:
    with open_location(path, "rb") as file:
        content = file.read()
    with open_location(path, "wb") as file:
        file.write(change(content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-1], r"has [\d,]+ bytes, and index.json lists "),
        (lambda content: content[:-1] + b"?", "has another content than index.json lists"),
        (None, "no .*train.0.arrow|cannot copy .*train.0.arrow"),
    ],
)
def test_damage_is_one_line(
    change: Callable[[bytes], bytes] | None, message: str, corpus: Corpus
) -> None:
    for location in (corpus.folder, corpus.url):
        corpus.write(location)
        path = f"{location}/{read_index(location).hash}/train.0.arrow"
        if change:
            spoil(path, change)
        elif location == corpus.url:
            import fsspec

            fsspec.filesystem("memory").rm(path.removeprefix("memory:/"))
        else:
            os.remove(path)
        with pytest.raises(MTError, match=message) as error:
            prepare(corpus.settings(location))
        assert "train.0.arrow" in str(error.value) and "\n" not in str(error.value)


def test_what_is_there_is_left_and_another_corpus_refused(
    corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    for output in (corpus.folder, corpus.url):
        corpus.write(output)
        out, log = capsys.readouterr()
        assert out.splitlines()[-1] == output
        assert log.splitlines()[-1] == f"train on it: mt-train data.prepared={output}"
        index = read_index(output)
        corpus.write(output, "data.name=other")
        assert f"{output} has this corpus already" in capsys.readouterr().err
        for other, message in (
            ("data.max_pieces=99", "has another corpus"),
            ("data.train.weight=2", "has this corpus with data.train.weight=1.0, not 2.0"),
        ):
            with pytest.raises(SystemExit):
                corpus.write(output, other)
            assert message in capsys.readouterr().err.splitlines()[-1]
        with open_location(f"{output}/{INDEX}", "rb") as file:
            assert json.loads(file.read())["hash"] == index.hash
    assert {path.name for path in Path(corpus.folder).iterdir()} == {INDEX, index.hash}


def test_a_folder_is_written_by_one_process_and_never_over_other_files(
    corpus: Corpus, capsys: pytest.CaptureFixture[str]
) -> None:
    with prepared_corpus.hold_output(corpus.folder, "x"), pytest.raises(SystemExit):
        corpus.write(corpus.folder)
    assert "another process is writing to" in capsys.readouterr().err.splitlines()[-1]
    (Path(corpus.folder) / "mine.txt").touch()
    with pytest.raises(SystemExit):
        corpus.write(corpus.folder)
    assert "is not empty: it has mine.txt" in capsys.readouterr().err.splitlines()[-1]
    with pytest.raises(SystemExit):
        corpus.write("nosuch://x")
    err = capsys.readouterr().err
    assert err == "error: cannot read nosuch://x/index.json: Protocol not known: nosuch\n"


def test_a_corpus_fits_the_tokenizer_that_training_starts_from(corpus: Corpus) -> None:
    config = load_config([*corpus.text, *corpus.others]).data
    start = prepare_data(config, [].append).tokenizer
    folder = prepare_data(config, [].append, start).folder
    prepared_corpus.write_prepared(corpus.folder, config, folder, start, [].append)
    corpus.write(corpus.url)
    for location, fitting, other, message in (
        (corpus.folder, start, None, "with the tokenizer of another run: "),
        (corpus.url, None, start, "with no trainer.init_from: "),
    ):
        config = replace(config, prepared=location)
        prepared_corpus.check_start(config, fitting)
        with pytest.raises(UsageError, match=f"was prepared {message}"):
            prepare_data(config, [].append, other)
