"""A sweep of mt-train (-m): a line for each job that fails, whatever launcher runs it.

Jobs whose process is killed are tried again, and continue from their last save. joblib's launcher
does not do that; submitit's does by itself, at a timeout or when Slurm preempts a job.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper

from mt.cli import say
from mt.errors import MTError, UsageError

RETRIES = 2  # of a sweep of which joblib has lost processes
KILLED = "TerminatedWorkerError"  # joblib's error: a process was killed, and so all have ended
LAUNCHERS = ("joblib", "submitit")  # packages whose errors mean that a job was lost


class LostJobError(MTError):
    """Say that a launcher has lost a job; it does not tell what became of the others."""

    def __init__(self, detail: str, killed: bool) -> None:
        self.reason = f"a job of the sweep was lost ({detail})"
        self.killed = killed
        super().__init__(f"{self.reason}: the same command goes on with what is not finished")


class FailedJob(NamedTuple):
    """Name a job that has failed; jobs return it instead of raising, so that the others go on."""

    name: str  # of the run
    reason: str


def run_sweep(sweep: Callable[[], object]) -> None:
    """Run a sweep of Hydra. Raises SystemExit if jobs have failed, after a line for each.

    Raises MTError, in one line, if the sweep cannot start or a launcher loses jobs for good.
    """
    for left in reversed(range(1 + RETRIES)):
        try:
            returned = sweep_once(sweep)
            break
        except LostJobError as error:
            if not (error.killed and left):
                raise
            say(f"{error.reason}: trying again what is not finished")
    failed = [each for each in returned if isinstance(each, FailedJob)]
    for job in failed:
        say(f"error: {job.name}: {job.reason}")
    if failed:
        raise SystemExit(1)


def sweep_once(sweep: Callable[[], object]) -> list[Any]:
    """Run a sweep of Hydra; return what its jobs return. Raises MTError as `run_sweep`."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises errors instead of printing a traceback
    plugins, results = Plugins.instance(), list[Any]()
    instantiate = plugins.instantiate_sweeper

    def instantiate_recorded(**choices: Any) -> Sweeper:
        """Return a sweeper that keeps what its jobs return, in batches; Hydra forgets it."""
        sweeper = instantiate(**choices)
        run = sweeper.sweep

        def sweep_recorded(arguments: list[str]) -> None:
            results.extend(run(arguments) or ())

        sweeper.sweep = sweep_recorded  # type: ignore[method-assign]
        return sweeper

    plugins.instantiate_sweeper = instantiate_recorded  # type: ignore[method-assign]
    try:
        sweep()
    except HydraException as error:
        text = str(error).split("Available options", 1)[0]
        raise UsageError(" ".join(text.split())) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in LAUNCHERS:
            raise
        lines = str(error).splitlines() or [type(error).__name__]
        raise LostJobError(lines[0], type(error).__name__ == KILLED) from error
    finally:
        plugins.instantiate_sweeper = instantiate  # type: ignore[method-assign]
    return [result.return_value for batch in results for result in batch]
