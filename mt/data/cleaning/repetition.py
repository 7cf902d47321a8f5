"""Loops: one side repeats a sequence of words many times in a row."""

from __future__ import annotations

from operator import eq

import regex  # type: ignore[import-untyped]

from mt.data.cleaning.folded_words import UNSPACED_WIDTH, folded_words
from mt.data.scripts import is_unspaced

MAX_WORDS = 5  # of the sequence
# Of the sequence, in scripts without spaces: five words of Khmer, with their marks, have as many.
MAX_CHARACTERS = 30
_FORMAT = regex.compile(r"\p{Cf}")  # zero-width spaces, of which there may be several in a row


def has_loop(text: str, limit: int) -> bool:
    """Return whether a sequence of words occurs more than `limit` times in a row.

    Case does not matter. In scripts without spaces, sequences are of characters.
    """
    parts, distinct = folded_words(text)
    longest = MAX_WORDS
    if len(text) > UNSPACED_WIDTH * len(parts) and is_unspaced(text):
        parts = list(_FORMAT.sub("", "".join(parts)))
        distinct, longest = set(parts), MAX_CHARACTERS
    # A sequence of n words that occurs so often has n * limit words that are not new.
    longest = min(longest, (len(parts) - len(distinct)) // limit)
    return longest > 0 and any(_has_period(parts, n, n * limit) for n in range(1, longest + 1))


def _has_period(parts: list[str], n: int, length: int) -> bool:
    """Return whether so many parts in a row are the same as the one n parts before."""
    if not any(map(eq, parts[n::length], parts[::length])):  # a fast test: one of them must be
        return False
    return b"\1" * length in bytes(map(eq, parts[n:], parts))


def loops_on_one_side(source: str, target: str, limit: int) -> bool:
    """Return whether one side has a loop and the other has none."""
    return has_loop(source, limit) != has_loop(target, limit)
