"""Measures that are a ratio of counts, for every system at once: values, 95 % intervals and paired differences.

The same draws and tests as for BLEU: intervals over sentences and, with several runs, over seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mt.comparison.measures.scores import differences, within
from mt.comparison.statistics.bootstrap import Resampled, Runs, resample_scores
from mt.comparison.statistics.ratio import Ratio
from mt.comparison.statistics.significance import estimate


@dataclass(frozen=True, eq=False)
class Measure:
    """One measure of several systems on the same sentences; in per cent."""

    ratios: Mapping[str, Sequence[Ratio]]  # by system, of each run
    higher_is_better: bool = True
    from_hundred: bool = False  # the value is what the ratio leaves of 100: an error rate
    most: float = 100.0  # what the value cannot exceed

    def runs(self, system: str) -> Runs:
        rows = [
            np.stack([ratio.counts, ratio.totals], axis=1).astype(np.float64)
            for ratio in self.ratios[system]
        ]
        return Runs(rows, self.score, self.higher_is_better)

    def score(self, totals: np.ndarray) -> np.ndarray:
        """Sums [R, 2] -> values [R], NaN for 0/0."""
        share = np.divide(
            totals[:, 0], totals[:, 1], out=np.full(len(totals), np.nan), where=totals[:, 1] > 0
        )
        return 100 * (1 - share if self.from_hundred else share)


def evaluate_measures(
    measures: Mapping[str, Measure], baseline: str, bootstrap: int
) -> dict[str, dict[str, dict[str, Any]]]:
    """measure -> system -> its figure: `value` (mean over runs), `values`, `interval`, `cases` (what the ratio is of, in the first
    run), `small`, `difference` from the baseline.

    A value is None where there is nothing to be a part of; an interval and a difference (of the
    system, or the baseline) are None too where some resample has nothing.
    """
    keys = {
        (name, system): measure for name, measure in measures.items() for system in measure.ratios
    }
    scores = resample_scores(
        {key: measure.runs(key[1]) for key, measure in keys.items()}, number=bootstrap
    )
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, measure in measures.items():
        own = {system: scores[name, system] for system in measure.ratios}
        found[name] = {
            system: _figure(own[system], measure.ratios[system], measure.most) for system in own
        }
        defined = {system: each for system, each in own.items() if np.isfinite(each.scores).all()}
        if baseline in defined:
            for each in differences(defined, baseline):
                system = each.pop("system")
                found[name][system]["difference"] = {
                    key: each[key] for key in ("effect", "interval", "p_holm", "verdict", "text")
                }
    return found


def _figure(scores: Resampled, ratios: Sequence[Ratio], most: float) -> dict[str, Any]:
    known = bool(np.isfinite(scores.observed).all())
    return {
        "value": float(scores.observed.mean()) if known else None,
        "values": [float(value) if np.isfinite(value) else None for value in scores.observed],
        "interval": within(estimate(scores).interval, 0, most)
        if np.isfinite(scores.scores).all()
        else None,
        "cases": ratios[0].denominator,
        "small": any(ratio.small for ratio in ratios),
        "difference": None,
    }
