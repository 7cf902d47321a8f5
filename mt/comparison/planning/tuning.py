"""Equal tuning: each variant is trained with the same trial settings, and validation chooses.

A trial is a run with a seed of its own, so that the choice favours none of the runs that are
compared, and without a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mt.comparison.planning.planned_run import PlannedRun
from mt.comparison.schema.tuning import TrialResult, TuningResult
from mt.errors import MTError, UsageError
from mt.run_folder import RunFolder
from mt.tensor_files import read_facts
from mt.training.selection import rank

NO_TEST = "trainer.test=false"


@dataclass(frozen=True)
class Trial:
    """One training of a variant with settings that are tried."""

    settings: tuple[str, ...]  # overrides of mt-train
    run: PlannedRun


def check_distinct(trials: Sequence[Trial]) -> None:
    """Raise UsageError if two trials of a variant are the same training."""
    by_folder: dict[RunFolder, Trial] = {}
    for trial in trials:
        same = by_folder.setdefault(trial.run.folder, trial)
        if same is not trial:
            one, other = (", ".join(each.settings) for each in (same, trial))
            raise UsageError(f"tune: {one} and {other} are the same training")


def choose(trials: Sequence[Trial]) -> Trial | None:
    """Return the finished trial with the best validation, the first of equal ones.

    None if no trial is finished.
    """
    finished = [trial for trial in trials if trial.run.finished()]
    return max(finished, key=validation_rank) if finished else None


def validation_rank(trial: Trial) -> tuple[float, float]:
    """Return a key that is higher for better validations, as mt-train ranks those of a run."""
    facts = validation_facts(trial.run)
    return rank(facts["best"], facts["best_loss"], trial.run.config.trainer.val_metric)


def validation_facts(run: PlannedRun) -> dict[str, Any]:
    """Return the facts that mt-train stored with the best weights.

    Raises MTError if these were lost and replaced, so that their validation is unknown.
    """
    facts = read_facts(run.folder.model)
    if facts["best"] is None:
        raise MTError(
            f"{run.folder} has lost its best model, and the validation of its present one is "
            "unknown: delete the folder and start the same command again"
        )
    return facts


def tuning_result(variant: str, trials: Sequence[Trial], failed: dict[str, str]) -> TuningResult:
    """Collect the trials of a variant; `failed` holds the reason of each failed run by its path.

    The expected best counts a failed trial as 0 BLEU.
    """
    chosen, results = choose(trials), []
    for trial in trials:
        path = str(trial.run.folder)
        facts = validation_facts(trial.run) if trial.run.finished() else {}
        results.append(
            TrialResult(
                list(trial.settings),
                facts.get("bleu"),
                facts.get("loss"),
                trial is chosen,
                path,
                "" if facts else failed.get(path, "not trained"),
            )
        )
    bleu = [result.bleu or 0.0 for result in results]
    return TuningResult(variant, results, expected_best(bleu))


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
