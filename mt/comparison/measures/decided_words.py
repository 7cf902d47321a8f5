"""Words whose form another word decides, by the distance to it: pronouns, ambiguous words.

The test set must say which source word decides which target word (`mt.data.annotations.Decider`)
and have gold links.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from mt.comparison.measures.coverage import folded_words, pair_words
from mt.comparison.measures.measure import Measure
from mt.comparison.statistics.ratio import Ratio
from mt.comparison.systems import TestSet
from mt.data.annotations import Decider
from mt.data.links import Links
from mt.data.word_counts import split_words
from mt.evaluation.lengths import split_by_length

DISTANCE_EDGES = (3, 7, 15)  # source words: 1-3, 4-7, 8-15, 16+


@dataclass(frozen=True, eq=False)
class DecidedGroup:
    """Words of the references of one kind, decided from a distance of `low` to `high`."""

    kind: str
    label: str
    low: int
    high: int | None  # None: no upper end
    rows: list[tuple[int, int]]  # sentence, and target word between spaces

    @property
    def name(self) -> str:
        return f"{self.kind} {self.label}"

    @property
    def words(self) -> int:
        return len(self.rows)


def decided_words(test: TestSet) -> list[DecidedGroup]:
    """Group the decided words of the references; empty groups are left out."""
    if not test.deciders or not test.links:
        return []
    words: dict[str, list[tuple[int, int, int]]] = {}  # kind -> sentence, target word, distance
    for row, (deciders, links) in enumerate(zip(test.deciders, test.links, strict=True)):
        for decider in deciders:
            distance = decider_distance(decider, links)
            words.setdefault(decider.kind, []).append((row, decider.target, distance))
    groups = []
    for kind in sorted(words):
        distances = np.array([distance for _, _, distance in words[kind]])
        for label, low, high, chosen in split_by_length(distances, DISTANCE_EDGES):
            rows = [words[kind][i][:2] for i in chosen]
            groups += [DecidedGroup(kind, label, low, high, rows)] if rows else []
    return groups


def decider_distance(decider: Decider, links: Links) -> int:
    """Return the distance of the deciding word from the nearest source word of the target word."""
    return min(
        abs(source - decider.source) for source, target in links.sure if target == decider.target
    )


def decided_measures(test: TestSet, groups: Sequence[DecidedGroup]) -> dict[str, Measure]:
    """Measure the recall of each group: the share of its words that outputs have in that form.

    The measure with "others" in its name is the recall of the words of the same sentences that no
    word decides. A sentence counts for it as often as it has words of the group.
    """
    if not groups:
        return {}
    recalled = {
        system: [recalled_words(lines, test.references) for lines in outputs]
        for system, outputs in test.hypotheses.items()
    }
    decided = {word for group in groups for word in group.rows}
    free = [
        [(row, word) for word in range(len(line.split(" "))) if (row, word) not in decided]
        for row, line in enumerate(test.references)
    ]

    def recall(words: Sequence[tuple[int, int]]) -> Measure:
        return Measure(
            {system: [_recall(words, run) for run in runs] for system, runs in recalled.items()}
        )

    measures = {group.name: recall(group.rows) for group in groups}
    for group in groups:
        others = [word for row, _ in group.rows for word in free[row]]
        measures[f"{group.name} others"] = recall(others)
    return measures


def recalled_words(hypotheses: Sequence[str], references: Sequence[str]) -> list[list[bool]]:
    """Return for each word between spaces of each reference whether the hypothesis has it.

    Words are paired as for missing words (`pair_words`), so that one `sie` of the output cannot
    stand for two of the reference. A word with punctuation inside counts if all its parts do.
    """
    results = []
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        has_partner, _ = pair_words(folded_words(hypothesis), folded_words(reference))
        parts = iter(has_partner)
        results.append(
            [all(list(islice(parts, len(split_words(word))))) for word in reference.split(" ")]
        )
    return results


def _recall(words: Sequence[tuple[int, int]], recalled: Sequence[Sequence[bool]]) -> Ratio:
    """Return the recall of words, which are given by sentence and place."""
    counts = np.zeros((len(recalled), 2), dtype=np.int64)
    for row, word in words:
        counts[row] += recalled[row][word], 1
    return Ratio(counts[:, 0], counts[:, 1])
