"""Pairs whose target is the source, or nearly, instead of a translation.

Untranslated pairs are the most harmful noise: they teach the model to copy (Khayrallah and Koehn
2018, "On the impact of various types of noise on neural machine translation").
"""

from __future__ import annotations

from collections import Counter

import regex  # type: ignore[import-untyped]

from mt.data.cleaning.folded_words import UNSPACED_WIDTH, folded_words
from mt.data.scripts import is_unspaced

MIN_WORDS = 4  # in each side: names, numbers and short titles are their own translations
MIN_CHARACTERS = 8  # in scripts without spaces
_WORD = regex.compile(r"[\p{L}\p{M}]+")
_CHARACTER = regex.compile(r"\p{L}\p{M}*")


def is_copy(source: str, target: str, share: float) -> bool:
    """Return whether at least this share of the words is common to both sides.

    The share is twice the number of common words, divided by the number of words of both sides.
    Case, numbers and punctuation do not count. In scripts without spaces, words are characters.
    """
    (_, first), (_, second) = folded_words(source), folded_words(target)
    pattern, least = _WORD, MIN_WORDS
    unspaced = len(source) > UNSPACED_WIDTH * len(first) and is_unspaced(source)
    if not unspaced and 4 * len(first & second) < share * (len(first) + len(second)):
        return False  # a fast test: punctuation does not change more than half of the words
    if unspaced:
        pattern, least = _CHARACTER, MIN_CHARACTERS
    one, two = (pattern.findall(text.casefold()) for text in (source, target))
    if min(len(one), len(two)) < least:
        return False
    common = (Counter(one) & Counter(two)).total()
    return 2 * common >= share * (len(one) + len(two))
