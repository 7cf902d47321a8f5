"""Training of the planned runs as jobs of a Hydra launcher.

Jobs run one after the other by default, in parallel or on a cluster with hydra/launcher=joblib and
others. A job is `python -m mt.train ...` in a process of its own: a crash or a lack of memory ends
one run and not the comparison, and the peak memory is that of the run.
"""

from __future__ import annotations

import contextlib
import functools
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from mt.comparison.planning.hydra_launcher import hydra_launcher
from mt.comparison.planning.planned_run import PlannedRun
from mt.comparison.planning.progress import RunProgress
from mt.comparison.schema.systems import FailedRun
from mt.config.presets import SEARCH_PATH
from mt.run_folder import RunFolder
from mt.signals import STOP_SIGNALS, interrupt_on_signals
from mt.tensor_files import read_facts

COMMAND = [sys.executable, "-m", "mt.train"]
TAIL_LINES = 60  # of a failed run's standard error that are added to its log
STOPPED = "stopped by a signal, and saved"  # the reason of a run that continues later
POLL_SECONDS = 0.5  # between looks at the metrics of a run


def train_all(runs: Sequence[PlannedRun], launcher: Sequence[str] = ()) -> list[FailedRun]:
    """Train and test runs through the launcher that the Hydra overrides `launcher` choose.

    Returns the runs that failed. Raises KeyboardInterrupt if the user (or SIGTERM) stops it, after
    the current run has saved.
    """
    job = functools.partial(train_one, labels=[run.label for run in runs])
    with hydra_launcher(launcher, job) as hydra, interrupt_on_signals():
        returned = hydra.launch([run.overrides for run in runs], initial_job_idx=0) if runs else []
    failed = []
    for run, result in zip(runs, returned, strict=True):
        try:
            reason = result.return_value
        except Exception as error:  # of the launcher, such as a node that was lost
            reason = f"{type(error).__name__}: {error}"
        if reason or not run.finished():
            text = " ".join(str(reason or "it ended before its time").split())
            failed.append(FailedRun(run.variant, run.seed, str(run.folder), text))
    return failed


def train_one(config: DictConfig, labels: Sequence[str]) -> str:
    """Run one job; `labels` are those of all jobs. Returns why it failed, or ""."""
    job = HydraConfig.get()
    folder = RunFolder.at(Path(str(config.runs_dir)) / str(config.name))
    label = f"[{job.job.num + 1}/{len(labels)}] {labels[job.job.num]}"
    folders = [each for each in job.overrides.hydra if each.startswith(SEARCH_PATH)]
    progress = RunProgress(folder, label, sys.stderr)
    # In a session of its own: Ctrl-C in a terminal reaches only this process, which passes it on
    # once. Standard error is a pipe, so that the run ends if this process is killed.
    with subprocess.Popen(
        [*COMMAND, *folders[:1], *job.overrides.task],
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
        try:
            follow(process, progress)
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)  # it saves and ends
            follow(process, progress)
            raise
        reader.join()
    lines = list(tail)
    reason = failure_reason(process.returncode, lines)
    if reason:
        append_error(folder, lines)
        progress.say(f"FAILED: {reason} ({folder.log})")
    elif config.trainer.test:
        bleu = folder.read_scores()["scores"]["bleu"]["value"]
        progress.say(f"finished: {bleu:.1f} BLEU on the test set")
    else:
        bleu = read_facts(folder.model).get("bleu")  # unknown if the model was replaced
        score = "no BLEU" if bleu is None else f"{bleu:.1f} BLEU"
        progress.say(f"finished: {score} in its best validation")
    return reason


def follow(process: subprocess.Popen[str], progress: RunProgress) -> None:
    """Report progress until the process ends."""
    ended = False
    while not ended:
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
        return f"killed by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"
    if code - 128 in STOP_SIGNALS:
        return STOPPED
    errors = [line for line in lines if line.startswith("error: ")]
    candidates = [line for line in errors or lines if line.strip()]
    if not candidates:
        return f"exit code {code}"
    return candidates[-1].removeprefix("error: ").strip()


def append_error(folder: RunFolder, lines: Sequence[str]) -> None:
    """Add the error or traceback of a failed run to its log, which outlives standard error."""
    starts = (i for i, line in enumerate(lines) if line.startswith(("Traceback", "error: ")))
    folder.append_to_log(lines[next(starts, len(lines)) :])
