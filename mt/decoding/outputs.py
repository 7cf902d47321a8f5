"""What comes out of a translator: a line with its translations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from mt.decoding.attention import PairAttention
from mt.evaluation.alignment import Links

Part = TypeVar("Part")


@dataclass
class Output:
    """One translation of a line. For a line that was split, the sums over its parts."""

    text: str  # one line: no line separators of any kind
    score: float  # log_prob / tokens**length_penalty
    log_prob: float  # natural logarithm
    tokens: int  # EOS included
    complete: bool  # False where the maximum length cut it off
    links: Links | None = None  # between the words of source and text; None unless alignments were asked for


@dataclass
class Translation:
    """A line with its translations, best first, at least one."""

    source: str  # normalised
    outputs: list[Output]
    # In the best translation, of each part of a line that was split (one of others, none of a blank one); None unless asked for.
    attention: list[PairAttention] | None = None

    @property
    def text(self) -> str:
        return self.outputs[0].text


def at_rank(parts: list[list[Part]], rank: int) -> list[Part]:
    """Of each part of a line its hypothesis of this rank, or its last."""
    return [part[min(rank, len(part) - 1)] for part in parts]
