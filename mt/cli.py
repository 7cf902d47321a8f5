"""Common parts of the commands: flags, exit codes, messages and progress on standard error."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
import time
from collections.abc import Callable
from typing import NoReturn, TextIO

from mt.errors import MTError, ProcessLost, UsageError
from mt.ranks import is_first_to_say
from mt.signals import (
    INTERRUPTED,
    begin_work,
    catch_signals_until_exit,
    end_on_signals,
    exit_if_stopped,
    interrupt_on_signals,
)
from mt.version import __version__

CONTINUES = "the same command continues"  # the remark of commands that can be interrupted


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

    Under torchrun, an error that several processes meet is printed by one of them.
    """
    text = (
        f"{error.filename or 'input or output'}: {error.strerror or error}"
        if isinstance(error, OSError)
        else str(error)
    )
    if is_first_to_say(text, consequence=isinstance(error, ProcessLost)):
        say(f"error: {' '.join(text.split())}")
    raise SystemExit(1 if isinstance(error, OSError) else error.exit_code)


def run_command(command: Callable[[], object], remark: str = "") -> None:
    """Call a function with error messages in one line and the exit codes of all commands.

    0: success; 1: failure; 2: wrong usage; 130 and 143: interrupted by SIGINT or SIGTERM, which is
    said with `remark`. A closed pipe (`mt-translate ... | head`) counts as success.
    """
    fill_closed_streams()
    try:
        with interrupt_on_signals():
            command()
    except MTError as error:
        exit_with_error(error)
    except KeyboardInterrupt as stop:
        text = interruption(remark)
        if is_first_to_say(text, consequence=True):
            say(text)
        raise SystemExit(getattr(stop, "exit_code", INTERRUPTED)) from None
    except OSError as error:
        # Python flushes standard output at exit: redirect it, so that this does not fail again.
        with contextlib.suppress(OSError, AttributeError):  # standard output is not a file
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise SystemExit(0) from None
        exit_with_error(error)


def interruption(remark: str) -> str:
    """Return the message of a command that a signal has stopped."""
    return f"interrupted{remark and ': '}{remark}"


def run_module(name: str, remark: str = "") -> NoReturn:
    """Import the module of a command and run its `main`, as all that this process does.

    Imports take seconds. Signals are caught before, and until the process ends.
    """

    def command() -> None:
        module = importlib.import_module(name)
        begin_work()
        module.main()

    catch_signals_until_exit(interruption(remark))
    try:
        run_command(command, remark)
    except SystemExit as stop:
        exit_if_stopped(stop.code if isinstance(stop.code, int) else 1)
        raise
    finally:
        end_on_signals()
    raise SystemExit(0)


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
    """Progress display: sentences and speed, every 2 s on a terminal, every minute elsewhere.

    `unit` names what is counted if it is not sentences.
    """

    def __init__(self, out: TextIO, silent: bool, unit: str = "sentences") -> None:
        self.out, self.silent, self.terminal = out, silent, out.isatty()
        self.unit = unit
        self.count, self.start = 0, time.monotonic()
        self.last_shown: float | None = None

    def add(self, sentences: int) -> None:
        """Count more sentences, and print a line if it is time."""
        self.count += sentences
        now = time.monotonic()
        if self.silent or now - (self.last_shown or self.start) < (2 if self.terminal else 60):
            return
        self.last_shown = now
        text = f"{self.count:,} {self.unit}, {self.count / (now - self.start):.1f} per second"
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
