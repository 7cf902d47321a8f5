"""Results of equal tuning: each variant is trained with the same settings; validation chooses."""

from __future__ import annotations

from collections.abc import Sequence

from mt.comparison.planning.halving import Rung, choose, promoted
from mt.comparison.planning.trials import Trial
from mt.comparison.schema.tuning import RungValidation, TrialResult, TuningResult


def tuning_result(
    variant: str, trials: Sequence[Trial], rungs: Sequence[Rung], failed: dict[str, str]
) -> TuningResult:
    """Collect the trials of a variant; `failed` holds the reason of each failed run by its path.

    The expected best counts a failed trial as 0 BLEU. With several rungs there is none, because
    trials that were not promoted have no score with the whole budget.
    """
    chosen = choose(trials, rungs)
    groups = [promoted(trials, rungs, number) for number in range(len(rungs))]
    results = []
    for trial in trials:
        planned = [number for number, group in enumerate(groups) if trial in group]
        validations = [trial.validation(number) for number in planned]
        reached = [
            RungValidation(rungs[number].share, validation.bleu, validation.loss)
            for number, validation in zip(planned, validations, strict=True)
            if validation
        ]
        path = str(trial.run.folder)
        results.append(
            TrialResult(
                list(trial.settings),
                reached[-1].bleu if reached else None,
                reached[-1].loss if reached else None,
                trial is chosen,
                path,
                failed.get(path, "not trained") if None in validations else "",
                reached,
            )
        )
    bleu = [result.bleu or 0.0 for result in results]
    return TuningResult(variant, results, expected_best(bleu) if len(rungs) == 1 else [])


def expected_best(scores: Sequence[float]) -> list[float]:
    """Return the expected best score of 1, 2, ... N random trials (Dodge et al. 2019, equation 5).

    The trials are N draws, with replacement, from the N scores: E[max of n] = sum_i v_i ((i / N)^n
    - ((i - 1) / N)^n), with the scores v_1 <= v_2 <= ... <= v_N.
    """
    ordered, total = sorted(scores), len(scores)
    return [
        sum(
            score * ((i / total) ** n - ((i - 1) / total) ** n)
            for i, score in enumerate(ordered, start=1)
        )
        for n in range(1, total + 1)
    ]
