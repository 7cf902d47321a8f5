"""What the commands with ordinary flags share."""

from __future__ import annotations

import argparse
from typing import NoReturn

from mt.errors import UsageError


class Parser(argparse.ArgumentParser):
    """Reports a wrong call like every other error, in one line with exit code 2, and wants flags in full."""

    def __init__(self, prog: str, description: str, epilog: str) -> None:
        super().__init__(
            prog, description=description, epilog=epilog, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")
