"""Scripts of letters, and how many letters of a text are in a script."""

from __future__ import annotations

import functools
from collections import Counter

import regex  # type: ignore[import-untyped]

# Scripts of languages that are written today. Japanese mixes three, and Chinese has bopomofo, so
# these are one here. All other letters are of one more script, OTHER.
_EAST_ASIAN = "Han", "Hiragana", "Katakana", "Bopomofo"
_OTHERS = """
    Latin Cyrillic Greek Arabic Hebrew Hangul Devanagari Bengali Gurmukhi Gujarati Oriya Tamil
    Telugu Kannada Malayalam Sinhala Thai Lao Tibetan Myanmar Khmer Georgian Armenian Ethiopic
    Mongolian Cherokee Canadian_Aboriginal Thaana Syriac Tifinagh Nko Vai Yi Javanese Balinese
    Sundanese Cham Meetei_Mayek Ol_Chiki Lisu Tai_Le New_Tai_Lue Tai_Tham Adlam Osage Limbu Lepcha
""".split()
_SCRIPTS = {"Han": _EAST_ASIAN, **{name: (name,) for name in _OTHERS}}
OTHER = "other"
_LETTER = regex.compile(r"\p{L}")


@functools.cache
def _pattern(scripts: frozenset[str]) -> regex.Pattern:
    """Return a pattern of the letters of scripts."""
    members = "".join(map(_members, scripts))
    return regex.compile(rf"(?V1)[[{members}]&&\p{{L}}]")


def _members(script: str) -> str:
    """Return a set of characters in a pattern: those of a script."""
    if script == OTHER:
        return f"[^{''.join(map(_members, _SCRIPTS))}]"
    return "".join(rf"\p{{Script={part}}}" for part in _SCRIPTS[script])


@functools.lru_cache(maxsize=100_000)
def _script(letter: str) -> str:
    names = (name for name in _SCRIPTS if _pattern(frozenset([name])).match(letter))
    return next(names, OTHER)


def main_script(text: str) -> str:
    """Return the script of most letters of a text; empty if it has no letters."""
    if text.isascii():
        return "Latin" if any(map(str.isalpha, text)) else ""
    counts = Counter(map(_script, _LETTER.findall(text)))
    return max(counts, key=counts.__getitem__) if counts else ""


def script_share(text: str, scripts: frozenset[str]) -> float:
    """Return the share of the letters that are in one of the scripts.

    It is 1 if there are no letters, or if no script is known.
    """
    if not scripts or (text.isascii() and "Latin" in scripts):
        return 1.0
    letters = len(_LETTER.findall(text))
    return len(_pattern(scripts).findall(text)) / letters if letters else 1.0
