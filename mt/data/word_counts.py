"""Words as comparisons count them, and how often each occurs in the training text.

A word is a run of letters, marks and digits. A hyphen, an apostrophe or (between digits) a point or
comma inside it belongs to it, as in BLEU's 13a: `don't`, `l'homme`, `EU-Kommission`, `1.000,5` are
one word each. Punctuation is no word, so that quotes of any language („so“, «so», "so") change
nothing. In scripts without spaces each character is a word, as it is for lengths
(`mt.data.scripts`). Text is brought to NFC, typographic apostrophes to ', non-breaking hyphens to
-; soft hyphens go; case is kept.

Not `mt.data.alignment_words`: alignments count what stands between spaces, with the punctuation
that clings to it.
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

CHUNK = 20_000  # lines whose distinct strings are in memory
FORMAT = 1  # of the file of counts

_PLAIN = str.maketrans(
    {"\u2019": "'", "\u02bc": "'", "\uff07": "'", "\u2010": "-", "\u2011": "-", "\u00ad": None}
)
_ALONE = rf"[{UNSPACED.pattern}&&[\p{{L}}\p{{M}}\p{{N}}]]"
_LETTER = rf"[[\p{{L}}\p{{M}}\p{{N}}]--{UNSPACED.pattern}]"
# Beside what `_PLAIN` replaces, since texts are also cut as they are; and the joiners of Persian
# and Indic scripts.
_JOINERS = r"['\u2019\u02bc\uff07\-\u2010\u2011\u00ad\u200c\u200d]"
WORD = regex.compile(rf"(?V1){_ALONE}|{_LETTER}+(?:(?:{_JOINERS}+|(?<=\d)[.,](?=\d)){_LETTER}+)*")


def normalise_typography(text: str) -> str:
    """The form in which texts are compared: NFC, one kind of apostrophe and hyphen. It may have fewer characters than `text`."""
    return unicodedata.normalize("NFC", text).translate(_PLAIN)


def split_words(text: str) -> list[str]:
    """The words of a text, in order, with their case."""
    return WORD.findall(normalise_typography(text))


def count_training_words(lines: Iterable[str]) -> Counter[str]:
    """How often each word occurs in one side of the training text. Lines are read as they are needed.

    No word has a space in it. So what stands between spaces is counted first, and each distinct
    string cut into words once, which is three times as fast.
    """
    counts: Counter[str] = Counter()
    iterator = iter(lines)
    while chunk := list(islice(iterator, CHUNK)):
        for text, count in Counter(part for line in chunk for part in line.split()).items():
            for word in split_words(text):
                counts[word] += count
    return counts


def frequent_words(counts: Mapping[str, int], number: int) -> frozenset[str]:
    """The most frequent words, case-folded; of equally frequent ones the first in the alphabet."""
    folded: Counter[str] = Counter()
    for word, count in counts.items():
        folded[word.casefold()] += count
    return frozenset(sorted(folded, key=lambda word: (-folded[word], word))[:number])


def save_counts(path: Path, counts: Mapping[str, int]) -> None:
    """Write counts as JSON: `{"format": 1, "words": {"1": "rare words", "57": "frequent ones"}}`, the words of each count between spaces.

    Most words are rare, so this is hardly longer than the list of the words. Equal counts make
    equal files.
    """
    groups: dict[int, list[str]] = defaultdict(list)
    for word, count in counts.items():
        groups[count].append(word)
    words = {str(count): " ".join(sorted(groups[count])) for count in sorted(groups)}
    write_text(
        path, json.dumps({"format": FORMAT, "words": words}, ensure_ascii=False, indent=0) + "\n"
    )


def load_counts(path: Path) -> Counter[str]:
    """What `save_counts` wrote. MTError where the file cannot be read or is something else."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["format"] != FORMAT:
            raise MTError(
                f"{path} has format {stored['format']!r}, this version of mt reads {FORMAT}: count the training text again"
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
