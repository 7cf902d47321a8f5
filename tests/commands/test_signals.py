"""SIGINT and SIGTERM end a command in one line, in every phase; a second one ends it at once."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hydra._internal.hydra import Hydra
from omegaconf.base import Node

import mt
from mt.cli import run_command
from mt.errors import MTError
from mt.signals import StopSignal, interrupt_on_signals, note_signals

SIGNALS = [signal.SIGINT, signal.SIGTERM]
IMPORTS = """
import os, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == "{module}":
            os.kill(os.getpid(), {number})
sys.meta_path.insert(0, Interrupt())
sys.argv = ["mt", *{arguments}]
{start}
"""
STARTS = {
    "entry point": "from mt.commands import {command}; {command}()",
    "python -m": "import runpy; runpy.run_module('mt.{command}', run_name='__main__')",
}
TWICE = """
import contextlib, os, time
from mt.signals import interrupt_on_signals, note_signals
with {context}:
    for _ in range(2):
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), {number})
        time.sleep({seconds})
    print("goes on", flush=True)
"""
CONTEXTS = ["interrupt_on_signals()", "note_signals(print)"]


def run_program(program: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(mt.__file__).parent.parent)
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": root},
    )


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    ("command", "module", "arguments", "number"),
    [
        ("train", "hydra", ["seed=1"], signal.SIGINT),
        ("translate", "torch", ["runs/none", "A sentence."], signal.SIGTERM),
    ],
)
def test_a_signal_during_imports_ends_in_one_line(command, module, arguments, number, start):
    program = IMPORTS.format(
        module=module,
        number=int(number),
        arguments=arguments,
        start=STARTS[start].format(command=command),
    )
    done = run_program(program)
    remark = ": the same command continues" if command == "train" else ""
    assert (done.returncode, done.stderr) == (128 + number, f"interrupted{remark}\n")


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("context", CONTEXTS)
def test_a_second_signal_ends_the_process_at_once(context, number):
    done = run_program(TWICE.format(context=context, number=int(number), seconds=1))
    assert (done.returncode, "goes on" in done.stdout) == (-number, False)


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_signal_that_is_repeated_at_once_counts_as_the_same(context):
    """The launcher torchrun passes on what its processes have received already."""
    done = run_program(TWICE.format(context=context, number=int(signal.SIGTERM), seconds=0.05))
    assert done.stdout == "goes on\n"


class SignalsWhenDeleted:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(10_000):  # Python handles the signal here
            pass


def test_a_signal_in_a_destructor_is_not_lost(capsys):
    """Python prints exceptions of destructors and goes on."""
    with pytest.raises(StopSignal), interrupt_on_signals():
        SignalsWhenDeleted()
        time.sleep(5)
    assert "ignored" not in capsys.readouterr().err


def test_what_takes_long_after_a_signal_is_announced(monkeypatch):
    monkeypatch.setattr("mt.signals.REPEAT_SECONDS", 0.01)
    said = []
    with pytest.raises(StopSignal), note_signals(said.append) as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals
        time.sleep(0.2)
        assert len(said) == 1 and said[0].startswith("stopping after this step; a second signal")
    monkeypatch.setattr("mt.signals.REPEAT_SECONDS", 1.0)
    with pytest.raises(StopSignal), note_signals(said.append) as signals:
        os.kill(os.getpid(), signal.SIGTERM)
    signals._reminder.join(5)
    assert len(said) == 1


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    ("command", "arguments", "function"),
    [
        ("translate", ["RUN", "A sentence."], "mt.exporting.automatic.load_fastest"),
        ("evaluate", ["RUN"], "mt.evaluate.find_evaluation_set"),
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
    assert ended.value.code == 128 + number
    assert capsys.readouterr().err.startswith("interrupted")


def test_the_other_signal_does_not_interrupt_what_the_first_one_started(capsys):
    """A launcher may pass on a SIGTERM when Ctrl-C has reached all processes."""
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


@pytest.mark.parametrize("error", [MTError("half of a copy"), KeyboardInterrupt()])
def test_an_error_that_a_signal_has_caused_on_its_way_is_not_reported(error, capsys):
    """Libraries may fail while they are interrupted, as OmegaConf in a copy, or as Ray does."""

    def command():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            raise error

    with pytest.raises(SystemExit) as ended:
        run_command(command)
    assert (ended.value.code, capsys.readouterr().err) == (143, "interrupted\n")


def test_a_signal_while_hydra_composes_the_settings_ends_in_one_line(monkeypatch, capsys):
    """OmegaConf fails if it is interrupted in a `try` block, and Hydra prints its errors."""
    keys, runs, interrupted = Node._key, Hydra.run, []

    def begin(*arguments, **settings):
        monkeypatch.setattr(Node, "_key", interrupt)
        return runs(*arguments, **settings)

    def interrupt(node):
        if sys._getframe(1).f_code.co_name == "_set_item_impl" and not interrupted:
            interrupted.append(True)
            os.kill(os.getpid(), signal.SIGTERM)
        return keys(node)

    monkeypatch.setattr(sys, "argv", ["mt-train", "data=demo"])
    monkeypatch.setattr("mt.train.train", lambda config: time.sleep(10))
    monkeypatch.setattr(Hydra, "run", begin)
    with pytest.raises(SystemExit) as ended:
        importlib.import_module("mt.train").main()
    assert interrupted
    message = "interrupted: the same command continues\n"
    assert (ended.value.code, capsys.readouterr().err) == (143, message)


def test_handlers_are_restored():
    before = [signal.getsignal(number) for number in SIGNALS]
    for context in (interrupt_on_signals(), note_signals(print)):
        with context:
            assert [signal.getsignal(number) for number in SIGNALS] != before
        assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_signal_in_an_import_of_a_noting_block_is_raised_after_the_import(tmp_path, monkeypatch):
    """In an import, an exception could get lost, or end the process by an abort."""
    text = (
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(0.2)\ndone = 1\n"
    )
    (tmp_path / "interrupted_module.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(StopSignal), note_signals(print) as signals, signals.raised():
        module = importlib.import_module("interrupted_module")
        assert module.done
        time.sleep(10)
