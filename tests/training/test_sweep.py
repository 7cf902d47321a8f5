"""Sweeps of mt-train: a line for each job that fails, whatever launcher runs it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from submitit.core.utils import UncompletedJobError

from helpers.training_runs import checkpoint_state
from mt import train
from mt.config.schema import Config
from mt.errors import MTError

SWEEP = ["-m", "seed=1", "name=x", "trainer.max_steps=5"]


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that runs a sweep and returns its exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")

    def run(*arguments: str) -> object:
        monkeypatch.setattr(sys, "argv", ["mt-train", *arguments])
        try:
            train.main()
        except SystemExit as end:
            return end.code
        return 0

    return run


def test_jobs_that_fail_are_named_and_the_others_go_on(sweep, monkeypatch, capsys):
    trained = []

    def fail_or_train(config: Config) -> None:
        trained.append(config.seed)
        if config.seed == 1:
            raise MTError("too\nwarm")
        if config.seed == 3:
            raise OSError(28, "No space left on device", "a file")

    monkeypatch.setattr("mt.train.train", fail_or_train)
    assert sweep("-m", "seed=1,2,3", "name=x", "trainer.max_steps=5") == 1
    assert trained == [1, 2, 3]
    assert capsys.readouterr().err == (
        "error: x-seed-1: too warm\nerror: x-seed-3: a file: No space left on device\n"
    )


def test_a_job_that_a_launcher_loses_is_explained_and_a_bug_is_not_hidden(
    sweep, monkeypatch, capsys
):
    def lose(config: Config) -> None:
        raise UncompletedJobError("Job 7 has not produced any output\nmore\n")

    monkeypatch.setattr("mt.train.train", lose)
    assert sweep(*SWEEP) == 1
    message = "error: a job of the sweep was lost (Job 7 has not produced any output): the same"
    assert capsys.readouterr().err.splitlines()[-1].startswith(message)

    def divide(config: Config) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("mt.train.train", divide)
    with pytest.raises(ZeroDivisionError):
        sweep(*SWEEP)


def test_a_launcher_that_is_not_there_is_refused_in_one_line(sweep, capsys):
    assert sweep(*SWEEP, "hydra/launcher=nowhere") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "hydra/launcher/nowhere" in line


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_launchers_name_a_job_that_fails(sweep, tiny_run, tmp_path, capfd, launcher):
    settings = [*tiny_run(60), "trainer.max_steps=2", "trainer.test=false", "model/size=tiny"]
    rates = f"optim.lr=1e-3,1e30 hydra/launcher={launcher}".split()
    assert sweep("-m", *settings, *rates) == 1
    errors = [line for line in capfd.readouterr().err.splitlines() if "error" in line.lower()]
    assert len(errors) == 1 and errors[0].startswith("error: tiny-optim.lr-1e_30: the model")
    assert checkpoint_state(tmp_path / "runs" / "tiny-optim.lr-0.001")["step"] == 2
