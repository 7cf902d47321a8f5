"""The randomisation test over seeds, and Holm's correction."""

from __future__ import annotations

import numpy as np
import pytest
from sacrebleu.metrics import BLEU

import mt.comparison.statistics.randomisation as randomisation
from helpers.simulated_runs import gaussian
from helpers.simulated_text import lossy_outputs
from mt.comparison.statistics.bootstrap import RunStatistics
from mt.comparison.statistics.randomisation import randomisation_p
from mt.comparison.statistics.significance import holm, holm_factors
from mt.evaluation.sacrebleu_metrics import Bleu
from mt.evaluation.sentence_statistics import SentenceStatistics

# --- approximate randomisation over seeds


@pytest.mark.medium
def test_randomisation_swaps_a_sentence_in_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    references, systems = lossy_outputs(40, (0.1, 0.11, 0.11, 0.12))
    variant, baseline = (
        RunStatistics.of([SentenceStatistics(Bleu(), systems[i], [references]) for i in which])
        for which in ((0, 1), (2, 3))
    )
    monkeypatch.setattr(randomisation, "MAX_CELLS", 40 * 32)
    ours = randomisation_p(variant, baseline, trials=60)

    def mean(which: list[list[str]]) -> float:
        return float(np.mean([BLEU().corpus_score(lines, [references]).score for lines in which]))

    observed, extreme = abs(mean(systems[:2]) - mean(systems[2:])), 0
    for coins in np.random.default_rng(12345).integers(2, size=(60, 40), dtype=bool):
        first, second = (
            [
                [x[c] for c, x in zip(coins * 1, zip(a, b, strict=True), strict=True)]
                for a, b in pairs
            ]
            for pairs in both(systems)
        )
        extreme += abs(mean(first) - mean(second)) >= observed - 1e-9
    assert ours == (1 + extreme) / 61


def both(systems: list[list[str]]) -> tuple[list, list]:
    return [(systems[0], systems[2]), (systems[1], systems[3])], [
        (systems[2], systems[0]),
        (systems[3], systems[1]),
    ]


def test_randomisation_over_seeds_is_fair_to_sentences_that_are_hard_for_all() -> None:
    draw = np.random.default_rng(3)
    values = []
    for _ in range(300):
        variant, baseline = (gaussian(3, draw, draw.standard_normal(60), 0.0) for _ in range(2))
        values.append(randomisation_p(variant, baseline, trials=200))
    assert (
        0.02 <= np.mean(np.array(values) < 0.05) <= 0.09
    )  # with a coin for each pair it would be 25 %


# --- several variants


def test_holm_by_hand_and_against_the_definition() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm_factors([0.01, 0.04, 0.03, 0.005]) == [3, 1, 2, 4]
    assert holm([]) == [] and holm([0.2]) == [0.2] and holm([0.9, 0.8]) == [1, 1]
    draw = np.random.default_rng(0)
    for _ in range(50):
        p = draw.choice(
            [0.001, 0.004, 0.011, 0.02, 0.03, 0.2, 0.6], size=draw.integers(1, 8)
        ).tolist()
        for alpha in (0.05, 0.01, 0.2):
            rejected, rank = set(), 0
            order = sorted(range(len(p)), key=lambda i: p[i])
            while rank < len(p) and p[order[rank]] <= alpha / (
                len(p) - rank
            ):  # step down, stop at the first that is kept
                rejected.add(order[rank])
                rank += 1
            # rounding: compare a little inside
            assert {i for i, c in enumerate(holm(p)) if c <= alpha + 1e-12} == rejected
