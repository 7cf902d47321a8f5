"""Source words that a translation copies: untranslated words, and numbers and names.

Counts are clipped: a word that the source has once can be copied once. Case is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import regex  # type: ignore[import-untyped]

from mt.comparison.measures.numerals import find_numbers
from mt.comparison.statistics.ratio import Ratio
from mt.data.word_counts import WORD, normalise_typography, split_words
from mt.evaluation.evaluation import check_line_counts

# Minimum of target count over source count for a word to belong to both languages (such as `in` in
# German and English, or a name). Lower ratios are noise: untranslated lines in the training text.
MIN_SHARED_RATIO = 0.1

_LETTERS = regex.compile(r"\p{L}\p{M}*\p{L}")  # two of them, so that neither 5 nor A counts
_NAME = regex.compile(r"\p{Lu}|\p{Lt}")
_SENTENCE_END = regex.compile(
    r"[.!?\u2026:;\u3002\uff01\uff1f\u0964]|[\"\u00ab\u00bb\u2018\u201a-\u201f\u2039\u203a(\[\u2013\u2014\u2022]"
)
_INITIAL = regex.compile(r"\p{Lu}")

Finder = Callable[[str], list[str]]


def untranslated_words(
    sources: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[str],
    source_counts: Mapping[str, int] | None = None,
    target_counts: Mapping[str, int] | None = None,
) -> Ratio:
    """Count untranslated words: source words in the hypothesis but not in the reference.

    In a sentence: sum of max(0, min(s, h) - r) over sum of max(0, s - r), for words with two
    letters or more that occur s, h and r times in source, hypothesis and reference. Word forms of
    both languages look like copies if the hypothesis differs from the reference; given the counts
    of both sides of the training text (both or neither), such words are left out
    (`MIN_SHARED_RATIO`).

    Raises MTError if the lists differ in length.
    """
    check_line_counts({"sources": sources, "hypotheses": hypotheses, "references": references})
    rows = []
    for texts in zip(sources, hypotheses, references, strict=True):
        source, hypothesis, reference = (Counter(split_words(text)) for text in texts)
        foreign = Counter({word: count for word, count in source.items() if _LETTERS.search(word)})
        if source_counts is not None and target_counts is not None:
            shared = [
                w
                for w in foreign
                if target_counts.get(w, 0)
                and target_counts.get(w, 0) >= MIN_SHARED_RATIO * source_counts.get(w, 0)
            ]
            for word in shared:
                del foreign[word]
        rows.append((((foreign & hypothesis) - reference).total(), (foreign - reference).total()))
    return Ratio.of(rows)


def numbers_kept(
    sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str]
) -> Ratio:
    """Count the numbers of source and reference that the hypothesis has, too.

    A number that the reference spells out or leaves out does not count. Numbers are those of
    `find_numbers`. Raises MTError if the lists differ in length.
    """
    return _kept(sources, hypotheses, references, find_numbers, find_numbers)


def names_kept(
    sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str]
) -> Ratio:
    """Count the names of source and reference that the hypothesis has, too (`find_names`).

    German nouns that English has too (Hotel) are among them; they should be kept, too. Raises
    MTError if the lists differ in length.
    """
    return _kept(sources, hypotheses, references, find_names, split_words)


def find_names(text: str) -> list[str]:
    """Find words of two letters or more with a capital that does not begin a sentence, in order.

    A sentence may begin with the line, after an end mark, colon, dash or bracket, and after a
    quotation mark, opening or not; a point after an initial does not end one (Derek K. Miller).
    This misses some names ("Mr. Smith"): it is meant for shares, not for lists.
    """
    text, end, previous, names = normalise_typography(text), 0, "", []
    for match in WORD.finditer(text):
        word, gap = match[0], text[end : match.start()]
        begins = not previous or (
            _SENTENCE_END.search(gap) and not (gap == ". " and _INITIAL.fullmatch(previous))
        )
        if not begins and _NAME.match(word) and _LETTERS.search(word):
            names.append(word)
        end, previous = match.end(), word
    return names


def _kept(
    sources: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[str],
    find: Finder,
    find_in_target: Finder,
) -> Ratio:
    """Count what `find` finds in the source, and `find_in_target` in reference and hypothesis."""
    check_line_counts({"sources": sources, "hypotheses": hypotheses, "references": references})
    rows = []
    for source, hypothesis, reference in zip(sources, hypotheses, references, strict=True):
        wanted = Counter(find(source)) & Counter(find_in_target(reference))
        rows.append(((wanted & Counter(find_in_target(hypothesis))).total(), wanted.total()))
    return Ratio.of(rows)
