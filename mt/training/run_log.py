"""Output of a run: messages for people, and metrics for tools."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from typing import Any, TextIO

from torch.utils.tensorboard import SummaryWriter

from mt.files import open_text
from mt.run_folder import RunFolder


class RunLog:
    """Messages on standard error and in the log file, metrics as JSON lines and for TensorBoard.

    Silent if not `active`, that is, on all ranks but the first.
    """

    def __init__(self, folder: RunFolder, active: bool) -> None:
        self.folder, self.active = folder, active
        self._text: TextIO | None = None
        self._metrics: TextIO | None = None
        self._board: SummaryWriter | None = None
        if active:
            folder.path.mkdir(parents=True, exist_ok=True)
            self._text = open_text(folder.log, "a")

    def say(self, line: str) -> None:
        """Write a message to standard error, and with the time to the log file."""
        if self.active:
            print(line, file=sys.stderr, flush=True)
            print(time.strftime("%Y-%m-%d %H:%M:%S"), line, file=self._text, flush=True)

    def start_metrics(self, step: int, validated: int) -> None:
        """Open the metric files; remove the records after the checkpoint.

        `step` is that of the checkpoint, `validated` that of the last validation before it.
        """
        if not self.active:
            return
        self.folder.drop_metrics_after(step, validated)
        self._metrics = open_text(self.folder.metrics, "a")
        self._board = SummaryWriter(self.folder.tensorboard, purge_step=step + 1)

    def record(self, kind: str, step: int, **values: Any) -> None:
        """Append a record {"kind": ..., "step": ...} to the metrics.

        Its kind is train, val, plateau, decay or diverged. TensorBoard gets its numbers, too.
        """
        if self._metrics is None or self._board is None:
            return
        rounded = {
            key: float(f"{value:.6g}") if isinstance(value, float) else value
            for key, value in values.items()
        }
        print(json.dumps({"kind": kind, "step": step, **rounded}), file=self._metrics, flush=True)
        for key, value in values.items():
            if isinstance(value, int | float):
                self._board.add_scalar(f"{kind}/{key}", value, step)

    def close(self) -> None:
        """Close all files."""
        for file in (self._text, self._metrics, self._board):
            if file is not None:
                with contextlib.suppress(OSError):  # a full disk has already been reported
                    file.close()
