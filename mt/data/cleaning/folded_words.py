"""The words of a text, which several steps compare."""

from __future__ import annotations

from functools import lru_cache

# Mean number of characters between spaces, from which on a script may have none between words.
UNSPACED_WIDTH = 8


@lru_cache(maxsize=2)  # both sides of the pair that the steps look at
def folded_words(text: str) -> tuple[list[str], set[str]]:
    """Return what is between spaces, regardless of case: in order, and the distinct ones."""
    words = text.casefold().split()
    return words, set(words)
