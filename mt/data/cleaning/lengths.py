"""Steps that judge a pair by the lengths of its sides."""

from __future__ import annotations

import math
from collections.abc import Callable

from mt.config.schema import CleanConfig
from mt.data.cleaning.corpus_facts import CorpusFacts
from mt.data.cleaning.step import Step
from mt.data.scripts import count_units

# The length ratio of shorter pairs is not limited ("Ja." - "That is correct, of course.").
RATIO_MIN_LENGTH = 50  # characters of the longer side


def length_steps(config: CleanConfig, facts: CorpusFacts) -> list[Step]:
    """Return the steps that drop pairs which are too short, too long, or of too unequal lengths."""
    units = facts.units_per_word
    words, characters = config.max_words, config.max_chars
    limits = f"{words or 'any number of'} words or {characters or 'any number of'} characters"
    return [
        Step(
            "too short",
            "data.clean.min_words",
            f"shorter than {config.min_words} words",
            has_fewer_words(config.min_words, units) if config.min_words else None,
        ),
        Step(
            "too long",
            "data.clean.max_words and data.clean.max_chars",
            f"longer than {limits}",
            is_longer(words, characters, units) if words or characters else None,
        ),
        Step(
            "ratio",
            "data.clean.max_ratio",
            f"with one side over {config.max_ratio:g} times as long as the other",
            has_ratio(config, facts) if config.max_ratio else None,
        ),
    ]


def has_fewer_words(minimum: int, units: tuple[float, float]) -> Callable[[str, str], bool]:
    """Return a test of whether a side has fewer words; `units` of each side are a word."""
    source_limit, target_limit = (minimum * per_word for per_word in units)
    return lambda source, target: (
        count_units(source) < source_limit or count_units(target) < target_limit
    )


def is_longer(
    words: int, characters: int, units: tuple[float, float]
) -> Callable[[str, str], bool]:
    """Return a test of whether a side has more words or characters; 0: any number."""
    character_limit = characters or math.inf
    source_limit, target_limit = ((words or math.inf) * per_word for per_word in units)

    def has_more(text: str, limit: float) -> bool:
        # The tests before the last are fast: only spaces separate the words of ASCII text.
        return (
            len(text) > limit
            and not (text.isascii() and text.count(" ") < limit)
            and count_units(text) > limit
        )

    def drops(source: str, target: str) -> bool:
        return (
            len(source) > character_limit
            or len(target) > character_limit
            or has_more(source, source_limit)
            or has_more(target, target_limit)
        )

    return drops


def has_ratio(config: CleanConfig, facts: CorpusFacts) -> Callable[[str, str], bool]:
    """Return a test of whether one side is too many times as long as the other.

    Relative lengths are characters, of which those of the side with fewer are multiplied such that
    both sides of the corpus have the same length (median). Absolute ones are UTF-8 bytes.
    """
    maximum, ratio = config.max_ratio, facts.character_ratio
    source_factor, target_factor = max(1.0, ratio), max(1.0, 1 / ratio)

    def exceeds(source: float, target: float) -> bool:
        shortest, longest = (source, target) if source < target else (target, source)
        return longest > RATIO_MIN_LENGTH and longest > maximum * shortest

    if config.relative_lengths:
        return lambda source, target: exceeds(
            len(source) * source_factor, len(target) * target_factor
        )
    return lambda source, target: exceeds(len(source.encode()), len(target.encode()))
