"""Input that is too long for the model: cut where a reader would pause, and its translation joined again.

Sentence ends and other pauses are those of Unicode's properties (UAX #29, #44), so they hold for
all scripts.
"""

from __future__ import annotations

from collections.abc import Callable

import regex  # type: ignore[import-untyped]

from mt.data.scripts import is_unspaced

# All runs are possessive, and begin where no run of the like is: 100,000 dots must not be tried
# from each of them.
CLOSING = r"[\p{Pe}\p{Pf}\p{Pi}\"']*+"
# A full stop is ambiguous (abbreviations, initials, ordinals): it ends a sentence before a blank
# and no lower-case letter, and not after a single capital. Marks of scripts without blanks need
# none after them.
SENTENCE_END = regex.compile(
    rf"(?:(?<![\p{{Sentence_Break=STerm}}…])[\p{{Sentence_Break=STerm}}…]++{CLOSING}(?=\s)"
    rf"|(?<!\b\p{{Lu}}|\p{{Sentence_Break=ATerm}})\p{{Sentence_Break=ATerm}}++{CLOSING}(?=\s+[^\s\p{{Ll}}])"
    rf"|(?<![。！？｡︒])[。！？｡︒]++{CLOSING})\s*"
)
CLAUSE_END = regex.compile(
    rf"(?:[\p{{Terminal_Punctuation}}–—]{CLOSING}(?=\s)|[、，；：､﹐﹑]{CLOSING})\s*"
)
BLANK = regex.compile(r"\s+")
GRAPHEME = regex.compile(r"\X")


def split_text(text: str, size: Callable[[str], int], limit: int) -> list[str]:
    """Parts of `text`, none blank, each of `size` (such as a number of pieces) up to `limit`.

    What fits stays whole. Otherwise every sentence is a part, because sentences are what models are
    trained on; a sentence that is too long is halved, and halved again, at the clause end nearest
    to its middle, or else between words, or else between characters.
    """
    if size(text) <= limit:
        return [text]
    ends = [match.end() for match in SENTENCE_END.finditer(text)]
    sentences = [
        text[start:end].strip() for start, end in zip([0, *ends], [*ends, len(text)], strict=True)
    ]
    return [part for sentence in sentences if sentence for part in _halve(sentence, size, limit)]


def _halve(text: str, size: Callable[[str], int], limit: int) -> list[str]:
    if len(text) < 2 or size(text) <= limit:
        return [text]
    cut = _middle(text)
    halves = (text[:cut].strip(), text[cut:].strip())
    return [part for half in halves if half for part in _halve(half, size, limit)]


def _middle(text: str) -> int:
    """Where to cut: 0 < cut < len(text)."""
    middle = len(text) // 2
    for boundary in (CLAUSE_END, BLANK):
        cuts = [match.end() for match in boundary.finditer(text) if 0 < match.end() < len(text)]
        if cuts:
            return min(cuts, key=lambda cut: abs(cut - middle))
    # Not between a letter and its accents or inside an emoji, unless there is nothing else for
    # long.
    start = max(0, middle - 100)
    cuts = [
        match.end()
        for match in GRAPHEME.finditer(text, start, middle + 100)
        if match.end() < min(len(text), middle + 100)
    ]
    return min(cuts, key=lambda cut: abs(cut - middle), default=middle)


def join_parts(parts: list[str]) -> str:
    """Translated parts as one text: with blanks between them where the script has blanks."""
    parts = [part for part in parts if part]
    return ("" if is_unspaced("".join(parts)) else " ").join(parts)
