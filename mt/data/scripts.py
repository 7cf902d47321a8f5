"""Writing systems without spaces, in which length is counted in characters."""

from __future__ import annotations

import re
from collections.abc import Sequence

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

# The language of an unspaced script: Burmese also stands for others in its script, "khb" for Tai
# Lue and Tai Le. Characters of no script listed here are Chinese.
_LANGUAGES = {
    "ja": re.compile("[\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f\U0001b000-\U0001b16f]"),  # kana
    "th": re.compile("[\u0e00-\u0e7f]"),
    "lo": re.compile("[\u0e80-\u0eff]"),
    "bo": re.compile("[\u0f00-\u0fff]"),
    "my": re.compile("[\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f]"),
    "km": re.compile("[\u1780-\u17ff\u19e0-\u19ff]"),
    "khb": re.compile("[\u1950-\u19df]"),
}
MIN_KANA = 0.1  # share of kana among the characters of Japanese; Chinese has next to none


def is_unspaced(text: str) -> bool:
    """Return True if most of `text` is in a writing system without spaces between words.

    White space and wide punctuation do not count.
    """
    if text.isascii():
        return False
    visible = len("".join(_WIDE_PUNCTUATION.sub("", text).split()))
    return 2 * len(UNSPACED.findall(text)) > visible


def mostly_unspaced(texts: Sequence[str]) -> bool:
    """Return True if most of the texts are in a writing system without spaces between words."""
    return 2 * sum(map(is_unspaced, texts)) > len(texts)


def unspaced_language(texts: Sequence[str]) -> str:
    """Return the language code of texts without spaces, judged by their script.

    Empty if most of the texts have spaces between words.
    """
    if not mostly_unspaced(texts):
        return ""
    characters = "".join(character for text in texts for character in UNSPACED.findall(text))
    counts = {code: len(script.findall(characters)) for code, script in _LANGUAGES.items()}
    counts["zh"] = len(characters) - sum(counts.values())
    if counts["ja"] > MIN_KANA * (counts["ja"] + counts["zh"]):  # Japanese mixes kana and Han
        counts["ja"] += counts.pop("zh")
    return max(counts, key=counts.__getitem__)


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
