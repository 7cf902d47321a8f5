"""mt-prepare --engine ray: the same files as without, whatever is killed."""

from __future__ import annotations

import json
import re
import sys
import threading
from pathlib import Path

import pytest

from helpers.ray_processes import kill_actors, marked
from mt import prepare as command
from mt.data import arrow_files
from mt.optional import install_command

SETTINGS = ("data.tokenizer.vocab_size=400", "data.holdout=20", "data.both_directions=true")


def write_corpus(folder: Path, pairs: int) -> list[str]:
    """Write a corpus with repeated and empty pairs; return its settings."""
    paths = {side: folder / f"corpus.{side}" for side in ("src", "tgt")}
    for side, path in paths.items():
        lines = (f"{side} {number % 50} of {number % (pairs - 100)}" for number in range(pairs))
        path.write_text("\n".join(["", *lines, ""]))
    return [*(f"data.train.{side}={path}" for side, path in paths.items()), *SETTINGS]


def prepare(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[dict, list[str]]:
    """Return the contents of the prepared files, and what is said."""
    command.main(arguments)
    out, said = capsys.readouterr()
    folder = Path(out.splitlines()[-1])
    return {path.name: path.read_bytes() for path in folder.iterdir()}, said.splitlines()


@pytest.mark.medium
def test_the_files_are_those_of_one_process_although_actors_are_killed(
    tmp_path: Path, mark: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.setattr(arrow_files, "CHUNK_SIZE", 400)
    text = write_corpus(tmp_path, 8000)
    here, _ = prepare([*text, f"data.cache={tmp_path}/here", "--workers", "1"], capsys)
    is_over = threading.Event()
    arguments = (mark, "FunctionCaller.call", 2, is_over)
    killer = threading.Thread(target=kill_actors, args=arguments)
    killer.start()
    try:
        there, said = prepare([*text, f"data.cache={tmp_path}/there", "--engine", "ray"], capsys)
    finally:
        is_over.set()
        killer.join()
    assert there == here and "train.1.arrow" in here
    report = " ".join(json.loads(here["report.json"]))
    repeats = re.findall(r"(?:seen before|repeats of them, left out): (\d+)", report)
    assert sum(map(int, repeats)) == 100
    assert said.count("an actor of Ray was lost: another one does its task") == 2
    assert marked(mark, "") == []


def test_without_ray_nothing_is_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = [*write_corpus(tmp_path, 200), f"data.cache={tmp_path}/cache"]
    monkeypatch.setitem(sys.modules, "ray", None)
    for flags, code, message in (
        (["--engine", "ray"], 1, install_command("ray")),
        (["--engine", "ray", "--workers", "2"], 2, "--workers cannot be combined with --engine"),
    ):
        with pytest.raises(SystemExit) as stop:
            command.main([*text, *flags])
        out, err = capsys.readouterr()
        assert (stop.value.code, out) == (code, "") and message in err
        assert len(err.splitlines()) == 1 and not (tmp_path / "cache").exists()
