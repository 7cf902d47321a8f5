"""mt-serve as a process: it starts, answers, and ends in good order."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import mt
from helpers.servers import Answer, Client
from mt.arguments.serve import parse_arguments
from mt.errors import UsageError
from mt.serve import main

COMMAND = [sys.executable, "-m", "mt.serve"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(mt.__file__).parent.parent)}


@pytest.fixture
def server(run: Path) -> Iterator[tuple[subprocess.Popen, Client]]:
    flags = ["--port", "0", "--threads", "1", "--device", "cpu"]
    process = subprocess.Popen(
        [*COMMAND, str(run), *flags], stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    assert process.stderr
    line = next((line for line in process.stderr if line.startswith("serving ")), "")
    match = re.fullmatch(r"serving src-tgt: (http://127\.0\.0\.1:\d+)\n", line)
    assert match, "the server did not start"
    yield process, Client(match[1])
    process.kill()
    process.wait()
    process.stderr.close()


def test_sigterm_finishes_what_runs_and_takes_no_more(
    server: tuple[subprocess.Popen, Client],
) -> None:
    process, client = server
    answers: list[Answer] = []
    text = "\n".join(["the cat sees the dog ."] * 300)
    running = threading.Thread(
        target=lambda: answers.append(client.translate(text, source="src", target="tgt"))
    )
    running.start()
    while b"mt_translations_active 1.0" not in client.ask("/metrics").body:
        assert running.is_alive()
    process.send_signal(signal.SIGTERM)
    running.join(60)
    assert [answer.status for answer in answers] == [200]
    assert answers[0].json["translatedText"].count("\n") == 299
    assert process.wait(60) == 0
    with pytest.raises(OSError):
        client.ask("/health")
    assert process.stderr
    log = process.stderr.read()
    assert '"path": "/translate", "status": 200' in log and "cat" not in log
    assert "Traceback" not in log and "error" not in log


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--port", "65536"], "--port must be from 0 to 65535, got 65536"),
        (["--timeout", "-1"], "--timeout must be >= 0, got -1.0"),
        (["--timeout", "inf"], "--timeout must be >= 0, got inf"),
        (["--timeout", "nan"], "--timeout must be >= 0, got nan"),
        (["--max-characters", "-1"], "--max-characters must be >= 0, got -1"),
        (["--max"], "unrecognized arguments: --max"),
    ],
)
def test_wrong_flags_are_named(flags: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        parse_arguments(["run", *flags])


@pytest.mark.parametrize(
    "flags, code, message",
    [
        (["{run}", "{run}"], 2, "both translate src-tgt"),
        (["{run}", "--backend", "pytorch", "--tag", "<x>"], 2, "was trained without tags"),
        (["{folder}"], 1, "is not a run directory"),
    ],
)
def test_what_cannot_be_served_is_one_clear_line(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    flags: list[str], code: int, message: str,
) -> None:  # fmt: skip
    named = [flag.format(run=run, folder=tmp_path) for flag in flags]
    monkeypatch.setattr(sys, "argv", ["mt-serve", *named, "--port", "0"])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr()
    assert stop.value.code == code and message in said.err
    assert said.err.count("\n") == 1 and said.out == ""


@pytest.mark.medium
def test_an_address_that_is_not_of_this_machine_is_one_clear_line(run: Path) -> None:
    done = subprocess.run(
        [*COMMAND, str(run), "--host", "256.0.0.1"],
        capture_output=True, text=True, env=ENVIRONMENT, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1 and "cannot listen on 256.0.0.1, port 5000" in done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""
