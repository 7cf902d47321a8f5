"""Signals while a run is prepared, trained, validated and tested, and what follows them."""

from __future__ import annotations

import os
import signal

import pytest
import torch

from helpers.training_runs import (
    NARROW_MODEL,
    checkpoint_state,
    checkpoint_tensors,
    read_records,
    run_training,
    write_tiny_run,
)
from mt.cli import run_command
from mt.data.pipeline import Pipeline
from mt.decoding.translator import Translator
from mt.run_folder import RunFolder
from mt.training.progress import ProgressReporter
from mt.training.trainer import Trainer
from mt.training.validation import SetValidator

SHORT = ["model/size=tiny", "trainer.max_steps=4", "trainer.val_every=2", "trainer.test=false"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Train without an interruption; return the run."""
    folder = tmp_path_factory.mktemp("whole")
    run_training([*write_tiny_run(folder, 60), *NARROW_MODEL, *SHORT])
    return folder / "runs" / "tiny"


def interrupt(monkeypatch, function, number, count=1):
    """Send a signal to this process at the end of the call number `count` of a function."""
    owner, name = function
    original, calls = getattr(owner, name), []

    def interrupted(*arguments, **settings):
        result = original(*arguments, **settings)
        calls.append(name)
        if len(calls) == count:
            os.kill(os.getpid(), number)
        return result

    monkeypatch.setattr(owner, name, interrupted)


@pytest.mark.parametrize(
    ("function", "count", "step", "validated", "number"),
    [
        ((SetValidator, "_loss"), 1, 2, -1, signal.SIGINT),
        ((SetValidator, "_loss"), 2, 4, 2, signal.SIGTERM),  # the last validation
        ((Trainer, "_train_step"), 3, 3, 2, signal.SIGINT),  # between validations
        # After the last validation.
        ((ProgressReporter, "report_validation"), 2, 4, 4, signal.SIGTERM),
    ],
)
def test_a_run_is_interrupted_and_continues_exactly(
    tiny_run, tmp_path, monkeypatch, whole, function, count, step, validated, number
):
    base = [*tiny_run(60), *SHORT]
    with monkeypatch.context() as patch:
        interrupt(patch, function, number, count)
        with pytest.raises(SystemExit) as ended:
            run_training(base)
    assert ended.value.code == 128 + number
    parts = tmp_path / "runs" / "tiny"
    state = checkpoint_state(parts)
    assert (state["step"], state["validated"]) == (step, validated)
    assert not RunFolder.at(parts).cost.exists(), "the run has not ended"
    run_training(base)
    assert [r["step"] for r in read_records(parts, "val")] == [2, 4]
    tensors = checkpoint_tensors(whole)
    assert all(torch.equal(tensors[n], t) for n, t in checkpoint_tensors(parts).items())
    assert checkpoint_state(parts)["best_loss"] == checkpoint_state(whole)["best_loss"]


@pytest.mark.parametrize(
    ("phase", "number"), [("test", signal.SIGTERM), ("preparing", signal.SIGINT)]
)
def test_other_phases_are_interrupted_and_the_same_command_continues(
    tiny_run, tmp_path, monkeypatch, capsys, phase, number
):
    base = [*tiny_run(60), "model/size=tiny", "trainer.max_steps=2"]
    monkeypatch.setenv("MT_CACHE", str(tmp_path / "cache"))  # which has nothing yet
    with monkeypatch.context() as patch:
        if phase == "test":
            interrupt(patch, (Translator, "translate"), number, 2)
        else:
            interrupt(patch, (Pipeline, "_clean"), number)
        with pytest.raises(SystemExit) as ended:
            run_command(lambda: run_training(base), "the same command continues")
    assert ended.value.code == 128 + number
    assert capsys.readouterr().err.endswith("interrupted: the same command continues\n")
    assert not list((tmp_path / "cache").glob("*.unfinished"))
    run_training(base)
    assert (tmp_path / "runs" / "tiny" / "test.json").exists()
