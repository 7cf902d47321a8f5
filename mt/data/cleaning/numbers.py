"""Numbers that differ between the sides of a pair."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

# Spaces that separate thousands: 10 000. The others are no-break and thin spaces.
_THOUSANDS = re.compile(r"(?<!\d)(\d{1,3})((?:[ \u00a0\u2009\u202f]\d{3})+)(?!\d)")
_SEPARATOR = re.compile(r"(?<=\d)[.,'\u2019\u066b\u066c\uff0c\uff0e](?=\d)")
_NUMBER = re.compile(r"\d{2,}")  # numbers of one digit are often written as a word


def digits_of_numbers(text: str) -> Counter[int]:
    """Count the digits of the numbers that have two or more, in any script.

    Counts of digits are the same however a language orders a date or separates decimals and
    thousands.
    """
    text = _SEPARATOR.sub("", _THOUSANDS.sub(_join, text))
    return Counter(
        unicodedata.decimal(digit) for number in _NUMBER.findall(text) for digit in number
    )


def _join(match: re.Match) -> str:
    return match[1] + "".join(match[2].split())


def agreement(source: str, target: str) -> float:
    """Return the share of the digits of numbers that agree; 1 if there are none.

    A number that one side has beyond those of the other does not count: good translations write
    it as a word. Digits disagree if each side has some that the other has not.
    """
    first, second = digits_of_numbers(source), digits_of_numbers(target)
    common = (first & second).total()
    other = min(first.total(), second.total()) - common
    return common / (common + other) if common + other else 1.0
