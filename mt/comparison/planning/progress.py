"""Progress of a run that another process trains, read from the run's metrics.jsonl."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from mt.progress_display import LiveLine, display, format_duration
from mt.run_folder import RunFolder
from mt.training.stopping import TimeLeft

PROGRESS_SECONDS = 20.0  # between progress lines of a run; validations are all printed


class RunProgress:
    """Prints the validations of a run, and now and then its progress, after a label.

    On a terminal, a live line shows the progress.
    """

    def __init__(self, folder: RunFolder, label: str) -> None:
        self.folder, self.label = folder, label
        self.line = LiveLine(label)
        self.bleu = ""  # of the last validation, for the live line
        self.last = -PROGRESS_SECONDS
        self.lines = self._read_lines()  # of earlier starts: not printed

    def say(self, text: str) -> None:
        """Print a line."""
        display.print_line(f"{self.label}  {text}")

    def update(self) -> None:
        """Print what has been recorded since the last call."""
        known, self.lines = self.lines, self._read_lines()
        # A run that continues first removes the records of steps that it will repeat.
        unchanged = len(os.path.commonprefix([known, self.lines]))
        for line in self.lines[unchanged:]:
            record = json.loads(line)
            if record["kind"] == "val":
                bleu = "no BLEU" if record["bleu"] is None else f"BLEU {record['bleu']:.2f}"
                self.bleu = bleu
                self.say(
                    f"validation at step {record['step']:,}: {bleu}, loss {record['loss']:.3f}"
                )
            elif record["kind"] in ("plateau", "decay"):
                name = "plateau" if record["kind"] == "plateau" else "final decay of the rate"
                self.say(f"{name} at step {record['step']:,}")
            elif record["kind"] == "train" and display.live:
                self._update_line(record)
            elif record["kind"] == "train" and time.monotonic() - self.last >= PROGRESS_SECONDS:
                self.last = time.monotonic()
                left = time_left(record)
                self.say(
                    f"step {record['step']:,}  loss {record['loss']:.3f}  "
                    f"{record['tokens_per_second']:,.0f} tok/s  "
                    f"{format_duration(record['minutes'])}{f', {left.describe()}' if left else ''}"
                )

    def _update_line(self, record: dict[str, Any]) -> None:
        left = time_left(record)
        self.line.share = left and left.share_done(record["minutes"])
        self.line.fields = [
            left.describe() if left else format_duration(record["minutes"]),
            f"step {record['step']:,}",
            f"loss {record['loss']:.3f}",
            self.bleu,
            f"{record['tokens_per_second']:,.0f} tok/s",
        ]
        display.refresh()

    def _read_lines(self) -> list[str]:
        """Return the complete lines of the file; none if there is no file yet."""
        try:
            text = self.folder.metrics.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        return text.split("\n")[:-1]


def time_left(record: dict[str, Any]) -> TimeLeft | None:
    """Return the time to the end of training; None in records of earlier versions."""
    if "minutes_left" not in record:
        return None
    return TimeLeft(record["minutes_left"], record["may_end_earlier"])
