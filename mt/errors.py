"""Errors that are the user's to mend: shown as one line, never as a traceback."""

from __future__ import annotations


class MTError(Exception):
    """Something failed for a reason that the message explains; the command exits with code 1."""

    exit_code = 1


class UsageError(MTError):
    """The call itself is wrong (unknown key, bad value, bad flag); the command exits with code 2."""

    exit_code = 2
