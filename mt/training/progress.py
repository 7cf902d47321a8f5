"""What a run tells: lines for people, `metrics.jsonl` and TensorBoard for tools."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from torch.utils.tensorboard import SummaryWriter

from mt.files import write_text

METRICS = "metrics.jsonl"


class RunLog:
    """Writes to standard error and train.log; numbers to metrics.jsonl and TensorBoard. Silent on ranks other than the first."""

    def __init__(self, folder: Path, active: bool) -> None:
        self.folder, self.active = folder, active
        self._text: TextIO | None = None
        self._metrics: TextIO | None = None
        self._board: SummaryWriter | None = None
        if active:
            folder.mkdir(parents=True, exist_ok=True)
            self._text = open(folder / "train.log", "a", encoding="utf-8")  # noqa: SIM115 - open as long as the run

    def say(self, line: str) -> None:
        """A line for people."""
        if self.active:
            print(line, file=sys.stderr, flush=True)
            print(time.strftime("%Y-%m-%d %H:%M:%S"), line, file=self._text, flush=True)

    def start_metrics(self, step: int) -> None:
        """Begin to record numbers after `step`: those that an interrupted run wrote beyond its last save are dropped."""
        if not self.active:
            return
        path = self.folder / METRICS
        kept = []
        if path.exists():
            with open(path, encoding="utf-8") as file:
                kept = [line for line in file if _step(line) <= step]
            write_text(path, "".join(kept))
        self._metrics = open(path, "a", encoding="utf-8")  # noqa: SIM115
        self._board = SummaryWriter(self.folder / "tensorboard", purge_step=step + 1)

    def record(self, kind: str, step: int, **values: Any) -> None:
        """One object in metrics.jsonl: {"kind": "train" or "val", "step": ..., ...}; numbers go to TensorBoard too."""
        if self._metrics is None or self._board is None:
            return
        rounded = {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in values.items()}
        print(json.dumps({"kind": kind, "step": step, **rounded}), file=self._metrics, flush=True)
        for key, value in values.items():
            if isinstance(value, int | float):
                self._board.add_scalar(f"{kind}/{key}", value, step)

    def close(self) -> None:
        for file in (self._text, self._metrics, self._board):
            if file is not None:
                with contextlib.suppress(OSError):  # a full disk has been reported already
                    file.close()


def _step(line: str) -> float:
    """The step of a record; infinite for a line that was cut off."""
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return math.inf


def duration(minutes: float) -> str:
    """0.5 -> 0:30, 75 -> 1:15:00"""
    seconds = round(minutes * 60)
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
