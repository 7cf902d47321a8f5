"""What comes out of a translator: a line with its translations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from mt.data.links import Links
from mt.decoding.search import Hypothesis

Part = TypeVar("Part")


@dataclass
class Output:
    """One translation of a line. For a line that was split, the sums over its parts."""

    text: str  # one line: no line separators of any kind
    score: float  # log_prob / tokens**length_penalty
    log_prob: float  # natural logarithm
    tokens: int  # EOS included
    complete: bool  # False if the maximum length cut it off
    links: Links | None = (
        None  # between the words of source and text; None unless alignments were asked for
    )


@dataclass
class TranslatedPart:
    """A line that was searched, or one of the parts of a line that was too long for the model."""

    pieces: list[int]  # of the source
    hypotheses: list[Hypothesis]  # best first


@dataclass
class Translation:
    """A line with its translations, best first, at least one."""

    source: str  # normalised
    outputs: list[Output]
    parts: list[TranslatedPart]  # one, unless the line was split; none of a blank line

    @property
    def text(self) -> str:
        """The best translation."""
        return self.outputs[0].text


def select_rank(parts: list[list[Part]], rank: int) -> list[Part]:
    """Return of each part of a line its hypothesis of this rank, or its last."""
    return [part[min(rank, len(part) - 1)] for part in parts]
