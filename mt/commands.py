"""Entry points of the commands.

Importing a command takes seconds. Signals are caught before, so that Ctrl-C ends it in one line.
"""

from __future__ import annotations

import importlib

from mt.cli import run_command


def train() -> None:
    """Run mt-train."""
    _run("mt.train")


def translate() -> None:
    """Run mt-translate."""
    _run("mt.translate")


def evaluate() -> None:
    """Run mt-evaluate."""
    _run("mt.evaluate")


def compare() -> None:
    """Run mt-compare."""
    _run("mt.compare")


def export() -> None:
    """Run mt-export."""
    _run("mt.export")


def _run(module: str) -> None:
    run_command(lambda: importlib.import_module(module).main())
