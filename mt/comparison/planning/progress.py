"""Progress of a run that another process trains, read from the run's metrics.jsonl."""

from __future__ import annotations

import json
import os
import time
from typing import Any, TextIO

from mt.cli import format_duration
from mt.run_folder import RunFolder
from mt.training.stopping import TimeLeft

PROGRESS_SECONDS = 20.0  # between progress lines of a run; validations are all printed


class RunProgress:
    """Prints the validations of a run, and now and then its progress, after a label."""

    def __init__(self, folder: RunFolder, label: str, out: TextIO) -> None:
        self.folder, self.label, self.out = folder, label, out
        self.last = -PROGRESS_SECONDS
        self.lines = self._read_lines()  # of earlier starts: not printed

    def say(self, text: str) -> None:
        """Print a line."""
        print(f"{self.label}  {text}", file=self.out, flush=True)

    def update(self) -> None:
        """Print what has been recorded since the last call."""
        known, self.lines = self.lines, self._read_lines()
        # A run that continues first removes the records of steps that it will repeat.
        unchanged = len(os.path.commonprefix([known, self.lines]))
        for line in self.lines[unchanged:]:
            record = json.loads(line)
            if record["kind"] == "val":
                bleu = "no BLEU" if record["bleu"] is None else f"BLEU {record['bleu']:.2f}"
                self.say(
                    f"validation at step {record['step']:,}: {bleu}, loss {record['loss']:.3f}"
                )
            elif record["kind"] in ("plateau", "decay"):
                name = "plateau" if record["kind"] == "plateau" else "final decay of the rate"
                self.say(f"{name} at step {record['step']:,}")
            elif record["kind"] == "train" and time.monotonic() - self.last >= PROGRESS_SECONDS:
                self.last = time.monotonic()
                self.say(
                    f"step {record['step']:,}  loss {record['loss']:.3f}  "
                    f"{record['tokens_per_second']:,.0f} tok/s  "
                    f"{format_duration(record['minutes'])}{describe_time_left(record)}"
                )

    def _read_lines(self) -> list[str]:
        """Return the complete lines of the file; none if there is no file yet."""
        try:
            text = self.folder.metrics.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        return text.split("\n")[:-1]


def describe_time_left(record: dict[str, Any]) -> str:
    """Return the time to the end of training in words; "" in records of earlier versions."""
    if "minutes_left" not in record:
        return ""
    left = TimeLeft(record["minutes_left"], record["may_end_earlier"])
    return f", {left.describe()}"
