"""Estimate how often 95 % intervals over seeds and sentences cover the true value.

    python scripts/seed_coverage.py [--trials N]

Prints the table in mt/comparison/statistics/significance.py, in a minute on one core.

The scores of a run are simulated as a sum of three effects: of the sentence, common to all runs
(standard deviation of its mean over the test set: 1); of run and sentence (1); and of the seed (0,
1, 3). A difference is that of two such systems. Only the first has the effect of the sentence, or
neither has it if both use the same method.

The methods are `mt`, which is the package's; `pigeonhole`, which resamples seeds and sentences
independently (Owen 2007); and `corrected`, which is the same with deviations between seeds scaled
by sqrt(K / (K - 1)) for K runs. The last line is the share of false positives of paired tests of
two equal systems with one run each.
"""

from __future__ import annotations

import argparse

import numpy as np

from mt.comparison.statistics.bootstrap import ResampledScores, RunStatistics, resample_scores
from mt.comparison.statistics.significance import compare_systems, estimate

SENTENCES, RESAMPLES = 100, 400
SEED_DEVIATIONS = (0, 1, 3)  # standard deviations of the effect of the seed
METHODS = ("mt", "pigeonhole", "corrected")


def simulate(
    runs: int, seed_deviation: float, generator: np.random.Generator, common: np.ndarray
) -> RunStatistics:
    """Simulate a system whose expected score is 0; `common` [N] holds the effects of sentences."""
    values = (
        common
        + generator.standard_normal((runs, SENTENCES)) * np.sqrt(SENTENCES)
        + seed_deviation * generator.standard_normal((runs, 1))
    )
    return RunStatistics(list(values[..., None]), lambda totals: totals[:, 0] / SENTENCES)


def pigeonhole(
    systems: list[ResampledScores], correction: float, generator: np.random.Generator
) -> tuple[float, float]:
    """Return the 95 % interval of a score or of a difference of two, by the pigeonhole bootstrap.

    `correction` scales the deviations of resampled runs from the mean over runs.
    """
    draws = 0
    for sign, system in zip((1, -1), systems, strict=False):
        chosen = np.take_along_axis(
            system.scores, generator.integers(system.runs, size=system.scores.shape), axis=0
        ).mean(0)
        deviation = (correction - 1) * (chosen - system.scores.mean(0))
        draws = draws + sign * (chosen + deviation)
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def coverage(
    runs: int,
    seed_deviation: float,
    sides: int,
    common_scale: float,
    trials: int,
    generator: np.random.Generator,
) -> list[float]:
    """Return the share of trials whose interval covers 0, in per cent, by method.

    The interval is that of one system's score (`sides` 1) or of a difference of two (2).
    `common_scale` scales the effect of sentences in the first system; the second has none.
    """
    systems = {}
    for trial in range(trials):
        common = common_scale * generator.standard_normal(SENTENCES) * np.sqrt(SENTENCES)
        systems[trial, 0] = simulate(runs, seed_deviation, generator, common)
        if sides == 2:
            systems[trial, 1] = simulate(runs, seed_deviation, generator, 0 * common)
    resampled = resample_scores(systems, number=RESAMPLES)
    covered = np.zeros(len(METHODS))
    for trial in range(trials):
        both = [resampled[trial, side] for side in range(sides)]
        of_mt = compare_systems(*both).interval if sides == 2 else estimate(both[0]).interval
        intervals = [
            of_mt,
            pigeonhole(both, 1, generator),
            pigeonhole(both, np.sqrt(runs / (runs - 1)), generator),
        ]
        covered += [low <= 0 <= high for low, high in intervals]
    return list(100 * covered / trials)


def parse_trials(description: str | None, default: int) -> int:
    """Return the number of trials from the command line."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=default, metavar="N")
    return int(parser.parse_args().trials)


def main(trials: int) -> None:
    """Print the table, and the rate of false positives."""
    generator = np.random.default_rng(0)
    print(f"{'':24}" + "".join(f"{method:20}" for method in METHODS))
    for sides, common_scale, label in (
        (1, 1, "one system"),
        (2, 1, "difference"),
        (2, 0, "same method"),
    ):
        for runs in (2, 3, 5):
            rates = np.transpose(
                [
                    coverage(runs, deviation, sides, common_scale, trials, generator)
                    for deviation in SEED_DEVIATIONS
                ]
            )
            cells = [" ".join(f"{rate:5.1f}" for rate in row) for row in rates]
            title = f"{label}, {runs} seeds"
            print(f"{title:24}" + "".join(f"{cell:20}" for cell in cells), flush=True)
    print_false_positives(trials, generator)


def print_false_positives(trials: int, generator: np.random.Generator) -> None:
    """Print how often paired tests find a difference between equal systems with one run each."""
    systems = {
        (trial, side): simulate(1, 0, generator, np.zeros(SENTENCES))
        for trial in range(trials)
        for side in range(2)
    }
    resampled = resample_scores(systems, number=RESAMPLES)
    positives = np.zeros(2)
    for trial in range(trials):
        result = compare_systems(resampled[trial, 0], resampled[trial, 1])
        positives += [result.p < 0.05, (result.p_sacrebleu or 0) < 0.05]
    of_mt, of_sacrebleu = 100 * positives / trials
    print(
        f"one run each, equal systems: p < 0.05 in {of_mt:.1f} %, "
        f"by sacreBLEU's formula in {of_sacrebleu:.1f} %"
    )


if __name__ == "__main__":
    main(parse_trials(__doc__, default=2000))
