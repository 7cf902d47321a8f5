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
    """Measure the recall of each group: the share of its words that outputs have in that form."""
    if not groups:
        return {}
    recalled = {
        system: [recalled_words(lines, test.references) for lines in outputs]
        for system, outputs in test.hypotheses.items()
    }
    return {
        group.name: Measure(
            {
                system: [_recall(group, run, len(test.references)) for run in runs]
                for system, runs in recalled.items()
            }
        )
        for group in groups
    }


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


def _recall(group: DecidedGroup, recalled: Sequence[Sequence[bool]], sentences: int) -> Ratio:
    counts = [[0, 0] for _ in range(sentences)]
    for row, word in group.rows:
        counts[row][0] += recalled[row][word]
        counts[row][1] += 1
    return Ratio.of([(count, total) for count, total in counts])
