"""Entry points of the commands."""

from __future__ import annotations

from mt.cli import CONTINUES, run_module


def train() -> None:
    """Run mt-train."""
    run_module("mt.train", CONTINUES)


def prepare() -> None:
    """Run mt-prepare."""
    run_module("mt.prepare")


def translate() -> None:
    """Run mt-translate."""
    run_module("mt.translate")


def evaluate() -> None:
    """Run mt-evaluate."""
    run_module("mt.evaluate")


def compare() -> None:
    """Run mt-compare."""
    run_module("mt.compare", CONTINUES)


def export() -> None:
    """Run mt-export."""
    run_module("mt.export")


def import_model() -> None:
    """Run mt-import."""
    run_module("mt.import_model")


def serve() -> None:
    """Run mt-serve."""
    run_module("mt.serve")


def average() -> None:
    """Run mt-average."""
    run_module("mt.average")


def trim() -> None:
    """Run mt-trim."""
    run_module("mt.trim")
