"""mt-average: average the weights of several models."""

from __future__ import annotations

if __name__ == "__main__":  # signals must be caught before the imports below, which take seconds
    from mt.cli import run_module

    run_module("mt.average")

import argparse
from collections.abc import Sequence

from mt.arguments.average import parse_arguments
from mt.cli import run_command
from mt.run_folder import RunFolder


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    run_command(lambda: average(parse_arguments(argv)))


def average(arguments: argparse.Namespace) -> RunFolder:
    """Average the models and return the new run directory."""
    from mt.training.averaging import average_runs

    out = RunFolder.at(arguments.out)
    files = average_runs(
        arguments.runs, out, arguments.last or 0, arguments.best or 0, arguments.shares
    )
    print(f"{out}: the average of {len(files)} models: {', '.join(map(str, files))}", flush=True)
    return out
