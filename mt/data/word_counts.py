"""Words for comparisons, and their frequency in the training text.

A word is a run of letters, marks and digits. Word alignments use another definition,
`mt.data.alignment_words`: runs of text between spaces, with the punctuation that touches them.

A hyphen or an apostrophe inside a word, and a point or comma between digits, belong to it, as in
BLEU's 13a tokenization: `don't`, `l'homme`, `EU-Kommission` and `1.000,5` are one word each. Other
punctuation is never part of a word, so quotation marks („so“, «so», "so") make no difference. In
scripts without spaces each character is a word, as it is for lengths (`mt.data.scripts`). Case is
kept.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

import regex  # type: ignore[import-untyped]

from mt.data.scripts import UNSPACED
from mt.errors import MTError
from mt.files import write_text

CHUNK_LINES = 20_000  # lines whose distinct strings are in memory at a time
FORMAT = 1  # of the file of counts

_TYPOGRAPHY = str.maketrans(
    {"\u2019": "'", "\u02bc": "'", "\uff07": "'", "\u2010": "-", "\u2011": "-", "\u00ad": None}
)
_SINGLE = rf"[{UNSPACED.pattern}&&[\p{{L}}\p{{M}}\p{{N}}]]"
_LETTER = rf"[[\p{{L}}\p{{M}}\p{{N}}]--{UNSPACED.pattern}]"
# Apostrophes and hyphens, also those that `_TYPOGRAPHY` replaces, because raw text is matched too;
# and the zero-width joiners of Persian and Indic scripts.
_JOINERS = r"['\u2019\u02bc\uff07\-\u2010\u2011\u00ad\u200c\u200d]"
WORD = regex.compile(rf"(?V1){_SINGLE}|{_LETTER}+(?:(?:{_JOINERS}+|(?<=\d)[.,](?=\d)){_LETTER}+)*")


def normalise_typography(text: str) -> str:
    """Bring text to NFC with one kind of apostrophe and hyphen and no soft hyphens.

    The result may be shorter than `text`.
    """
    return unicodedata.normalize("NFC", text).translate(_TYPOGRAPHY)


def split_words(text: str) -> list[str]:
    """Return the words of a text in order, with normalised typography."""
    return WORD.findall(normalise_typography(text))


def count_training_words(lines: Iterable[str]) -> Counter[str]:
    """Count the words in one side of the training text, read line by line.

    No word contains a space. Distinct strings between spaces are therefore counted first and split
    into words once each, which is three times as fast.
    """
    counts: Counter[str] = Counter()
    iterator = iter(lines)
    while chunk := list(islice(iterator, CHUNK_LINES)):
        for text, count in Counter(part for line in chunk for part in line.split()).items():
            for word in split_words(text):
                counts[word] += count
    return counts


def frequent_words(counts: Mapping[str, int], number: int) -> frozenset[str]:
    """Return the `number` most frequent words, case-folded; ties break by code point."""
    folded: Counter[str] = Counter()
    for word, count in counts.items():
        folded[word.casefold()] += count
    return frozenset(sorted(folded, key=lambda word: (-folded[word], word))[:number])


def save_counts(path: Path, counts: Mapping[str, int]) -> None:
    """Write counts as JSON, grouped by count.

    `{"format": 1, "words": {"1": "rare words", "57": "frequent ones"}}`: the words of each count,
    separated by spaces. Most words are rare, so the file is hardly longer than the list of words.
    Equal counts give equal files.
    """
    groups: dict[int, list[str]] = defaultdict(list)
    for word, count in counts.items():
        groups[count].append(word)
    words = {str(count): " ".join(sorted(groups[count])) for count in sorted(groups)}
    content = json.dumps({"format": FORMAT, "words": words}, ensure_ascii=False, indent=0)
    write_text(path, content + "\n")


def load_counts(path: Path) -> Counter[str]:
    """Read what `save_counts` wrote. Raises MTError if the file is unreadable or malformed."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["format"] != FORMAT:
            raise MTError(
                f"{path} has format {stored['format']!r}, but this version of mt reads {FORMAT}: "
                "count the training text again"
            )
        return Counter(
            {
                word: int(count)
                for count, words in stored["words"].items()
                for word in words.split(" ")
            }
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise MTError(f"cannot read word counts from {path}: {error}") from error
