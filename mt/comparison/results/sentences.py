"""The sentences on which systems differ most, with what each made of them: `sentences` in results.json."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from mt.comparison.measures.sentence_differences import diff_words, most_different, sentence_chrf
from mt.comparison.systems import TestSet


def differing_sentences(test: TestSet, baseline: str, number: int) -> list[dict[str, Any]]:
    """Up to `number` sentences, without their attention. Texts and scores are of each system's first run.

    Of each system and the baseline in turn, the sentence that the one did best in comparison, then
    the one that the other did: so the first few show every pair from both sides. With one system
    there are none.
    """
    outputs = {name: runs[0] for name, runs in test.hypotheses.items()}
    scores = {name: sentence_chrf(lines, test.references) for name, lines in outputs.items()}
    found = []
    for index in choose(scores, baseline, number):
        own = {name: float(values[index]) for name, values in scores.items()}
        texts = {name: lines[index] for name, lines in outputs.items()}
        reference = test.references[index]
        found.append(
            {
                "index": index,
                "source": None if test.sources is None else test.sources[index],
                "reference": reference,
                "outputs": texts,
                "scores": own,
                "spread": max(own.values()) - min(own.values()),
                "diff": {
                    name: [
                        [s.equal, s.hypothesis, s.reference] for s in diff_words(text, reference)
                    ]
                    for name, text in texts.items()
                },
                "attention": None,
            }
        )
    return found


def choose(scores: dict[str, np.ndarray], baseline: str, number: int) -> list[int]:
    """Rows of the sentences, most telling first."""
    lists: list[Sequence[int]] = []
    for name, values in scores.items():
        if name != baseline:
            lists += most_different(values, scores[baseline], number)
    in_turn = (index for turn in zip_longest(*lists) for index in turn if index is not None)
    return list(dict.fromkeys(in_turn))[:number]
