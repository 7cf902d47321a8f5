"""The sentences on which systems differ most, with the output of each system."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np

from mt.comparison.measures.sentence_differences import diff_words, most_different, sentence_chrf
from mt.comparison.schema.results import SentenceResult
from mt.comparison.systems import TestSet


def differing_sentences(test: TestSet, baseline: str, number: int) -> list[SentenceResult]:
    """Return up to `number` sentences, without attention maps.

    Outputs and scores are those of each system's first run. There are none for a single system.
    """
    outputs = {name: runs[0] for name, runs in test.hypotheses.items()}
    scores = {name: sentence_chrf(lines, test.references) for name, lines in outputs.items()}
    results = []
    for index in choose_sentences(scores, baseline, number):
        reference = test.references[index]
        texts = {name: lines[index] for name, lines in outputs.items()}
        sentence_scores = {name: float(values[index]) for name, values in scores.items()}
        results.append(
            SentenceResult(
                index=index,
                source=None if test.sources is None else test.sources[index],
                reference=reference,
                outputs=texts,
                scores=sentence_scores,
                spread=max(sentence_scores.values()) - min(sentence_scores.values()),
                diff={name: diff_words(text, reference) for name, text in texts.items()},
                attention=None,
            )
        )
    return results


def choose_sentences(scores: dict[str, np.ndarray], baseline: str, number: int) -> list[int]:
    """Return the rows of sentences that show each system and the baseline from both sides.

    For each system in turn: the sentence with its greatest lead over the baseline, then the one
    with the baseline's greatest lead over it; then the second ones, and so on.
    """
    lists: list[Sequence[int]] = []
    for name, values in scores.items():
        if name != baseline:
            lists += most_different(values, scores[baseline], number)
    in_turn = (index for turn in zip_longest(*lists) for index in turn if index is not None)
    return list(dict.fromkeys(in_turn))[:number]
