"""Training of the planned runs, several at a time on this machine or through a Hydra launcher.

A job is `python -m mt.train ...` in a process of its own: a crash or a lack of memory ends one run
and not the comparison, and the peak memory is that of the run.
"""

from __future__ import annotations

import contextlib
import functools
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from mt.comparison.planning.hydra_launcher import hydra_launcher
from mt.comparison.planning.planned_run import PlannedRun
from mt.comparison.planning.progress import RunProgress
from mt.comparison.schema.systems import FailedRun
from mt.config.presets import SEARCH_PATH
from mt.progress_display import display
from mt.run_folder import RunFolder
from mt.signals import INTERRUPTED, STOP_SIGNALS, interrupt_on_signals
from mt.tensor_files import read_facts

COMMAND = [sys.executable, "-m", "mt.train"]
TAIL_LINES = 60  # of a failed run's standard error that are added to its log
STOPPED = "stopped by a signal, and saved"  # the reason of a run that continues later
KILLED = "killed by"  # begins the reason of a run that a signal has ended
RETRIES = 2  # of a run that was stopped or killed from outside
HYDRA_ADVICE = "HYDRA_FULL_ERROR"  # in the line after the error of a traceback
POLL_SECONDS = 0.5  # between looks at the metrics of a run


def train_all(
    runs: Sequence[PlannedRun], launcher: Sequence[str] = (), jobs: int = 1
) -> list[FailedRun]:
    """Train and test runs, `jobs` at a time, or through the launcher of Hydra overrides.

    A run that was stopped or killed from outside, such as by a queue that needs its machine, is
    tried again, and continues from its last save. Returns the runs that failed. Raises
    KeyboardInterrupt if the user (or SIGTERM) stops it, after the current runs have saved.
    """
    labels = [f"[{i}/{len(runs)}] {run.label}" for i, run in enumerate(runs, start=1)]
    reasons = dict.fromkeys(labels, STOPPED)
    with interrupt_on_signals():
        for _ in range(1 + RETRIES):
            ended = [label for label in labels if reasons[label].startswith((STOPPED, KILLED))]
            again = [run for run, label in zip(runs, labels, strict=True) if label in ended]
            if launcher:
                results = train_through_hydra(again, ended, launcher)
            else:
                results = train_side_by_side(again, ended, jobs)
            reasons |= zip(ended, results, strict=True)
    failed = []
    for run, reason in zip(runs, reasons.values(), strict=True):
        if reason or not run.finished():
            text = " ".join((reason or "it ended before its time").split())
            failed.append(FailedRun(run.variant, run.seed, str(run.folder), text))
    return failed


def train_side_by_side(runs: Sequence[PlannedRun], labels: Sequence[str], jobs: int) -> list[str]:
    """Train runs on this machine, `jobs` at a time; return why each failed, or ""."""
    stop = threading.Event()

    def job(run: PlannedRun, label: str) -> str:
        return train_one(run.overrides, run.folder, run.config.trainer.test, label, stop)

    with ThreadPoolExecutor(jobs) as pool:
        try:
            futures = [pool.submit(job, *each) for each in zip(runs, labels, strict=True)]
            return [reason_of(future.result) for future in futures]
        except KeyboardInterrupt:
            stop.set()
            pool.shutdown(cancel_futures=True)  # waits for those that save
            raise


def train_through_hydra(
    runs: Sequence[PlannedRun], labels: Sequence[str], launcher: Sequence[str]
) -> list[str]:
    """Train runs through a launcher of Hydra; return why each failed, or ""."""
    if not runs:
        return []
    with hydra_launcher(launcher, functools.partial(train_hydra_job, labels=labels)) as hydra:
        try:
            returned = hydra.launch([run.overrides for run in runs], initial_job_idx=0)
        except Exception as error:  # a job is lost, and the launcher tells no more of the others
            reason = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
            return ["" if run.finished() else reason for run in runs]
    return [reason_of(lambda: result.return_value) for result in returned]  # noqa: B023


def reason_of(result: Callable[[], str]) -> str:
    """Return the result of a job, or its exception as the reason of a failure."""
    try:
        return result() or ""
    except Exception as error:  # of the launcher, such as a node that was lost
        return f"{type(error).__name__}: {error}"


def train_hydra_job(config: DictConfig, labels: Sequence[str]) -> str:
    """Run the job of a Hydra launcher; `labels` are those of all jobs."""
    job = HydraConfig.get()
    folder = RunFolder.at(Path(str(config.runs_dir)) / str(config.name))
    folders = [each for each in job.overrides.hydra if each.startswith(SEARCH_PATH)]
    overrides = [*folders[:1], *job.overrides.task]
    label, tested = labels[job.job.num], bool(config.trainer.test)
    return train_one(overrides, folder, tested, label, threading.Event())


def train_one(
    overrides: Sequence[str], folder: RunFolder, tested: bool, label: str, stop: threading.Event
) -> str:
    """Run mt-train with these overrides until it ends. Returns why it failed, or "".

    The run saves and ends if `stop` is set, or at a signal in the main thread.
    """
    progress = RunProgress(folder, label)
    # In a session of its own: Ctrl-C in a terminal reaches only this process, which passes it on
    # once. Standard error is a pipe, so that the run ends if this process is killed.
    with subprocess.Popen(
        [*COMMAND, *overrides],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        assert process.stderr is not None
        reader = threading.Thread(target=tail.extend, args=(process.stderr,), daemon=True)
        reader.start()
        with display.show(progress.line):
            try:
                follow(process, progress, stop)
            except KeyboardInterrupt:
                stop.set()
                follow(process, progress, stop)
                raise
        reader.join()
    lines = list(tail)
    reason = failure_reason(process.returncode, lines)
    if stop.is_set() and process.returncode in (INTERRUPTED, -signal.SIGINT):
        progress.say("stopped")
    elif reason:
        append_error(folder, lines)
        progress.say(f"FAILED: {reason} ({folder.log})")
    elif tested:
        bleu = folder.read_scores()["scores"]["bleu"]["value"]
        progress.say(f"finished: {bleu:.1f} BLEU on the test set")
    else:
        bleu = read_facts(folder.model).get("bleu")  # unknown if the model was replaced
        score = "no BLEU" if bleu is None else f"{bleu:.1f} BLEU"
        progress.say(f"finished: {score} in its best validation")
    return reason


def follow(process: subprocess.Popen[str], progress: RunProgress, stop: threading.Event) -> None:
    """Report progress until the process ends; interrupt it, once, if `stop` is set."""
    interrupted = ended = False
    while not ended:
        if stop.is_set() and not interrupted:
            process.send_signal(signal.SIGINT)  # it saves and ends
            interrupted = True
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL_SECONDS)
            ended = True
        progress.update()


def failure_reason(code: int, lines: Sequence[str]) -> str:
    """Return in a line why a process failed, from its exit code and the end of standard error.

    "" if it did not fail.
    """
    if code == 0:
        return ""
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return f"{KILLED} {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"
    if code - 128 in STOP_SIGNALS:
        return STOPPED
    errors = [line for line in lines if line.startswith("error: ")]
    candidates = [line for line in errors or lines if line.strip() and HYDRA_ADVICE not in line]
    if not candidates:
        return f"exit code {code}"
    return candidates[-1].removeprefix("error: ").strip()


def append_error(folder: RunFolder, lines: Sequence[str]) -> None:
    """Add the error or traceback of a failed run to its log, which outlives standard error."""
    starts = (i for i, line in enumerate(lines) if line.startswith(("Traceback", "error: ")))
    folder.append_to_log(lines[next(starts, len(lines)) :])
