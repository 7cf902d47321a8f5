"""Output of a run: messages for people, and metrics for tools."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from typing import Any, Self, TextIO

from torch.utils.tensorboard import SummaryWriter

from mt.config.schema import Config
from mt.files import open_text
from mt.progress_display import LiveLine, display
from mt.run_folder import RunFolder
from mt.training.trackers import Ending, Trackers, flat_settings


class RunLog:
    """Messages on standard error and in the log file, metrics as JSON lines and for TensorBoard.

    Silent if not `active`, that is, on all ranks but the first.
    """

    def __init__(self, folder: RunFolder, active: bool) -> None:
        self.folder, self.active = folder, active
        self._text: TextIO | None = None
        self._metrics: TextIO | None = None
        self._board: SummaryWriter | None = None
        self._trackers: Trackers | None = None
        if active:
            folder.path.mkdir(parents=True, exist_ok=True)
            self._text = open_text(folder.log, "a")

    def say(self, line: str) -> None:
        """Write a message to standard error, and with the time to the log file."""
        if self.active:
            display.print_line(line)
            self._write(line)

    def say_progress(self, line: str) -> None:
        """Write a message as `say`, but not to a terminal, where live lines tell the same."""
        if self.active and display.live:
            self._write(line)
        else:
            self.say(line)

    def show(self, *lines: LiveLine) -> contextlib.AbstractContextManager[None]:
        """Show live lines on a terminal until the end of a `with` block."""
        return display.show(*lines) if self.active else contextlib.nullcontext()

    def _write(self, line: str) -> None:
        """Write a line with the time to the log file."""
        print(time.strftime("%Y-%m-%d %H:%M:%S"), line, file=self._text, flush=True)

    def start_metrics(self, config: Config, step: int, validated: int) -> None:
        """Open the metric files and trackers; remove the records after the checkpoint.

        `step` is that of the checkpoint, `validated` that of the last validation before it.
        """
        if not self.active:
            return
        self.folder.drop_metrics_after(step, validated)
        self._metrics = open_text(self.folder.metrics, "a")
        self._board = SummaryWriter(self.folder.tensorboard, purge_step=step + 1)
        services, settings = config.trainer.report_to, flat_settings(config)
        self._trackers = Trackers(self.folder, services, settings, self.say)

    def record(self, kind: str, step: int, **values: Any) -> None:
        """Append a record {"kind": ..., "step": ...} to the metrics.

        Its kind is train, val, plateau, decay or diverged. TensorBoard and the services of
        trainer.report_to get its numbers, too.
        """
        if self._metrics is None or self._board is None or self._trackers is None:
            return
        rounded = {
            key: float(f"{value:.6g}") if isinstance(value, float) else value
            for key, value in values.items()
        }
        print(json.dumps({"kind": kind, "step": step, **rounded}), file=self._metrics, flush=True)
        numbers = {
            f"{kind}/{key}": value
            for key, value in values.items()
            if isinstance(value, int | float)
        }
        for name, value in numbers.items():
            self._board.add_scalar(name, value, step)
        self._trackers.log(numbers, step)

    def report_test(self, scores: Mapping[str, float], step: int) -> None:
        """Give the test scores to the services of trainer.report_to; `step` is the last one."""
        if self._trackers:
            values = {f"test/{name}": value for name, value in scores.items()}
            self._trackers.summarise(values, step)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(ending(kind))

    def close(self, ending: Ending = "finished") -> None:
        """Close all files, and tell the trackers how the run ended."""
        if self._trackers:
            self._trackers.close(ending)
        for file in (self._text, self._metrics, self._board):
            if file is not None:
                with contextlib.suppress(OSError):  # a full disk has already been reported
                    file.close()


def ending(error: type[BaseException] | None) -> Ending:
    """Return how a run ended, by the class of the exception that ended it, if there was one."""
    if error is None:
        return "finished"
    return "stopped" if issubclass(error, SystemExit | KeyboardInterrupt) else "failed"
