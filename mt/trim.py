"""mt-trim: remove the pieces from a run's vocabulary that a text does not need."""

from __future__ import annotations

if __name__ == "__main__":  # signals must be caught before the imports below, which take seconds
    from mt.cli import run_module

    run_module("mt.trim")

import argparse
from collections.abc import Sequence

from mt.arguments.trim import parse_arguments
from mt.cli import run_command
from mt.run_folder import RunFolder


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    run_command(lambda: trim(parse_arguments(argv)))


def trim(arguments: argparse.Namespace) -> RunFolder:
    """Trim the vocabulary and return the new run directory."""
    from mt.training.trimming import trim_run

    out = RunFolder.at(arguments.out)
    trimmed = trim_run(arguments.run, out, {"src": arguments.src, "tgt": arguments.tgt})
    pieces, parameters = (
        f"{after:,} of {before:,}" for before, after in (trimmed.pieces, trimmed.parameters)
    )
    print(f"{out}: {pieces} pieces, {parameters} parameters", flush=True)
    return out
