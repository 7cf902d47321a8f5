"""Repeated, missing and dropped words.

Attention can return to words that are translated already, and never reach others: over- and
under-translation (Tu et al. 2016), repeating and dropping (Mi et al. 2016). These papers counted
by hand or by alignment. Counting against the reference, and against the source words that the
reference translates, follows Malaviya et al. 2018 (REP-score, DROP-score).

Words are those of `mt.data.word_counts`, case-folded: the second word of "The the" is a repeat.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from mt.comparison.statistics.ratio import Ratio
from mt.data.links import Links
from mt.data.word_counts import count_training_words, frequent_words, split_words
from mt.errors import UsageError
from mt.evaluation.evaluation import check_line_counts

# Number of most frequent words that are no content words: about half of running text.
FUNCTION_WORDS = 100


@dataclass(frozen=True, eq=False)
class Repetition:
    """Repetitions per word of the references, so that systems share one denominator."""

    ngrams: Ratio  # repeated n-grams, beyond those of the reference
    immediate: Ratio  # words directly repeated, beyond those of the reference


@dataclass(frozen=True, eq=False)
class Dropping:
    """Lost words per content word of the references."""

    # The hypothesis has the word fewer times: it is dropped or translated differently.
    missing: Ratio
    dropped: Ratio  # missing with nothing in its place: not a paraphrase


def repeated_words(hypotheses: Sequence[str], references: Sequence[str], n: int = 2) -> Repetition:
    """Measure over-translation. Raises MTError if the lists differ in length.

    N-grams of `n` words: sum of max(0, c - max(1, r)) over the n-grams of a sentence that occur c
    times in the hypothesis and r times in the reference. A single occurrence is no repetition, even
    if the reference has none (the REP-score counts it once it is repeated). Immediate: the same sum
    without the 1, over the pairs "w w". "on on on" is two immediate repeats and one repeated
    bigram. A loop counts at each turn, so a value may exceed 1.
    """
    check_line_counts({"hypotheses": hypotheses, "references": references})
    if n < 2:
        raise UsageError(f"n must be >= 2, got {n}: single words recur in any good sentence")
    ngrams, immediate = [], []
    for pair in zip(hypotheses, references, strict=True):
        ours, theirs = map(folded_words, pair)
        counts, licensed = _ngrams(ours, n), _ngrams(theirs, n)
        ngrams.append(
            (
                sum(max(0, count - max(1, licensed[gram])) for gram, count in counts.items()),
                len(theirs),
            )
        )
        immediate.append(((_doubles(ours) - _doubles(theirs)).total(), len(theirs)))
    return Repetition(Ratio.of(ngrams), Ratio.of(immediate))


def dropped_words(
    hypotheses: Sequence[str], references: Sequence[str], counts: Mapping[str, int] | None = None
) -> Dropping:
    """Measure under-translation. Raises MTError if the lists differ in length.

    Content words are all but the `FUNCTION_WORDS` most frequent ones. `counts` are those of the
    target side of the training text; with None, those of the references, and values then depend
    slightly on the test set.

    A content word without partner (`pair_words`) is missing. If a stretch of the reference is d
    words longer than the stretch of the hypothesis between the same neighbours, up to d of its
    missing words are dropped: all of them if the hypothesis has nothing there.
    """
    check_line_counts({"hypotheses": hypotheses, "references": references})
    function = frequent_words(
        count_training_words(references) if counts is None else counts, FUNCTION_WORDS
    )
    missing, dropped = [], []
    for pair in zip(hypotheses, references, strict=True):
        ours, theirs = map(folded_words, pair)
        has_partner, stretches = pair_words(ours, theirs)
        total = sum(word not in function for word in theirs)
        lost = gone = 0
        for begin, end, surplus in stretches:
            without = sum(
                not has_partner[i] and theirs[i] not in function for i in range(begin, end)
            )
            lost, gone = lost + without, gone + min(without, surplus)
        missing.append((lost, total))
        dropped.append((gone, total))
    return Dropping(Ratio.of(missing), Ratio.of(dropped))


def pair_words(
    ours: Sequence[str], theirs: Sequence[str]
) -> tuple[list[bool], list[tuple[int, int, int]]]:
    """Pair the words of a hypothesis and a reference one to one.

    First those in common order (difflib, as in `diff_words`), then equal words anywhere else in the
    sentence. Returns for each word of the reference whether it has a partner; and begin, end and
    surplus of the stretches of the reference that are not in common order: by how much each is
    longer than the stretch of the hypothesis between the same neighbours.
    """
    opcodes = SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes()
    changed = [opcode[1:] for opcode in opcodes if opcode[0] != "equal"]
    moved = Counter(word for a, b, _, _ in changed for word in ours[a:b])
    stretches = [(c, d, max(0, (d - c) - (b - a))) for a, b, c, d in changed]
    has_partner = [True] * len(theirs)
    # Stretches that lack most are paired with words elsewhere first: these have probably moved
    # from there.
    for begin, end, _ in sorted(stretches, key=lambda stretch: -stretch[2]):
        for i in range(begin, end):
            has_partner[i] = moved[theirs[i]] > 0
            moved[theirs[i]] -= has_partner[i]
    return has_partner, stretches


def unlinked_words(found: Sequence[Links], gold: Sequence[Links]) -> Ratio:
    """Count source words without a link, of those with a sure link to the reference.

    This is the DROP-score of Malaviya et al. 2018, as a share. `found` are the links between
    sources and hypotheses (`mt-translate --alignments`), `gold` those between sources and
    references, by hand or by the same aligner. Words are separated by spaces, as in
    `mt.data.alignment_words`. A link from attention says where the model looked, and every target
    word gets one; so this finds source words that never got the most attention. Raises MTError if
    the lists differ in length.
    """
    check_line_counts({"links of the hypotheses": found, "links of the references": gold})
    rows = []
    for ours, theirs in zip(found, gold, strict=True):
        translated = {source for source, _ in theirs.sure}
        rows.append((len(translated - {source for source, _ in ours.possible}), len(translated)))
    return Ratio.of(rows)


def folded_words(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return [word.casefold() for word in split_words(text)]


def _ngrams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _doubles(words: Sequence[str]) -> Counter[str]:
    return Counter(
        word for word, following in zip(words, words[1:], strict=False) if word == following
    )
