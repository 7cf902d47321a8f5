"""Errors that the user can fix: printed in one line, without a traceback."""

from __future__ import annotations


class MTError(Exception):
    """A failure that the message explains; the command exits with code 1."""

    exit_code = 1

    def __str__(self) -> str:  # names of files and settings can hold line breaks
        return " ".join(super().__str__().splitlines())


class UsageError(MTError):
    """A wrong call (unknown key, invalid value or flag); the command exits with code 2."""

    exit_code = 2


class ProcessLost(MTError):
    """Another process of a data-parallel training has ended."""
