"""Is everything translated, and once? Repeated, missing and dropped words.

Attention can return to what is translated already and never reach what is not: over- and
under-translation (Tu et al. 2016), repeating and dropping (Mi et al. 2016). They counted by hand or
by alignment; counting against the reference instead, and against the source words that the
reference does translate, follows Malaviya et al. 2018 (REP-score, DROP-score).

Words as in `mt.data.word_counts`, case-folded: the second word of "The the" is a repeat.
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

FUNCTION_WORDS = 100  # so many of the most frequent words are no content words; they are about half of running text


@dataclass(frozen=True, eq=False)
class Repetition:
    """Both in a word of the references (times 1,000: per 1,000 words), so that systems share one denominator."""

    ngrams: Ratio  # n-grams that come again, beyond what the reference has
    immediate: Ratio  # words that follow themselves at once, beyond what the reference has


@dataclass(frozen=True, eq=False)
class Dropping:
    """Both in a content word of the references."""

    missing: Ratio  # the hypothesis lacks the word, or has it fewer times: dropped or translated otherwise
    dropped: Ratio  # of these, the ones with nothing in their place: the part that is no paraphrase


def repeated_words(hypotheses: Sequence[str], references: Sequence[str], n: int = 2) -> Repetition:
    """Over-translation. MTError where the lists differ in length.

    N-grams of `n` words: sum of max(0, c - max(1, r)) over the n-grams of a sentence, c and r how
    often hypothesis and reference have it. What is said once is no repetition, even where the
    reference does not say it (the REP-score counts it in when it comes again). Immediate: the same
    sum without the 1, over the pairs "w w". "on on on" is two immediate repeats and one repeated
    bigram. A loop counts at each turn, so a value may exceed 1.
    """
    check_line_counts({"hypotheses": hypotheses, "references": references})
    if n < 2:
        raise UsageError(
            f"repeated n-grams have 2 words or more, not {n}: single words recur in any good sentence"
        )
    ngrams, immediate = [], []
    for pair in zip(hypotheses, references, strict=True):
        ours, theirs = map(_folded, pair)
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
    """Under-translation. Content words are all but the `FUNCTION_WORDS` most frequent ones.

    `counts`: of the target side of the training text; None takes the references, which makes the
    figures depend a little on the test set. Words are paired one to one: first what stands in
    common order (difflib, as `diff_words`), then equal words anywhere else in the sentence. A
    content word without partner is missing. Where a stretch of the reference is d words longer than
    what the hypothesis has between the same neighbours, up to d of its missing words are dropped:
    all of them where the neighbours meet. MTError where the lists differ in length.
    """
    check_line_counts({"hypotheses": hypotheses, "references": references})
    function = frequent_words(
        count_training_words(references) if counts is None else counts, FUNCTION_WORDS
    )
    missing, dropped = [], []
    for pair in zip(hypotheses, references, strict=True):
        ours, theirs = map(_folded, pair)
        opcodes = SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes()
        moved = Counter(word for tag, a, b, _, _ in opcodes if tag != "equal" for word in ours[a:b])
        total = sum(word not in function for word in theirs)
        lost = gone = 0
        surplus = {c: max(0, (d - c) - (b - a)) for tag, a, b, c, d in opcodes if tag != "equal"}
        # Stretches that lack most claim the words that stand elsewhere first: those may well have
        # moved from there.
        for _, _, _, c, d in sorted(
            (o for o in opcodes if o[0] != "equal"), key=lambda opcode: -surplus[opcode[3]]
        ):
            without = 0
            for word in theirs[c:d]:
                if moved[word]:
                    moved[word] -= 1
                else:
                    without += word not in function
            lost, gone = lost + without, gone + min(without, surplus[c])
        missing.append((lost, total))
        dropped.append((gone, total))
    return Dropping(Ratio.of(missing), Ratio.of(dropped))


def unlinked_words(found: Sequence[Links], gold: Sequence[Links]) -> Ratio:
    """Source words without any translation: those that no link of the hypothesis reaches, of those that a sure link of the
    reference does (the DROP-score of Malaviya et al. 2018, as a share).

    `found` are the links between sources and hypotheses (`mt-translate --alignments`), `gold` those
    between sources and references, by hand or by the same aligner. Words are what stands between
    spaces, as in `mt.data.alignment_words`. A link from attention says where the model looked, and
    every target word gets one; so the figure finds source words that were never looked at most.
    MTError where the two differ in length.
    """
    check_line_counts({"links of the hypotheses": found, "links of the references": gold})
    rows = []
    for ours, theirs in zip(found, gold, strict=True):
        translated = {source for source, _ in theirs.sure}
        rows.append((len(translated - {source for source, _ in ours.possible}), len(translated)))
    return Ratio.of(rows)


def _folded(text: str) -> list[str]:
    return [word.casefold() for word in split_words(text)]


def _ngrams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _doubles(words: Sequence[str]) -> Counter[str]:
    return Counter(
        word for word, following in zip(words, words[1:], strict=False) if word == following
    )
