"""What the commands share: flags, exit codes, notes and progress on standard error."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable
from typing import NoReturn, TextIO

from mt.errors import MTError, UsageError


class CommandParser(argparse.ArgumentParser):
    """Reports a wrong call like every other error, in one line with exit code 2, and wants flags in full."""

    def __init__(self, prog: str, description: str, epilog: str) -> None:
        super().__init__(
            prog,
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def say(message: str) -> None:
    """Print a note or a progress line on standard error, since standard output carries results only."""
    print(message, file=sys.stderr, flush=True)


def exit_with_error(error: MTError | OSError) -> NoReturn:
    """Print `error` as one line on standard error and exit with its code."""
    text = (
        f"{error.filename or 'input or output'}: {error.strerror or error}"
        if isinstance(error, OSError)
        else str(error)
    )
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    raise SystemExit(1 if isinstance(error, OSError) else error.exit_code)


def run_command(command: Callable[[], object]) -> None:
    """Run a command's body with the exit codes that all commands share.

    0: done; 1: failed, with one clear line; 2: wrong usage; 130: interrupted. A reader that goes
    away (`mt-translate ... | head`) is not a failure of ours.
    """
    try:
        command()
    except MTError as error:
        exit_with_error(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except OSError as error:
        # Python flushes standard output at exit; point it elsewhere so that this does not fail
        # again.
        with contextlib.suppress(OSError):  # no file behind it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise SystemExit(0) from None
        exit_with_error(error)


class SentenceProgress:
    """Sentences and their speed on standard error: every two seconds on a terminal, every minute elsewhere."""

    def __init__(self, out: TextIO, silent: bool) -> None:
        self.out, self.silent, self.terminal = out, silent, out.isatty()
        self.done, self.began = 0, time.monotonic()
        self.shown: float | None = None

    def add(self, sentences: int) -> None:
        self.done += sentences
        now = time.monotonic()
        if self.silent or now - (self.shown or self.began) < (2 if self.terminal else 60):
            return
        self.shown = now
        text = f"{self.done:,} sentences, {self.done / (now - self.began):.1f} a second"
        print(
            f"\r{text}" if self.terminal else text,
            end="" if self.terminal else "\n",
            file=self.out,
            flush=True,
        )

    def close(self) -> None:
        if self.shown and self.terminal:
            print(file=self.out)


def format_duration(minutes: float) -> str:
    """0.5 -> 0:30, 75 -> 1:15:00"""
    seconds = round(minutes * 60)
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
