"""The flags of mt-trim."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mt.cli import CommandParser

DESCRIPTION = "Remove the pieces from a run's vocabulary that a text does not need."
EPILOG = """\
examples:
  mt-trim runs/many-languages --src all.en --tgt all.de --out runs/en-de
  mt-trim runs/opus --src train.en news.en.gz --tgt train.de news.de.gz --out runs/small
  mt-train trainer.init_from=runs/small data.train.src=mine.en data.train.tgt=mine.de name=mine

The text may be monolingual, and the files of the two sides need not be parallel; one sentence or
paragraph per line, optionally compressed. Give as much of it as you can: what the vocabulary loses
is spelled in smaller pieces, and cannot be generated. These lines are segmented as before, and the
logits of the pieces that stay do not change, so that translations differ only if a piece that is
lost was part of the best one.
Exit codes: 0 success, 1 failure, 2 wrong usage, 130 Ctrl-C, 143 SIGTERM.
"""


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    return build_parser().parse_args(argv)


def build_parser() -> CommandParser:
    """Return the parser of all flags."""
    parser = CommandParser("mt-trim", DESCRIPTION, EPILOG)
    add = parser.add_argument
    add("run", metavar="RUN", help="run directory written by mt-train or mt-import")
    add("--src", metavar="FILE", nargs="+", required=True, help="text of the source language")
    add("--tgt", metavar="FILE", nargs="+", required=True, help="text of the target language")
    add("--out", metavar="RUN", required=True, help="run directory to write")
    return parser
