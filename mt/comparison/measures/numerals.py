"""Numbers in a text, in one form for all languages: 1,234.5 and 1.234,5 and 1 234,5 are 1234.5."""

from __future__ import annotations

import unicodedata

import regex  # type: ignore[import-untyped]

_SPACES = " \u00a0\u202f\u2009"
_NUMBER = regex.compile(
    rf"(?<!\d)(?:(?<!\d[.,])(?P<whole>[1-9]\d{{0,2}}(?P<by>[.,'\u2019{_SPACES}])\d{{3}}(?:(?P=by)\d{{3}})*)(?!\d)(?:(?!(?P=by))[.,](?P<rest>\d+))?"
    r"|(?<!\d[.,])(?P<units>\d+)[.,](?P<fraction>\d+)(?![.,]?\d)"
    r"|(?P<plain>\d+))"
)
_ARABIC = str.maketrans({"\u066b": ",", "\u066c": "."})  # decimal and thousands separator


def find_numbers(text: str) -> list[str]:
    """Find the numbers written in digits (of any script), in order.

    They are returned in ASCII digits, with a point before a fraction and without leading zeros.
    Groups of three digits after a point, comma, apostrophe or space are thousands. So 1.500 is 1500
    even if it means one and a half; it is the same on both sides of a translation, whatever their
    conventions. What is neither grouped nor a fraction, such as 12.05.2020 or 1.2.3, is several
    numbers. Signs, exponents, 3万 and number words are ignored.
    """
    text = _ascii_digits(text).translate(_ARABIC)
    numbers = []
    for match in _NUMBER.finditer(text):
        whole = regex.sub(r"\D", "", match["whole"] or match["units"] or match["plain"])
        fraction = match["rest"] or match["fraction"]
        numbers.append(_bare(whole) + (f".{fraction}" if fraction else ""))
    return numbers


def _bare(digits: str) -> str:
    """Remove leading zeros. int() fails for thousands of digits, which a model may repeat."""
    return digits.lstrip("0") or "0"


def _ascii_digits(text: str) -> str:
    return (
        text
        if text.isascii()
        else regex.sub(r"\d", lambda match: str(unicodedata.decimal(match[0])), text)
    )
