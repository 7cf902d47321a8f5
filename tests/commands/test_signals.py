"""SIGINT and SIGTERM end a command in one line, in every phase; a second one ends it at once."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import mt
from mt.cli import end_on_signals, interrupt_on_signals, run_command

SIGNALS = [signal.SIGINT, signal.SIGTERM]
IMPORTS = """
import os, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == "{module}":
            os.kill(os.getpid(), {number})
sys.meta_path.insert(0, Interrupt())
from mt.commands import {command}
sys.argv = ["mt", *{arguments}]
{command}()
"""
TWICE = """
import contextlib, os, time
from mt.{module} import {context}
with {context}() as signals:
    for _ in range(2):
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), {number})
            time.sleep(1)
    print("goes on")
"""


def run_program(program: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(mt.__file__).parent.parent)
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": root},
    )


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    ("command", "module", "arguments"),
    [("train", "hydra", ["seed=1"]), ("translate", "torch", ["runs/none", "A sentence."])],
)
def test_a_signal_during_imports_ends_in_one_line(command, module, arguments, number):
    program = IMPORTS.format(
        module=module, number=int(number), command=command, arguments=arguments
    )
    done = run_program(program)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    ("module", "context"),
    [("cli", "interrupt_on_signals"), ("training.guards", "catch_stop_signals")],
)
def test_a_second_signal_ends_the_process_at_once(module, context, number):
    done = run_program(TWICE.format(module=module, context=context, number=int(number)))
    assert (done.returncode, done.stdout) == (-number, "")


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    ("command", "arguments", "function"),
    [
        ("translate", ["RUN", "A sentence."], "mt.decoding.load.load"),
        ("evaluate", ["RUN"], "mt.decoding.load.load"),
        ("export", ["RUN", "--to", "onnx"], "mt.decoding.load.load_run"),
        ("compare", ["compare=quick"], "mt.compare.load_spec"),
        ("train", ["data=demo"], "mt.train.train"),
    ],
)
def test_a_signal_ends_every_command_in_one_line(
    run, monkeypatch, capsys, tmp_path, command, arguments, function, number
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["mt", *(str(run) if a == "RUN" else a for a in arguments)])
    monkeypatch.setattr(function, lambda *_, **__: os.kill(os.getpid(), number))
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"mt.{command}").main()
    assert ended.value.code == 130
    assert capsys.readouterr().err.startswith("interrupted")


def test_the_other_signal_does_not_interrupt_what_the_first_one_started(capsys):
    """The launcher torchrun passes on a SIGTERM when Ctrl-C has reached all processes."""
    cleaned = []

    def command():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned.append(True)

    with pytest.raises(SystemExit):
        run_command(command)
    assert cleaned == [True]


def test_handlers_are_restored():
    before = [signal.getsignal(number) for number in SIGNALS]
    for context in (interrupt_on_signals, end_on_signals):
        with context():
            assert [signal.getsignal(number) for number in SIGNALS] != before
        assert [signal.getsignal(number) for number in SIGNALS] == before
