"""Progress of long jobs: live lines at the bottom of a terminal, plain lines elsewhere.

On a terminal, each job that runs has a line below all other output, which disappears when the job
ends. rich draws them. It moves messages of other libraries above the lines, cuts lines to the width
of the terminal and costs nothing elsewhere, because it is imported on a terminal only. tqdm, which
is smaller, leaves its bars behind in several of these cases.

No thread draws: lines change when their jobs say so. So processes may be forked at any time.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.live import Live

REFRESH_SECONDS = 0.1  # between two states of the live lines
SHOW_SECONDS = 0.3  # a shorter job has no live line
PLAIN_SECONDS = 60.0  # between plain lines
MIN_BAR, MAX_BAR = 8, 40  # columns
MAX_LABEL_SHARE = 0.5  # of the columns


class LiveLine:
    """A line of the display: a label, a bar, and fields, of which those are shown that fit.

    The bar is missing if `share`, the part of the job that is done, is None.
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self.fields: list[str] = []
        self.share: float | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        """Yield the line in at most the columns that there are."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        columns = options.max_width - 1  # terminals wrap a line that is full
        label = Text(self.label, style="bold")
        label.truncate(max(1, int(MAX_LABEL_SHARE * columns)), overflow="ellipsis")
        parts: list[RenderableType] = [label] if self.label else []
        left = columns - label.cell_len
        fields = self.fields
        if self.share is not None:
            fields = [f"{min(1.0, self.share):4.0%}", *fields]
            left -= MIN_BAR + 2
        shown = []
        for field in map(Text, filter(None, fields)):
            if field.cell_len + 2 <= left:
                left -= field.cell_len + 2
                shown.append(field)
        if self.share is not None and (width := min(MAX_BAR, left + MIN_BAR)) >= MIN_BAR:
            parts.append(ProgressBar(1.0, min(1.0, self.share), width=width))
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_row(*parts, *shown)
        yield grid


class Display:
    """The live lines of this process, in the order of their start."""

    def __init__(self) -> None:
        self.lines: list[LiveLine] = []
        self.live: Live | None = None
        self.refreshed = 0.0
        self.lock = threading.RLock()  # mt-compare follows each run in a thread
        self.stream = sys.stderr

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        """Yield all lines."""
        yield from list(self.lines)

    @contextlib.contextmanager
    def show(self, *lines: LiveLine) -> Iterator[None]:
        """Show lines until the end of the `with` block; do nothing without a terminal."""
        if not is_terminal():
            yield
            return
        try:
            self._add(lines)
            yield
        finally:
            self._remove(lines)

    def close(self) -> None:
        """Remove all lines, as at the end of a command that was interrupted."""
        self._remove(tuple(self.lines))

    def refresh(self) -> None:
        """Draw the lines as they are now, unless they have just been drawn."""
        if self.live and time.monotonic() - self.refreshed >= REFRESH_SECONDS:
            self._draw()

    def print_line(self, text: str) -> None:
        """Print a message on standard error, above the live lines."""
        with self.lock:
            if self.live:
                from rich.text import Text

                self.live.console.print(Text(text), soft_wrap=True)
            else:
                print(text, file=sys.stderr, flush=True)

    def forget(self) -> None:
        """Draw nothing in a process that was forked: the lines belong to the other one."""
        if self.live:
            self.live, self.lines, sys.stderr = None, [], self.stream
        self.lock = threading.RLock()

    def _add(self, lines: Sequence[LiveLine]) -> None:
        with self.lock:
            self.lines += lines
            if not self.live:
                self.stream = sys.stderr
                self.live = open_live(self)
                self.live.start()
            self._draw()

    def _remove(self, lines: Sequence[LiveLine]) -> None:
        with self.lock:
            self.lines = [line for line in self.lines if line not in lines]
            if self.live and self.lines:
                self._draw()
            elif self.live:
                live, self.live = self.live, None
                live.stop()

    def _draw(self) -> None:
        with self.lock:
            self.refreshed = time.monotonic()
            if self.live:
                self.live.refresh()


def open_live(display: Display) -> Live:
    """Return the live display of rich on standard error."""
    from rich.console import Console
    from rich.live import Live

    class VisibleCursorConsole(Console):
        def show_cursor(self, show: bool = True) -> bool:
            """Leave the cursor: a process that is killed could not show a hidden one again."""
            return False

    console = VisibleCursorConsole(file=sys.stderr, highlight=False)
    return Live(
        display,
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
    )


display = Display()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=display.forget)


def is_terminal() -> bool:
    """Return whether standard error is a terminal on which lines can be redrawn."""
    stream = display.stream if display.live else sys.stderr
    return stream.isatty() and os.environ.get("TERM") not in (None, "", "dumb")


class Progress:
    """Count what a job has done, and show it; to be used in a `with` block.

    A live line on a terminal, which appears if the job takes `SHOW_SECONDS`; elsewhere a plain line
    every `PLAIN_SECONDS`, in which `unit` names what is counted.
    """

    def __init__(
        self, label: str, total: int | None = None, unit: str = "sentences", silent: bool = False
    ) -> None:
        self.total, self.unit, self.silent = total, unit, silent
        self.line = LiveLine(label)
        self.count, self.start = 0, time.monotonic()
        self.printed = self.start
        self.shown = contextlib.ExitStack()
        self.is_shown = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the live line."""
        self.shown.close()

    def add(self, count: int = 1) -> None:
        """Count what is done, and show it if it is time."""
        self.count += count
        if self.silent:
            return
        now = time.monotonic()
        if is_terminal():
            self._update_line(now)
        elif self.count and now - self.printed >= PLAIN_SECONDS:
            self.printed = now
            print(
                f"{self.count:,} {self.unit}, {self.count / (now - self.start):.1f} per second",
                file=sys.stderr,
                flush=True,
            )

    def _update_line(self, now: float) -> None:
        seconds = now - self.start
        if not self.is_shown and seconds < SHOW_SECONDS:
            return
        fields = [format_duration(seconds / 60)]
        if self.total:
            self.line.share = self.count / self.total
        if self.count:
            speed = self.count / max(seconds, 1e-9)
            counted = f"{self.count:,} {self.unit}"
            if self.total:
                left = (self.total - self.count) / speed
                counted, fields = f"{self.count:,} of {self.total:,}", [describe_left(left / 60)]
            fields = [counted, *fields, f"{speed:,.1f} per second"]
        self.line.fields = fields
        if self.is_shown:
            display.refresh()
        else:
            self.is_shown = True
            self.shown.enter_context(display.show(self.line))


def describe_left(minutes: float) -> str:
    """Return the time to the end of a job in words."""
    return f"{format_duration(max(0.0, minutes))} left"


def format_duration(minutes: float) -> str:
    """Format minutes as m:ss or h:mm:ss: 0.5 -> 0:30, 75 -> 1:15:00."""
    seconds = round(minutes * 60)
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
