"""Runs as jobs of Hydra's launcher: one after the other by default; in parallel or on a cluster with hydra/launcher=joblib and so on.

A job is `python -m mt.train ...` in a process of its own, so that a crash or a lack of memory ends
one run and not the comparison, and peak memory is of that run.
"""

from __future__ import annotations

import contextlib
import functools
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import (
    Hydra,  # what hydra.main itself uses; the version of Hydra is pinned
)
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from mt.comparison.planning.job_log import Shortened
from mt.comparison.planning.plan import PlannedRun
from mt.comparison.schema.systems import FailedRun
from mt.config.compose import config_dir
from mt.errors import UsageError
from mt.run_folder import RunFolder

COMMAND = [sys.executable, "-m", "mt.train"]
TAIL = 60  # lines of a failed run that are kept for its log


def train_all(runs: Sequence[PlannedRun], launcher: Sequence[str] = ()) -> list[FailedRun]:
    """Train and test runs through the launcher that the Hydra overrides `launcher` choose.

    Returns those that failed, as in `Planned.failed`. KeyboardInterrupt, after the run that was
    going has saved, where the user (or SIGTERM) stops it.
    """
    with (
        hydra_launcher(launcher, functools.partial(train_one, total=len(runs))) as made,
        sigterm_as_interrupt(),
    ):
        returned = made.launch([run.overrides for run in runs], initial_job_idx=0) if runs else []
    failed = []
    for run, job in zip(runs, returned, strict=True):
        try:
            reason = job.return_value
        except Exception as error:  # of the launcher, such as a node that was lost
            reason = f"{type(error).__name__}: {error}"
        if reason or not run.finished():
            text = " ".join(str(reason or "it ended without a test").split())
            failed.append(FailedRun(run.variant, run.seed, str(run.folder), text))
    return failed


@contextlib.contextmanager
def hydra_launcher(overrides: Sequence[str], task: Any = None) -> Iterator[Launcher]:
    """A launcher that composes mt-train's configuration and hands it to `task`. UsageError where there is no such launcher."""
    search_path = create_config_search_path(str(config_dir()))
    hydra = Hydra.create_main_hydra2(task_name="mt-compare", config_search_path=search_path)
    try:
        try:
            config = hydra.compose_config(
                "train", list(overrides), run_mode=RunMode.MULTIRUN, with_log_configuration=False
            )
            context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks(config))
            launcher = Plugins.instance().instantiate_launcher(
                hydra_context=context, task_function=task or str, config=config
            )
        except (HydraException, OmegaConfBaseException) as error:
            text = " ".join(str(error).split("Available options", 1)[0].split())
            advice = "launchers other than basic are packages: pip install hydra-joblib-launcher, hydra-submitit-launcher, ..."
            raise UsageError(f"{' '.join(overrides)}: {text} ({advice})") from error
        yield launcher
    finally:
        GlobalHydra.instance().clear()


def train_one(config: DictConfig, total: int) -> str:
    """A job. Returns why it failed; nothing where it did not."""
    job = HydraConfig.get()
    folder = RunFolder.at(Path(str(config.runs_dir)) / str(config.name))
    say = Shortened(f"[{job.job.num + 1}/{total}] {str(config.name).rsplit('-', 1)[0]}", sys.stderr)
    command = [*COMMAND, *job.overrides.task]
    # In a session of its own: Ctrl-C in a terminal reaches this process alone, which passes it on
    # once.
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        last: deque[str] = deque(maxlen=TAIL)
        try:
            for line in process.stderr:
                last.append(line)
                say(line)
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)  # it saves and leaves
            for line in process.stderr:
                say(line)
            raise
    reason = why(process.returncode, list(last))
    if reason:
        keep_error(folder, list(last))
        print(f"{say.label}  FAILED: {reason} ({folder.log})", file=sys.stderr, flush=True)
    else:
        bleu = folder.read_scores()["scores"]["bleu"]["value"]
        print(
            f"{say.label}  finished: {bleu:.1f} BLEU on the test set", file=sys.stderr, flush=True
        )
    return reason


def why(code: int, lines: Sequence[str]) -> str:
    """Why a process failed, by its exit code and the end of what it said, in a line; nothing where it did not."""
    if code == 0:
        return ""
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return f"killed by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"
    if code == 130:
        return "stopped by a signal, and saved"
    errors = [line for line in lines if line.startswith("error: ")]
    said = [line for line in errors or lines if line.strip()]
    return said[-1].removeprefix("error: ").strip() if said else f"exit code {code}"


def keep_error(folder: RunFolder, lines: Sequence[str]) -> None:
    """Write what a failed run said at its end, a traceback perhaps, into its log: standard error is gone when somebody asks."""
    start = next(
        (i for i, line in enumerate(lines) if line.startswith(("Traceback", "error: "))), len(lines)
    )
    folder.append_to_log(lines[start:])


@contextlib.contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """SIGTERM stops a comparison as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
