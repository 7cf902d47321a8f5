"""Common parts of the commands: flags, exit codes, messages and progress on standard error."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TextIO

from mt.errors import MTError, UsageError
from mt.version import __version__


class CommandParser(argparse.ArgumentParser):
    """Argument parser that raises UsageError for invalid flags and accepts no abbreviations."""

    def __init__(self, prog: str, description: str, epilog: str) -> None:
        super().__init__(
            prog,
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.add_argument("--version", action="version", version=f"%(prog)s {__version__}")

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def say(message: str) -> None:
    """Print a message on standard error; standard output is for results only."""
    print(message, file=sys.stderr, flush=True)


def exit_with_error(error: MTError | OSError) -> NoReturn:
    """Print `error` in one line on standard error, and exit with its code.

    Under torchrun, all ranks have the same arguments: the first one reports what is wrong in them.
    """
    other_rank = "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("RANK", "0") != "0"
    if other_rank and isinstance(error, UsageError):
        raise SystemExit(error.exit_code)
    text = (
        f"{error.filename or 'input or output'}: {error.strerror or error}"
        if isinstance(error, OSError)
        else str(error)
    )
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    raise SystemExit(1 if isinstance(error, OSError) else error.exit_code)


STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_interrupts = False  # whether `interrupt_on_signals` is active


@contextlib.contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """Raise KeyboardInterrupt at SIGINT or SIGTERM.

    A second signal of the same kind ends the process at once. The other kind is then ignored once,
    because torchrun sends both. Inside another such block, and outside the main thread, nothing
    changes.
    """
    global _interrupts
    if _interrupts or threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def receive(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        received.append(number)
        if len(received) == 1:
            raise KeyboardInterrupt

    with _handlers(receive):
        _interrupts = True
        try:
            yield
        finally:
            _interrupts = False


@contextlib.contextmanager
def end_on_signals() -> Iterator[None]:
    """End the process at SIGINT or SIGTERM, around code that does not return to Python for long."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _handlers(signal.SIG_DFL):
        yield


@contextlib.contextmanager
def _handlers(handler: Any) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def run_command(command: Callable[[], object], remark: str = "") -> None:
    """Call a function with error messages in one line and the exit codes of all commands.

    0: success; 1: failure; 2: wrong usage; 130: interrupted, which is said with `remark`. A closed
    pipe (`mt-translate ... | head`) counts as success.
    """
    fill_closed_streams()
    try:
        with interrupt_on_signals():
            command()
    except MTError as error:
        exit_with_error(error)
    except KeyboardInterrupt:
        print(f"interrupted{remark and ': '}{remark}", file=sys.stderr)
        raise SystemExit(130) from None
    except OSError as error:
        # Python flushes standard output at exit: redirect it, so that this does not fail again.
        with contextlib.suppress(OSError, AttributeError):  # standard output is not a file
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise SystemExit(0) from None
        exit_with_error(error)


def fill_closed_streams() -> None:
    """Open the null device for standard streams that are closed (`command >&-`).

    Otherwise a file that is opened later gets the number of the stream, and messages end up in it.
    `sys.stdin` and `sys.stdout` stay None, so that commands can say that they need them.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for good


class SentenceProgress:
    """Progress display: sentences and speed, every 2 s on a terminal, every minute elsewhere."""

    def __init__(self, out: TextIO, silent: bool) -> None:
        self.out, self.silent, self.terminal = out, silent, out.isatty()
        self.count, self.start = 0, time.monotonic()
        self.last_shown: float | None = None

    def add(self, sentences: int) -> None:
        """Count more sentences, and print a line if it is time."""
        self.count += sentences
        now = time.monotonic()
        if self.silent or now - (self.last_shown or self.start) < (2 if self.terminal else 60):
            return
        self.last_shown = now
        text = f"{self.count:,} sentences, {self.count / (now - self.start):.1f} per second"
        if self.terminal:
            print(f"\r{text}", end="", file=self.out, flush=True)
        else:
            print(text, file=self.out, flush=True)

    def close(self) -> None:
        """End the line on a terminal."""
        if self.last_shown and self.terminal:
            print(file=self.out)


def format_duration(minutes: float) -> str:
    """Format minutes as m:ss or h:mm:ss: 0.5 -> 0:30, 75 -> 1:15:00."""
    seconds = round(minutes * 60)
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
