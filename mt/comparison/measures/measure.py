"""Measures that are ratios of counts: values, 95 % intervals and paired differences of all systems.

Draws and tests are those of BLEU: intervals are over sentences and, with several runs, over seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mt.comparison.measures.scores import clip_interval, score_differences
from mt.comparison.schema.scores import MeasureDifference, MeasureValue
from mt.comparison.statistics.bootstrap import ResampledScores, RunStatistics, resample_scores
from mt.comparison.statistics.ratio import Ratio
from mt.comparison.statistics.significance import estimate


@dataclass(frozen=True, eq=False)
class Measure:
    """One measure of several systems on the same sentences; in per cent."""

    ratios: Mapping[str, Sequence[Ratio]]  # system -> one for each run
    higher_is_better: bool = True
    complement: bool = False  # the value is 100 minus the ratio: an error rate
    maximum: float = 100.0  # of the value

    def runs(self, system: str) -> RunStatistics:
        rows = [
            np.stack([ratio.counts, ratio.totals], axis=1).astype(np.float64)
            for ratio in self.ratios[system]
        ]
        return RunStatistics(rows, self.score, self.higher_is_better)

    def score(self, totals: np.ndarray) -> np.ndarray:
        """Convert sums [R, 2] to values [R]; NaN for 0/0."""
        counts, cases = totals[:, 0], totals[:, 1]
        share = np.divide(counts, cases, out=np.full(len(totals), np.nan), where=cases > 0)
        return 100 * (1 - share if self.complement else share)


def evaluate_measures(
    measures: Mapping[str, Measure], baseline: str, bootstrap: int
) -> dict[str, dict[str, MeasureValue]]:
    """Return measure -> system -> value, with the difference from the baseline.

    A value is None if it would be 0/0. Its interval and difference are None, too, if it would be
    0/0 on some resample; so is the difference if that is true of the baseline.
    """
    keys = {
        (name, system): measure for name, measure in measures.items() for system in measure.ratios
    }
    scores = resample_scores(
        {key: measure.runs(key[1]) for key, measure in keys.items()}, number=bootstrap
    )
    results: dict[str, dict[str, MeasureValue]] = {}
    for name, measure in measures.items():
        resampled = {system: scores[name, system] for system in measure.ratios}
        results[name] = {
            system: measure_value(resampled[system], measure.ratios[system], measure.maximum)
            for system in resampled
        }
        defined = {key: each for key, each in resampled.items() if np.isfinite(each.scores).all()}
        if baseline in defined:
            for each in score_differences(defined, baseline, name):
                results[name][each.system].difference = MeasureDifference(
                    each.effect, each.interval, each.p_holm, each.verdict, each.text
                )
    return results


def measure_value(scores: ResampledScores, ratios: Sequence[Ratio], maximum: float) -> MeasureValue:
    """Return the value of one system from its scores, without a difference."""
    known = bool(np.isfinite(scores.observed).all())
    in_all_resamples = np.isfinite(scores.scores).all()
    return MeasureValue(
        value=float(scores.observed.mean()) if known else None,
        values=[float(value) if np.isfinite(value) else None for value in scores.observed],
        interval=clip_interval(estimate(scores).interval, 0, maximum) if in_all_resamples else None,
        cases=ratios[0].denominator,
        small=any(ratio.small for ratio in ratios),
    )
