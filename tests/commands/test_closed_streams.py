"""Commands whose standard streams are closed (`<&-`, `>&-`, `2>&-`)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import ROOT

PAIR = ["--hyp", "text", "--ref", "text", "--bootstrap", "0"]


def shell(folder: Path, redirection: str, command: str, *flags: str):
    """Run a command in a shell, with its streams as the redirection says."""
    return subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", sys.executable, "-m", command, *flags],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "text").write_text("ein Hund läuft im Park\n", encoding="utf-8")
    return tmp_path


@pytest.mark.medium
@pytest.mark.parametrize(
    "redirection, flags, message",
    [
        ("<&-", [], "error: standard input is closed: give --input FILE, or sentences"),
        (">&-", ["--input", "text"], "error: standard output is closed: give --output FILE"),
    ],
)
def test_a_stream_that_is_needed_is_named(
    folder: Path, run: Path, redirection: str, flags: list[str], message: str
) -> None:
    done = shell(folder, redirection, "mt.translate", str(run), "--device=cpu", "--quiet", *flags)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(message) and done.stderr.count("\n") == 1


def test_a_command_writes_its_files_without_any_stream(folder: Path) -> None:
    done = shell(folder, "<&- >&- 2>&-", "mt.evaluate", *PAIR, "--json", "out.json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert '"sentences": 1' in (folder / "out.json").read_text(encoding="utf-8")


def test_messages_do_not_appear_on_standard_output(folder: Path) -> None:
    done = shell(folder, "2>&-", "mt.evaluate", *PAIR)
    assert done.returncode == 0 and done.stdout.startswith("1 sentence\n")
    done = shell(folder, "2>&-", "mt.evaluate", "--hyp", "text", "--ref", "nosuch")
    assert (done.returncode, done.stdout) == (1, "")
