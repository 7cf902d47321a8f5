"""A terminal, as a pseudo-terminal with an emulator that knows what its screen shows."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte

from helpers.forks import Fork


class Terminal:
    """A call in a process whose standard error is a terminal, and the screen of the terminal.

    `screens` holds the lines of each screen that was different from the one before.
    """

    def __init__(
        self, call: Callable[[], object], folder: Path, columns: int, stdout: int | None
    ) -> None:
        self.screen = pyte.Screen(columns, 50)
        self.stream = pyte.ByteStream(self.screen)
        self.screens: list[list[str]] = []
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))

        def work() -> None:
            os.environ["TERM"] = "xterm-256color"
            for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
                os.environ.pop(name, None)
            call()

        self.process = Fork(work, folder, slave, stdout)
        os.close(slave)

    @property
    def lines(self) -> list[str]:
        """The lines of the screen that are not empty."""
        return [line.rstrip() for line in self.screen.display if line.strip()]

    def read(self, until: Callable[[list[str]], bool], seconds: float = 300) -> bool:
        """Read until the lines of the screen are as wanted, or the process has ended."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not select.select([self.master], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self.master, 65536)
            except OSError:  # the other side is closed
                return False
            self.stream.feed(data)
            if not self.screens or self.screens[-1] != self.lines:
                self.screens.append(self.lines)
            if until(self.lines):
                return True
        raise TimeoutError("\n".join(self.lines))

    def finish(self) -> int:
        """Read until the process has ended; return its exit code."""
        self.read(lambda lines: False)
        return self.process.wait(60)


@contextlib.contextmanager
def terminal(
    call: Callable[[], object], folder: Path, columns: int = 80, stdout: int | None = None
) -> Iterator[Terminal]:
    """Call a function in a process on a terminal, which ends with the block."""
    opened = Terminal(call, folder, columns, stdout)
    try:
        yield opened
    finally:
        if opened.process.code is None:
            os.killpg(opened.process.pid, signal.SIGKILL)
            opened.process.wait(10)
        os.close(opened.master)
