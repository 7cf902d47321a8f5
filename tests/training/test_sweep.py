"""Sweeps of mt-train: a line for each job that fails, whatever launcher runs it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError
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


@pytest.mark.medium
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


@pytest.mark.medium
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


@pytest.mark.medium
def test_jobs_whose_process_is_killed_are_tried_again_twice(sweep, monkeypatch, capsys):
    killed = []

    def kill(config: Config) -> None:
        killed.append(config.seed)
        if len(killed) < 4:
            raise TerminatedWorkerError("a worker was terminated\nby a signal")

    monkeypatch.setattr("mt.train.train", kill)
    assert sweep(*SWEEP) == 1
    lost = "a job of the sweep was lost (a worker was terminated): "
    again, last = "trying again what is not finished", "the same command goes on with what is not"

    def said() -> list[str]:
        return [line for line in capsys.readouterr().err.splitlines() if lost in line]

    assert said() == 2 * [lost + again] + [f"error: {lost}{last} finished"]
    killed.pop()
    assert sweep(*SWEEP) == 0
    assert killed == [1, 1, 1, 1] and said() == [lost + again]


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


def kill_after_a_save(run: Path) -> None:
    """Kill the workers of joblib, as soon as a run has saved."""
    while not (run / "last").exists():
        time.sleep(0.1)
    for children in Path("/proc/self/task").glob("*/children"):
        for process in children.read_text().split():
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                if b"popen_loky" in Path(f"/proc/{process}/cmdline").read_bytes():
                    os.kill(int(process), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_a_killed_job_of_joblib_continues_from_its_last_save(sweep, tiny_run, tmp_path, capfd):
    settings = [*tiny_run(60), "trainer.max_steps=400", "trainer.save_minutes=0.001"]
    run = tmp_path / "runs" / "tiny-seed-1"
    threading.Thread(target=kill_after_a_save, args=(run,), daemon=True).start()
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    assert sweep("-m", *settings, "trainer.test=false", "seed=1,2", *launcher) == 0
    assert "was lost" in capfd.readouterr().err
    assert [checkpoint_state(run.with_name(f"tiny-seed-{i}"))["step"] for i in (1, 2)] == [400, 400]
    assert "continu" in (run / "train.log").read_text()
