"""Writing systems without spaces between words, in which length is counted in characters."""

from __future__ import annotations

import re

# Letters and marks of Han, kana, bopomofo, Thai, Lao, Tibetan, Burmese, Khmer and Tai Lue. Hangul
# is not included: Korean separates words by spaces.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19ff\ua9e0-\ua9ff\uaa60-\uaa7f"
    "\u3005-\u3007\u3021-\u3029\u3040-\u30ff\u3100-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00016fe0-\U00018dff\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)
# Punctuation between such characters, without spaces around it. It separates words.
_WIDE_PUNCTUATION = re.compile(
    "[\u3001-\u3004\u3008-\u3020\u3030-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]"
)


def is_unspaced(text: str) -> bool:
    """Return True if most of `text` is in a writing system without spaces between words.

    White space and wide punctuation do not count.
    """
    if text.isascii():
        return False
    visible = len("".join(_WIDE_PUNCTUATION.sub("", text).split()))
    return 2 * len(UNSPACED.findall(text)) > visible


def count_units(text: str) -> int:
    """Return the length in words separated by white space.

    In writing systems without spaces, each character counts as a word.
    """
    if text.isascii():
        return len(text.split())
    rest, characters = UNSPACED.subn(" ", text)
    if characters:
        rest = _WIDE_PUNCTUATION.sub(" ", rest)
    return characters + len(rest.split())
