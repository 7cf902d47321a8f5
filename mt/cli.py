"""Common parts of the commands: flags, exit codes and messages on standard error."""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from mt.errors import MTError, ProcessLost, UsageError
from mt.progress_display import display
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
NEW_OBJECTS = 50_000  # before a search for cyclic garbage; Python's default is 700 to 2,000


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
    display.print_line(message)


def describe_error(error: MTError | OSError) -> str:
    """Return the message of an error in one line."""
    text = (
        f"{error.filename or 'input or output'}: {error.strerror or error}"
        if isinstance(error, OSError)
        else str(error)
    )
    return " ".join(text.split())


def exit_with_error(error: MTError | OSError) -> NoReturn:
    """Print `error` in one line on standard error, and exit with its code.

    Under torchrun, an error that several processes meet is printed by one of them.
    """
    text = describe_error(error)
    if is_first_to_say(text, consequence=isinstance(error, ProcessLost)):
        say(f"error: {text}")
    raise SystemExit(1 if isinstance(error, OSError) else error.exit_code) from error


def run_command(command: Callable[[], object], remark: str = "") -> None:
    """Call a function with error messages in one line and the exit codes of all commands.

    0: success; 1: failure; 2: wrong usage; 130 and 143: interrupted by SIGINT or SIGTERM, which is
    said with `remark`. A closed pipe (`mt-translate ... | head`) counts as success.
    """
    fill_closed_streams()
    try:
        with interrupt_on_signals(), contextlib.closing(display):
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

    PyTorch and its libraries allocate hundreds of thousands of objects that live as long as the
    process. Searching them for cyclic garbage takes a quarter of the time of a short command,
    mostly when the process ends. So they are searched seldom, and not at the end.
    """

    def command() -> None:
        module = importlib.import_module(name)
        begin_work()
        module.main()

    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
    catch_signals_until_exit(interruption(remark))
    try:
        run_command(command, remark)
    except SystemExit as stop:
        exit_if_stopped(stop.code if isinstance(stop.code, int) else 1)
        raise
    finally:
        end_on_signals()
        gc.freeze()  # the interpreter searches all objects that are not frozen when it ends
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
