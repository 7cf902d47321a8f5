"""How often do 95 % intervals over seeds and sentences hold the truth? The table of mt/comparison/statistics/significance.py.

    python scripts/seed_coverage.py [trials]

Simulated scores: a sentence's effect common to all runs (standard deviation of its mean over the
test set: 1), an interaction of run and sentence (1), and a seed's effect (0, 1, 3). A difference is
of two such systems, of which one has the common effect, or, being the same method, none. `mt` is
what the package does; `pigeonhole` resamples seeds and sentences alike (Owen 2007); `corrected`
widens its deviations between seeds by sqrt(K / (K - 1)). Then: how often paired tests of one run
each find a difference between equals. A minute on one core.
"""

from __future__ import annotations

import sys

import numpy as np

from mt.comparison.statistics.bootstrap import Resampled, Runs, resample_scores
from mt.comparison.statistics.significance import compare_systems, estimate

SENTENCES, RESAMPLES = 100, 400
SEEDS = (0, 1, 3)  # standard deviations
METHODS = ("mt", "pigeonhole", "corrected")


def simulate(runs: int, seeds: float, draw: np.random.Generator, common: np.ndarray) -> Runs:
    """A system whose expected score is 0; `common` [N] is the sentences' effect."""
    values = (
        common
        + draw.standard_normal((runs, SENTENCES)) * np.sqrt(SENTENCES)
        + seeds * draw.standard_normal((runs, 1))
    )
    return Runs(list(values[..., None]), lambda totals: totals[:, 0] / SENTENCES)


def pigeonhole(
    systems: list[Resampled], correction: float, draw: np.random.Generator
) -> tuple[float, float]:
    draws = 0
    for sign, system in zip((1, -1), systems, strict=False):
        chosen = np.take_along_axis(
            system.scores, draw.integers(system.runs, size=system.scores.shape), axis=0
        ).mean(0)
        deviation = (correction - 1) * (chosen - system.scores.mean(0))
        draws = draws + sign * (chosen + deviation)
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def coverage(
    runs: int, seeds: float, sides: int, own: float, trials: int, draw: np.random.Generator
) -> list[float]:
    """Per cent of the trials whose interval holds 0, by method.

    `sides` 1: of a system; 2: of a difference. `own` scales the sentences' effect of the first
    system, which the second lacks.
    """
    systems = {}
    for trial in range(trials):
        common = own * draw.standard_normal(SENTENCES) * np.sqrt(SENTENCES)
        systems[trial, 0] = simulate(runs, seeds, draw, common)
        if sides == 2:
            systems[trial, 1] = simulate(runs, seeds, draw, 0 * common)
    scored = resample_scores(systems, number=RESAMPLES)
    held = np.zeros(len(METHODS))
    for trial in range(trials):
        both = [scored[trial, side] for side in range(sides)]
        ours = compare_systems(*both).interval if sides == 2 else estimate(both[0]).interval
        intervals = [
            ours,
            pigeonhole(both, 1, draw),
            pigeonhole(both, np.sqrt(runs / (runs - 1)), draw),
        ]
        held += [low <= 0 <= high for low, high in intervals]
    return list(100 * held / trials)


def main(trials: int) -> None:
    draw = np.random.default_rng(0)
    print(f"{'':24}" + "".join(f"{method:20}" for method in METHODS))
    for sides, own, label in ((1, 1, "one system"), (2, 1, "difference"), (2, 0, "same method")):
        for runs in (2, 3, 5):
            rates = np.transpose(
                [coverage(runs, seeds, sides, own, trials, draw) for seeds in SEEDS]
            )
            print(
                f"{f'{label}, {runs} seeds':24}"
                + "".join(f"{' '.join(f'{rate:5.1f}' for rate in row):20}" for row in rates),
                flush=True,
            )
    alarms = np.zeros(2)
    pairs = {
        (t, side): simulate(1, 0, draw, np.zeros(SENTENCES))
        for t in range(trials)
        for side in range(2)
    }
    scored = resample_scores(pairs, number=RESAMPLES)
    for t in range(trials):
        result = compare_systems(scored[t, 0], scored[t, 1])
        alarms += [result.p < 0.05, (result.p_sacrebleu or 0) < 0.05]
    print(
        "one run each, equal systems: p < 0.05 in {:.1f} %, by sacreBLEU's formula in {:.1f} %".format(
            *(100 * alarms / trials)
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
