"""Lengths in scripts with and without spaces between words."""

from __future__ import annotations

import pytest

from mt.data.scripts import count_units, is_unspaced


@pytest.mark.parametrize(
    ("text", "units", "unspaced"),
    [
        ("Two words", 2, False),
        ("", 0, False),
        ("\u00fcber die Br\u00fccke", 3, False),
        ("\u79c1\u306f\u5b66\u751f\u3067\u3059\u3002", 6, True),  # the full stop does not count
        # Two characters and two words; most of it is Latin.
        ("\u4f60\u597d\uff0cworld 2", 4, False),
        ("\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", 6, True),  # Thai
        ("\u1019\u103c\u1014\u103a\u1019\u102c", 6, True),  # Burmese
        ("\ud55c\uad6d\uc5b4 \ubb38\uc7a5", 2, False),  # Korean has spaces
        ("\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!", 2, False),
    ],
)
def test_text_without_spaces_is_counted_in_characters(
    text: str, units: int, unspaced: bool
) -> None:
    assert count_units(text) == units
    assert is_unspaced(text) is unspaced
