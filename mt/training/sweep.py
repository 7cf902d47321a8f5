"""A sweep of mt-train (-m): a line for each job that fails, whatever launcher runs it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper

from mt.cli import say
from mt.errors import MTError, UsageError

LAUNCHERS = ("joblib", "submitit")  # packages whose errors mean that a job was lost


class FailedJob(NamedTuple):
    """Name a job that has failed; jobs return it instead of raising, so that the others go on."""

    name: str  # of the run
    reason: str


def run_sweep(sweep: Callable[[], object]) -> None:
    """Run a sweep of Hydra. Raises SystemExit if jobs have failed, after a line for each.

    Raises MTError, in one line, if the sweep cannot start or a launcher loses a job.
    """
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
        raise MTError(
            f"a job of the sweep was lost ({lines[0]}): the same command goes on with what is "
            "not finished"
        ) from error
    finally:
        plugins.instantiate_sweeper = instantiate  # type: ignore[method-assign]
    returned = [result.return_value for batch in results for result in batch]
    failed = [each for each in returned if isinstance(each, FailedJob)]
    for job in failed:
        say(f"error: {job.name}: {job.reason}")
    if failed:
        raise SystemExit(1)
