"""Trials: trainings of a variant with settings that are tried, and their validation.

A trial has a seed of its own, so that the choice favours none of the runs that are compared, and no
test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mt.comparison.planning.planned_run import PlannedRun
from mt.errors import MTError, UsageError
from mt.run_folder import RunFolder
from mt.tensor_files import read_facts
from mt.training.selection import rank

NO_TEST = "trainer.test=false"


@dataclass(frozen=True)
class TrialValidation:
    """The best validation of a trial so far."""

    bleu: float | None
    loss: float | None
    rank: tuple[float, float]  # higher for better validations, as mt-train ranks those of a run


@dataclass(frozen=True)
class Trial:
    """One training of a variant with settings that are tried."""

    settings: tuple[str, ...]  # overrides of mt-train
    # One for each rung, in the same folder: each continues the one before. Without halving there is
    # one, with the whole budget.
    runs: tuple[PlannedRun, ...]

    @property
    def run(self) -> PlannedRun:
        """The run of the last rung."""
        return self.runs[-1]

    def validation(self, rung: int) -> TrialValidation | None:
        """Return the best validation until the end of a rung; None if it is not trained so far.

        Raises MTError if that is lost.
        """
        run = self.runs[rung]
        if self.runs[0].config.trainer.pause_at < 1:
            return paused_validation(run)
        return final_validation(run) if run.finished() else None

    def ended(self, rung: int) -> bool:
        """Return whether there is nothing to train for a rung: it is done, or has diverged."""
        return self.validation(rung) is not None or bool(self.run.divergence())


def check_distinct(trials: Sequence[Trial]) -> None:
    """Raise UsageError if two trials of a variant are the same training."""
    by_folder: dict[RunFolder, Trial] = {}
    for trial in trials:
        same = by_folder.setdefault(trial.run.folder, trial)
        if same is not trial:
            one, other = (", ".join(each.settings) for each in (same, trial))
            raise UsageError(f"tune: {one} and {other} are the same training")


def final_validation(run: PlannedRun) -> TrialValidation:
    """Return the validation that mt-train stored with the best weights.

    Raises MTError if these were lost and replaced, so that their validation is unknown.
    """
    facts = read_facts(run.folder.model)
    order = rank_values(run, facts["best"], facts["best_loss"])
    return TrialValidation(facts.get("bleu"), facts.get("loss"), order)


def paused_validation(run: PlannedRun) -> TrialValidation | None:
    """Return the best validation until a pause, which mt-train notes in the checkpoint.

    None if the run has not reached it. Raises MTError as `final_validation` does.
    """
    if not run.folder.checkpoint.is_file():
        return None
    facts = read_facts(run.folder.checkpoint)
    for pause_at, step, best, best_loss in facts.get("pauses", []):
        if pause_at == run.config.trainer.pause_at:
            scores = (row[1:] for row in facts["curve"] if row[0] == step)
            bleu, loss = next(scores, (None, None))
            return TrialValidation(bleu, loss, rank_values(run, best, best_loss))
    return None


def rank_values(run: PlannedRun, best: float | None, best_loss: float) -> tuple[float, float]:
    """Return the rank of a validation. Raises MTError if it is unknown."""
    if best is None:
        raise MTError(
            f"{run.folder} has lost its best model, and the validation of its present one is "
            "unknown: delete the folder and start the same command again"
        )
    return rank(best, best_loss, run.config.trainer.val_metric)
