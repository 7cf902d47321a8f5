"""The flags of mt-translate that select the attention map to draw."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from mt.cli import CommandParser
from mt.inspection.attention_kinds import KINDS


def add_attention_flags(parser: CommandParser) -> None:
    """Add the flags that `mt.inspection.maps.map_file.AttentionMapFile.from_arguments` reads."""
    group = parser.add_argument_group("attention maps (see below)")
    group.add_argument(
        "--attention",
        metavar="FILE",
        help="draw the attention between words to FILE (.png, .svg, or interactive .html)",
    )
    group.add_argument(
        "--attention-kind",
        choices=tuple(KINDS),
        help="cross-attention, or self-attention of the encoder or decoder (default: cross)",
    )
    group.add_argument(
        "--attention-layer",
        type=parse_index("all"),
        metavar="N",
        help="layer, from 1 (lowest), or all (default: the layer from which alignments are read)",
    )
    group.add_argument(
        "--attention-head",
        type=parse_index("all", "mean"),
        metavar="N",
        help="head, from 1; all; or mean, the average of the heads (default: mean)",
    )
    group.add_argument(
        "--links",
        metavar="FILE",
        help="outline the gold alignments in FILE, one line (such as 0-0 1p2) per translated line",
    )


def parse_index(*words: str) -> Callable[[str], int | str]:
    """Return a parser of a number that counts from 1, or one of `words`.

    The parser returns the number counted from 0, or the word.
    """

    def parse(text: str) -> int | str:
        if text in words:
            return text
        if text.isdecimal() and int(text) > 0:
            return int(text) - 1
        raise argparse.ArgumentTypeError(f"must be >= 1 or {' or '.join(words)}, got {text!r}")

    return parse
