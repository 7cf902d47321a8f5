"""Estimate how often equal systems that were tuned apart are "not distinguishable".

    python scripts/equal_systems.py [--trials N]

Prints the table in docs/comparison.md ("Chance in the choice"), in three minutes on one core.

Two systems are one method under two names. Each is tuned over four values; the first is the best,
and each has a lower expected score than the one before it, by a gap. Validation chooses: the score
of a value has the noise of a run. The runs of the chosen value are then compared by mt's own test.
If the names chose different values, these runs truly differ, though the methods do not.

Runs are those of scripts/seed_coverage.py, with a deviation between seeds of 1 or 3, so that the
noise of a validation is sqrt(1 + 1) or sqrt(1 + 9). Gaps are multiples of the noise. A row is a way
to tune (`WAYS`; the last is from Bouthillier et al. 2021) and a number of runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mt.comparison.statistics.bootstrap import RunStatistics, resample_scores
from mt.comparison.statistics.significance import compare_systems
from mt.comparison.statistics.verdict import EQUAL, verdict_word
from mt.training.selection import rank
from seed_coverage import RESAMPLES, SENTENCES, parse_trials, simulate

VALUES = 4  # that are tried
BEST = 30.0  # expected score of the best one
GAPS = (0, 0.5, 1, 2)  # between the scores of neighbouring values, as multiples of the noise
SEED_DEVIATIONS = (1, 3)
RUNS = (2, 3, 5)


@dataclass(frozen=True)
class Way:
    """A way to tune."""

    title: str
    searches: int = 1  # that are repeated with other seeds; all verdicts must agree
    trial_seeds: int | None = 1  # whose mean validation is that of a value; None: as many as runs
    each_run: bool = False  # whether each run has a search of its own


WAYS = (
    Way("one trial seed"),
    Way("two searches that agree", searches=2),
    Way("as many trial seeds as runs", trial_seeds=None),
    Way("a search for each run", each_run=True),
)


@dataclass(frozen=True)
class Case:
    """A method: how scores of its values and runs vary."""

    runs: int
    seed_deviation: float
    gap: float  # a multiple of the noise

    @property
    def noise(self) -> float:
        """Return the standard deviation of a validation."""
        return float(np.hypot(1, self.seed_deviation))

    def expected_scores(self) -> np.ndarray:
        """Return the expected score of each value."""
        return BEST - self.gap * self.noise * np.arange(VALUES)


def simulate_values(case: Case, generator: np.random.Generator) -> list[RunStatistics]:
    """Simulate the runs of each value of a system."""
    return [
        simulate(case.runs, case.seed_deviation, generator, np.full(SENTENCES, score))
        for score in case.expected_scores()
    ]


def choose_value(case: Case, trial_seeds: int, generator: np.random.Generator) -> int:
    """Choose a value by validations, as mt does."""
    noise = case.noise / np.sqrt(trial_seeds) * generator.standard_normal(VALUES)
    validations = case.expected_scores() + noise
    return max(range(VALUES), key=lambda value: rank(validations[value], 0.0, "bleu"))


def tune(way: Way, case: Case, generator: np.random.Generator) -> list[RunStatistics]:
    """Simulate a system: for each search, the runs of the values that it chooses."""
    values = simulate_values(case, generator)
    trial_seeds = way.trial_seeds or case.runs
    systems = []
    for _ in range(way.searches):
        first = choose_value(case, trial_seeds, generator)
        chosen = [
            choose_value(case, trial_seeds, generator) if way.each_run and run else first
            for run in range(case.runs)
        ]
        rows = [values[value].rows[run] for run, value in enumerate(chosen)]
        systems.append(RunStatistics(rows, values[first].score))
    return systems


def share_of_equal(way: Way, case: Case, trials: int) -> float:
    """Return the share of comparisons of two equal systems without a verdict, in per cent."""
    generator = np.random.default_rng(0)
    systems = {
        (trial, name, search): system
        for trial in range(trials)
        for name in "ab"
        for search, system in enumerate(tune(way, case, generator))
    }
    resampled = resample_scores(systems, number=RESAMPLES)
    equal = 0
    for trial in range(trials):
        differences = [
            compare_systems(resampled[trial, "a", search], resampled[trial, "b", search])
            for search in range(way.searches)
        ]
        words = {verdict_word(difference, difference.p) for difference in differences}
        equal += len(words) > 1 or words == {EQUAL}
    return 100 * equal / trials


def main(trials: int) -> None:
    """Print the table: a column for each deviation of seeds and gap."""
    columns = [(deviation, gap) for deviation in SEED_DEVIATIONS for gap in GAPS]
    header = "".join(f"{f'{deviation}, {gap:g}':>8}" for deviation, gap in columns)
    print(f"{'seeds, gap':36}{header}")
    for way in WAYS:
        for runs in RUNS:
            title = f"{way.title}, {runs} runs"
            print(f"{title:36}", end="")
            for deviation, gap in columns:
                share = share_of_equal(way, Case(runs, deviation, gap), trials)
                print(f"{share:8.1f}", end="", flush=True)
            print()


if __name__ == "__main__":
    main(parse_trials(__doc__, default=1000))
