"""The flags of mt-average."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

from mt.cli import CommandParser
from mt.errors import UsageError

DESCRIPTION = "Average the weights of models with one shape and one tokenizer."
EPILOG = """\
examples:
  mt-train data=multi30k trainer.keep=5 name=mine
  mt-average runs/mine --last 5 --out runs/mine-average
  mt-average runs/fine-tuned runs/general --shares 0.7 0.3 --out runs/both
  mt-evaluate runs/mine-average --split val

The output is a run directory with the settings and the tokenizer of the first run, for
mt-translate, mt-evaluate, mt-export and trainer.init_from. Average models of one training, or runs
that were fine-tuned from one model: the weights of other runs have no meaningful average. Compare
the average with the originals on the validation set before you use it.
Exit codes: 0 success, 1 failure, 2 wrong usage, 130 Ctrl-C, 143 SIGTERM.
"""


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse and check the flags. Raises UsageError if a number is too low, or shares do not fit."""
    arguments = build_parser().parse_args(argv)
    for name in ("last", "best"):
        if (value := getattr(arguments, name)) is not None and value < 1:
            raise UsageError(f"--{name} must be >= 1, got {value}")
    if shares := arguments.shares:
        listed = " ".join(f"{share:g}" for share in shares)
        if len(shares) != len(arguments.runs):
            raise UsageError(
                f"--shares must have a number for each run, {len(arguments.runs)}, got {listed}"
            )
        if not all(math.isfinite(share) and share >= 0 for share in shares) or not any(shares):
            raise UsageError(f"--shares must be >= 0, and one of them > 0, got {listed}")
    return arguments


def build_parser() -> CommandParser:
    """Return the parser of all flags."""
    parser = CommandParser("mt-average", DESCRIPTION, EPILOG)
    add = parser.add_argument
    add("runs", metavar="RUN", nargs="+", help="run directory written by mt-train")
    add("--out", metavar="RUN", required=True, help="run directory to write")
    add(
        "--shares",
        type=float,
        nargs="+",
        default=[],
        metavar="SHARE",
        help="share of each run in the average, in the order of the runs (default: equal shares)",
    )
    add = parser.add_mutually_exclusive_group().add_argument
    add(
        "--last",
        type=int,
        metavar="N",
        help="average the models of the last N validations of each run, which trainer.keep=N keeps",
    )
    add(
        "--best",
        type=int,
        metavar="N",
        help="average the N best of the kept models of each run, by validation",
    )
    return parser
