"""Splitting of lines into the parts that a model translates, and joining of their translations.

Text is cut where a reader would pause. Clause ends are those of Unicode's properties (UAX #44), so
they work for all scripts.
"""

from __future__ import annotations

from collections.abc import Callable

import regex  # type: ignore[import-untyped]

from mt.data.normalisation import is_blank
from mt.data.scripts import is_unspaced
from mt.data.sentences import SentenceSplitter

# All quantifiers are possessive: otherwise 100,000 brackets would be tried from each position.
CLOSING = r"[\p{Pe}\p{Pf}\p{Pi}\"']*+"
CLAUSE_END = regex.compile(
    rf"(?:[\p{{Terminal_Punctuation}}–—]{CLOSING}(?=\s)|[、，；：､﹐﹑]{CLOSING})\s*"
)
SPACES = regex.compile(r"\s+")
GRAPHEME = regex.compile(r"\X")


def split_sentences(text: str, sentences: SentenceSplitter) -> list[str]:
    """Return the sentences of a text that are not blank."""
    return [part for part in sentences.split(text) if not is_blank(part)]


def split_text(
    text: str, sentences: SentenceSplitter, size: Callable[[str], int], limit: int
) -> list[str]:
    """Split `text` into parts whose `size` (such as the number of pieces) is at most `limit`.

    A text that fits is returned whole. Otherwise each sentence is a part, because models are
    trained on sentences. A sentence that is too long is halved repeatedly: at the clause end
    nearest to its middle, else between words, else between characters. No part is blank.
    """
    if size(text) <= limit:
        return [text]
    return [
        part
        for sentence in split_sentences(text, sentences)
        for part in _halve(sentence, size, limit)
    ]


def _halve(text: str, size: Callable[[str], int], limit: int) -> list[str]:
    if len(text) < 2 or size(text) <= limit:
        return [text]
    cut = _find_cut(text)
    halves = (text[:cut].strip(), text[cut:].strip())
    return [part for half in halves if not is_blank(half) for part in _halve(half, size, limit)]


def _find_cut(text: str) -> int:
    """Return the best position to cut, 0 < cut < len(text)."""
    middle = len(text) // 2
    for boundary in (CLAUSE_END, SPACES):
        cuts = [match.end() for match in boundary.finditer(text) if 0 < match.end() < len(text)]
        if cuts:
            return min(cuts, key=lambda cut: abs(cut - middle))
    # Do not cut between a letter and its accents or inside an emoji, unless there is no other
    # position within 100 code points.
    start, end = max(0, middle - 100), middle + 100
    graphemes = GRAPHEME.finditer(text, start, end)
    cuts = [match.end() for match in graphemes if match.end() < min(len(text), end)]
    return min(cuts, key=lambda cut: abs(cut - middle), default=middle)


def join_parts(parts: list[str]) -> str:
    """Join translated parts, with spaces between them if the script uses spaces."""
    parts = [part for part in parts if part]
    return ("" if is_unspaced("".join(parts)) else " ").join(parts)
