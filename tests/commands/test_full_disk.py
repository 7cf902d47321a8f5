"""A full disk: one line with the name of the file, and nothing that existed before is lost.

A limit on the size of files stands in for it: writes beyond it fail, as they do on a full disk.
"""

from __future__ import annotations

import contextlib
import io
import json
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mt
from helpers.calls import call
from helpers.comparing import REFERENCES, SOURCES, damaged
from helpers.exports import save_lively_run
from helpers.small_transformers import tiny
from helpers.training_runs import checkpoint_tensors, run_training
from mt import compare, evaluate
from mt.data.tokenizer import Tokenizer
from mt.errors import MTError
from mt.exporting.export import export_run
from mt.run_folder import RunFolder

Files = dict[str, bytes]
MODEL = [
    "model.dim=16", "model.transformer.heads=2", "model.transformer.ff_dim=16",
    "model.transformer.encoder_layers=1", "model.transformer.decoder_layers=1",
    "trainer.val_beam=1", "data.tokenizer.vocab_size=320",
]  # fmt: skip


@contextlib.contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """Make every write beyond so many bytes of a file fail."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def contents(folder: Path) -> Files:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def fail(action: Callable[[], object], limit: int) -> str | None:
    """Return the message of an action on a full disk; None if it does not need the space."""
    streams = io.StringIO()  # pytest's are files
    try:
        with (
            contextlib.redirect_stdout(streams),
            contextlib.redirect_stderr(streams),
            full_disk(limit),
        ):
            action()
    except MTError as error:
        message = str(error)
    except OSError as error:  # the commands print both
        message = f"{error.filename}: {error.strerror}"
    else:
        return None
    assert "File too large" in message or "No space" in message, message
    assert "\n" not in message and "/" in message, f"no file is named: {message}"
    return message


def assert_whole(
    now: Files, before: Files, complete: Files, changing: tuple[str, ...] = ()
) -> None:
    """Check that every file is as it was before, or as it is at the end, and nothing is left."""
    for name, content in now.items():
        assert content in (before.get(name), complete.get(name)), name
    assert now.keys() >= before.keys()
    assert now.keys() <= before.keys() | complete.keys(), now.keys() - complete.keys()


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    for name, lines in (
        ("ref", REFERENCES),
        ("a", damaged(3)),
        ("b", damaged(4)),
        ("src", SOURCES),
    ):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return tmp_path


def test_an_output_of_translations_keeps_the_old_file(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old\n")
    flags = [run, "--output", path, "--beam", 1, "--device", "cpu", "--quiet", "the cat", "a dog"]
    with full_disk(5):
        code, _, errors = call(monkeypatch, capsys, *flags)
    assert code == 1 and errors.count("\n") == 1 and f"error: {path}" in errors
    assert path.read_text() == "old\n"
    assert call(monkeypatch, capsys, *flags)[0] == 0
    assert len(path.read_text().splitlines()) == 2
    assert [child.name for child in tmp_path.iterdir()] == ["out.txt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_device_as_standard_output_is_an_error_of_one_line(
    texts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    flags = ["--hyp", f"{texts}/a", "--ref", f"{texts}/ref", "--bootstrap", "0", "--no-ter"]
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as stop:
            evaluate.main(flags)
        with contextlib.suppress(OSError):
            full.close()
    errors = capsys.readouterr().err.splitlines()
    assert (
        stop.value.code == 1 and [line for line in errors if "No space left" in line] == errors[-1:]
    )
    assert errors[-1].startswith("error: ")


def test_an_evaluation_keeps_the_old_files(texts: Path) -> None:
    json_path, folder = texts / "scores.json", texts / "written"
    flags = ["--hyp", f"{texts}/a", "--ref", f"{texts}/ref", "--src", f"{texts}/src", "--no-ter"]
    flags += ["--bootstrap", "0", "--json", str(json_path), "--write-files", str(folder)]

    def run() -> None:
        evaluate.evaluate(evaluate.parse_arguments(flags))

    json_path.write_text("old")
    folder.mkdir()
    (folder / "hypotheses.txt").write_text("old")
    before = contents(texts)
    failed = {limit: fail(run, limit) for limit in (0, 100, 4000, 8000)}
    assert all(failed.values()) or failed[8000] is None
    now = contents(texts)
    run()
    assert_whole(now, before, contents(texts))
    assert json.loads(json_path.read_text())["sentences"] == len(REFERENCES)


@pytest.mark.medium
def test_a_report_is_whole_or_as_it_was(texts: Path) -> None:
    out = texts / "out"

    def run(name: str) -> None:
        request = [f"hyp={{x: {texts}/a, {name}: {texts}/b}}", f"ref={texts}/ref",
                   f"src={texts}/src", f"out={out}", "bootstrap=100"]  # fmt: skip
        compare.run(compare.parse_arguments(request))

    run("old")
    before = contents(out)
    assert {"report.html", "report.md", "results.json", "results.csv"} <= before.keys()
    sizes = sorted(len(content) for content in before.values())
    failures = {}
    for limit in (sizes[0] // 2, sizes[-1] - 100):
        failures[limit] = fail(lambda: run("new"), limit)
        now = contents(out)
        assert now.keys() == before.keys() and all(now.values())
        assert not [name for name in now if ".unfinished" in name]
    assert all(failures.values()), failures
    run("new")
    json.loads((out / "results.json").read_text())
    assert contents(out).keys() == before.keys()


@pytest.mark.medium
@pytest.mark.parametrize("backend", ["ctranslate2", "onnx"])
def test_an_export_is_whole_or_as_it_was(
    backend: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    run = save_lively_run(tmp_path / "run", tokenizer, tiny())
    out = tmp_path / "exports" / "out"

    def export() -> None:
        export_run(out, run, backend, "float32")

    assert fail(export, 1000)
    left = {path.name for path in tmp_path.glob("exports/*")}
    assert left <= {".out.lock"}, "something is left"  # the lock stays: see mt/exporting/folders.py
    export()
    before = contents(tmp_path)
    sizes = sorted(path.stat().st_size for path in out.iterdir())
    for limit in (0, sizes[0] - 1, sizes[len(sizes) // 2], sizes[-1] - 1):
        assert str(out.parent) in (fail(export, limit) or "")
        assert contents(tmp_path) == before
    export()
    assert mt.load(out).translate(["the cat"], beam=1)


@pytest.mark.slow
def test_a_run_continues_once_there_is_space(tiny_run, tmp_path: Path) -> None:
    """At each limit another file fails: log, cache, tokenizer, metrics, model, checkpoint."""
    settings = [*tiny_run(60), *MODEL, "trainer.max_steps=2", "trainer.val_every=1",
                "data.val.limit=3", "data.test.limit=3"]  # fmt: skip
    assert run_training([*settings, "name=undisturbed", f"data.cache={tmp_path}/other"])
    settings.append(f"data.cache={tmp_path}/cache")
    failed = []
    for limit in (0, 500, 3000, 8000, 20_000, 60_000, 100_000, 200_000):
        message = fail(lambda: run_training(settings), limit)
        left = contents(tmp_path)
        assert not [name for name in left if "unfinished" in name or name.endswith(".part")]
        if message is None:
            break
        failed.append(message)
    assert len({message.split(":")[0] for message in failed}) >= 3, failed
    run_training(settings)
    runs = [RunFolder(tmp_path / "runs" / name) for name in ("undisturbed", "tiny")]
    one, other = (checkpoint_tensors(run.path) for run in runs)
    assert one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)
    assert runs[0].scores.read_bytes() == runs[1].scores.read_bytes()


@pytest.mark.medium
def test_a_checkpoint_that_does_not_fit_leaves_the_old_one(tiny_run, tmp_path: Path) -> None:
    settings = [*tiny_run(60), *MODEL, "data.val.limit=3", "data.test.limit=3"]
    run_training([*settings, "trainer.max_steps=1"])
    folder = RunFolder(tmp_path / "runs" / "tiny")
    before = folder.checkpoint.read_bytes(), folder.model.read_bytes()
    message = fail(lambda: run_training([*settings, "trainer.max_steps=2"]), len(before[1]) - 1)
    assert message and "the old file is unchanged" in message
    assert (folder.checkpoint.read_bytes(), folder.model.read_bytes()) == before
    assert mt.load(folder.path, device="cpu").translate(["a"], beam=1)
    assert run_training([*settings, "trainer.max_steps=2"])
