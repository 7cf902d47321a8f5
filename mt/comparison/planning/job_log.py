"""What mt-train says, shortened to what matters while many runs go by."""

from __future__ import annotations

import re
import time
from typing import TextIO

SECONDS = 20.0  # between progress lines of a run
STEP = re.compile(r"step ([\d,]+) .* loss ([\d.naif]+) .*?([\d,]+ tok/s)  (.*)")
SHOWN = (
    "validation at",
    "continuing ",
    "testing on",
    "warning:",
    "note:",
    "error:",
    "another process",
    "stopped by",
    "preparing ",
)


class Shortened:
    """Passes lines on, with the name of the run before them: validations, warnings, and now and then a progress line."""

    def __init__(self, label: str, out: TextIO) -> None:
        self.label, self.out = label, out
        self.last = -SECONDS

    def __call__(self, line: str) -> None:
        line = line.rstrip()
        if found := STEP.match(line):
            if time.monotonic() - self.last < SECONDS:
                return
            self.last = time.monotonic()
            line = f"step {found[1]}  loss {found[2]}  {found[3]}  {found[4]}"
        elif not line.startswith(SHOWN):
            return
        print(f"{self.label}  {line}", file=self.out, flush=True)
