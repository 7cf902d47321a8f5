"""Errors that are the user's to mend: shown as one line, never as a traceback."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import NoReturn


class MTError(Exception):
    """Something failed for a reason that the message explains; the command exits with code 1."""

    exit_code = 1


class UsageError(MTError):
    """The call itself is wrong (unknown key, bad value, bad flag); the command exits with code 2."""

    exit_code = 2


def fail(error: MTError | OSError) -> NoReturn:
    """Print `error` as one line on standard error and exit with its code."""
    text = f"{error.filename or 'input or output'}: {error.strerror or error}" if isinstance(error, OSError) else str(error)
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    raise SystemExit(1 if isinstance(error, OSError) else error.exit_code)


def run_command(command: Callable[[], object]) -> None:
    """Run a command's body with the exit codes that all commands share.

    0: done; 1: failed, with one clear line; 2: wrong usage; 130: interrupted. A reader that goes away
    (`mt-translate ... | head`) is not a failure of ours.
    """
    try:
        command()
    except MTError as error:
        fail(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except OSError as error:
        # Python flushes standard output at exit; point it elsewhere so that this does not fail again.
        with contextlib.suppress(OSError):  # no file behind it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise SystemExit(0) from None
        fail(error)
