"""mt-translate with many input files: outputs, failures, and processes that are killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers import ROOT
from helpers.calls import call
from helpers.tiny_models import sentences
from mt.data.text_files import read_lines
from mt.decoding import line_io
from mt.decoding.line_io import open_output

FLAGS = (
    "--device",
    "cpu",
    "--precision",
    "fp32",
    "--threads",
    "1",
    "--beam",
    "1",
    "--max-extra",
    "3",
)
OPTIONS = {"beam": 1, "max_extra": 3}
NAMES = ("a.txt", "b.txt.gz", "c.zst", "deep/d.xz", "e.bz2", "empty.txt")


@pytest.fixture
def texts(tmp_path: Path) -> dict[str, list[str]]:
    """Six files of different lengths, one of them empty, and their lines."""
    lines = sentences(15)
    texts = {name: [*lines[i * 3 : i * 3 + 2], ""][: 5 - i] for i, name in enumerate(NAMES)}
    for name, content in texts.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_output(str(path)) as file:
            file.writelines(f"{line}\n" for line in content)
    return texts


@pytest.mark.medium
def test_each_file_is_translated_as_if_it_were_alone_and_once(
    run, translator, texts, tmp_path, monkeypatch, capsys
) -> None:
    flags = (run, *FLAGS, "--input", tmp_path / "in" / "**" / "*", "--output", tmp_path / "out")
    for shard in ("2/2", "1/2"):
        code, out, err = call(monkeypatch, capsys, *flags, "--shard", shard)
        assert (code, out) == (0, "")
        assert "3 translated, 0 finished before, 0 left" in err
    for name, content in texts.items():
        path = tmp_path / "out" / name
        assert list(read_lines(path)) == translator.translate(content, **OPTIONS), name
        is_compressed = path.read_bytes()[:2] in (b"\x1f\x8b", b"\x28\xb5", b"\xfd7", b"BZ")
        assert is_compressed != name.endswith(".txt")
    assert "0 translated, 6 finished before" in call(monkeypatch, capsys, *flags)[2]
    code, _, err = call(monkeypatch, capsys, *flags, "--nbest", "2", "--beam", "2")
    assert code == 1 and "beam 2 instead of 1; nbest 2 instead of 1" in err


def test_a_file_that_cannot_be_read_does_not_keep_the_others_from_being_translated(
    run, texts, tmp_path, monkeypatch, capsys
) -> None:
    (tmp_path / "in" / "aa.gz").write_text("not compressed\n")
    flags = (run, *FLAGS, "--input", tmp_path / "in", "--output", f"{tmp_path}/out/")
    code, _, err = call(monkeypatch, capsys, *flags, "--quiet")
    assert code == 1
    assert "aa.gz: its content is not compressed" in err.splitlines()[0]
    assert err.splitlines()[1:] == ["error: 1 of 6 input files could not be translated"]
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == [
        *("a.txt", "b.txt.gz", "c.zst", "e.bz2", "empty.txt")
    ]


def test_what_was_interrupted_is_translated_again_from_its_beginning(
    run, translator, texts, tmp_path, monkeypatch, capsys
) -> None:
    flags = (run, *FLAGS, "--input", tmp_path / "in" / "*.txt", "--output", tmp_path / "out")

    def die(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(line_io, "flush_to_disk", die)
        assert call(monkeypatch, capsys, *flags)[0] == 130
    assert (tmp_path / "out" / "a.txt.part").exists()
    assert not (tmp_path / "out" / "a.txt").exists()
    assert "2 translated, 0 finished before" in call(monkeypatch, capsys, *flags)[2]
    assert list(read_lines(tmp_path / "out" / "a.txt")) == translator.translate(
        texts["a.txt"], **OPTIONS
    )
    assert not (tmp_path / "out" / "a.txt.part").exists()


@pytest.mark.slow
def test_killed_processes_that_share_a_folder_lose_nothing_and_write_nothing_twice(
    run, translator, tmp_path
) -> None:
    lines = sentences(240)
    (tmp_path / "in").mkdir()
    for start in range(0, len(lines), 10):
        content = "".join(f"{line}\n" for line in lines[start : start + 10])
        (tmp_path / "in" / f"{start:03}.txt").write_text(content)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "mt.translate", str(run), *FLAGS]
    command += ["--input", str(tmp_path / "in"), "--output", f"{out}/"]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)

    kills = written = 0
    deadline = time.monotonic() + 300
    first_times: dict[str, int] = {}
    while kills < 6 and time.monotonic() < deadline:
        processes = [start(), start()]
        before = len(list(out.glob("*.txt")))
        while len(list(out.glob("*.txt"))) < before + 3 and processes[0].poll() is None:
            time.sleep(0.01)
        for process in processes:
            process.kill()
            process.communicate()
            kills += 1
        for path in out.glob("*.txt"):  # a finished file is never written again
            changed = path.stat().st_mtime_ns
            assert first_times.setdefault(path.name, changed) == changed
    processes = [start(), start()]
    reports = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], reports
    written = [line for path in sorted(out.glob("*.txt")) for line in read_lines(path)]
    assert written == translator.translate(lines, **OPTIONS)
    assert not list(out.glob("*.part")) and os.listdir(out)
