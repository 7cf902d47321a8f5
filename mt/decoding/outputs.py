"""The output of a translator: a line with its translations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from mt.data.links import Links
from mt.decoding.search import Hypothesis

Result = TypeVar("Result")


@dataclass
class Output:
    """One translation of a line. If the line was split, numbers are sums over its parts."""

    text: str  # without line separators of any kind
    score: float  # log_prob / tokens**length_penalty
    log_prob: float  # natural logarithm
    tokens: int  # EOS included
    complete: bool  # False if the maximum length cut it off
    # Alignment of the words of the source and of `text`; None if it was not requested.
    links: Links | None = None


@dataclass
class TranslatedPart:
    """A line, or one part of a line that was too long for the model, with its hypotheses."""

    pieces: list[int]  # of the source
    hypotheses: list[Hypothesis]  # best first


@dataclass
class Translation:
    """A line with its translations, best first. There is at least one."""

    source: str  # normalised
    outputs: list[Output]
    # One, or several if the line was split; none if the line has no visible character.
    parts: list[TranslatedPart]

    @property
    def text(self) -> str:
        """The best translation."""
        return self.outputs[0].text


def select_rank(parts: list[list[Result]], rank: int) -> list[Result]:
    """Return the result of this rank for each part of a line, or its last if it has fewer."""
    return [results[min(rank, len(results) - 1)] for results in parts]
