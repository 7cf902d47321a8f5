"""mt-translate --engine ray: the same files as without, whatever is killed."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import mt.ray_translation
from helpers import ROOT
from helpers.calls import call
from helpers.ray_processes import kill_actors, marked
from helpers.tiny_models import sentences
from mt.data.text_files import read_lines
from mt.decoding import line_chunks

pytest.importorskip("ray", reason="Ray is not installed")

FLAGS = ("--device", "cpu", "--precision", "fp32", "--beam", "2", "--max-extra", "3")
RAY = ("--engine", "ray")


@pytest.fixture
def chunks_of_five(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mt.ray_translation, "CHUNK_LINES", 5)
    monkeypatch.setattr(line_chunks, "CHUNK_LINES", 5)


def complete_files(folder: Path) -> dict[str, list[str]]:
    paths = [path for path in sorted(folder.glob("[!.]*")) if path.suffix != ".part"]
    return {path.name: list(read_lines(path)) for path in paths}


@pytest.mark.medium
def test_files_are_those_that_one_process_writes_although_actors_are_killed(
    run, tmp_path, chunks_of_five, mark, monkeypatch, capsys
) -> None:
    lines = [f"{line}\n".encode() for line in [*sentences(90), "", "the cat " * 40]]
    (tmp_path / "in").mkdir()
    for name, content in (
        *(("a.txt", [*lines, b"broken \xff\n"]), ("b.gz", lines[:9]), ("c.txt", [])),
        *(("d.gz", lines[:17]), ("e.txt", lines[4:6])),
    ):
        data = b"".join(content)
        packed = gzip.compress(data)[: -20 if name == "b.gz" else None]
        (tmp_path / "in" / name).write_bytes(packed if name.endswith(".gz") else data)
    flags = (run, *FLAGS, "--nbest", "2", "--format", "tsv", "--alignments")
    flags = (*flags, "--input", tmp_path / "in", "--output")
    code, _, expected = call(monkeypatch, capsys, *flags, f"{tmp_path}/here/")
    is_over = threading.Event()
    killer = threading.Thread(target=kill_actors, args=(mark, "ChunkTranslator.call", 2, is_over))
    killer.start()
    got, out, err = call(monkeypatch, capsys, *flags, f"{tmp_path}/there/", *RAY)
    is_over.set()
    killer.join()
    assert code == got == 1 and out == "", err
    assert complete_files(tmp_path / "there") == complete_files(tmp_path / "here")
    assert sorted(complete_files(tmp_path / "here")) == ["a.txt", "c.txt", "d.gz", "e.txt"]
    assert err.count("an actor of Ray was lost") == 2
    said = [line for line in err.splitlines() if line.startswith(("error:", "files", "lines"))]
    assert [line.replace("/there", "/here") for line in said] == expected.splitlines()
    assert "in/b.gz: Compressed file ended" in err and "4 translated, 0 finished" in err
    assert marked(mark, "") == []


@pytest.mark.slow
def test_a_large_file_is_continued_after_sigterm_and_nothing_is_left_running(
    run, tmp_path, mark
) -> None:
    source, target = tmp_path / "large.txt", tmp_path / "out" / "large.txt"
    lines = sentences(40_000)
    source.write_text("".join(f"{line}\n" for line in lines))
    command = [sys.executable, "-m", "mt.translate", str(run), *FLAGS, *RAY]
    command += ["--input", str(source), "--output", f"{target.parent}/"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    part = target.with_name("large.txt.part")
    while not (part.exists() and part.stat().st_size) and process.poll() is None:
        time.sleep(0.05)
    process.terminate()
    err = process.communicate(timeout=60)[1]
    assert (process.returncode, err.splitlines()[-1]) == (143, "interrupted")
    assert marked(mark, "") == [] and part.exists() and not target.exists()
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(target.read_text().splitlines()) == len(lines) and not part.exists()


@pytest.mark.parametrize(
    "flags, message",
    [
        ([], "--engine ray translates files: give --input and --output"),
        (["--input", "a"], "give --input and --output"),
        (["--input", "a", "--output", "b", "--stream"], "--stream cannot be combined"),
        (["--input", "a", "--output", "b", "--seed", "0"], "--seed cannot be combined"),
    ],
)
def test_flags_that_actors_cannot_follow_are_refused(
    run, flags, message, monkeypatch, capsys
) -> None:
    code, _, err = call(monkeypatch, capsys, run, *RAY, *flags)
    assert code == 2 and message in err
