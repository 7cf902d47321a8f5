"""When training ends: at a limit, without improvement, or after a plateau and the final decay."""

from __future__ import annotations

import math
from typing import NamedTuple

from mt.config.schema import Config
from mt.progress_display import format_duration
from mt.training.budget import TrainingBudget
from mt.training.checkpoint import TrainingState
from mt.training.plateau import reached_plateau
from mt.training.selection import criterion
from mt.training.validation import ValidationScores


class CurvePoint(NamedTuple):
    """A validation, as the state of training stores it."""

    step: int
    bleu: float
    loss: float | None


class TimeLeft(NamedTuple):
    """An estimate of the time to the end of training."""

    minutes_left: float | None  # None: unknown, as there is no limit
    may_end_earlier: bool  # at a plateau or without improvement

    def share_done(self, minutes: float) -> float | None:
        """Return the share of the training that is done after some minutes; None if unknown."""
        return None if self.minutes_left is None else minutes / ((minutes + self.minutes_left) or 1)

    def describe(self) -> str:
        """Return the estimate in words."""
        if self.minutes_left is None:
            return "until validations stop improving"
        if self.minutes_left <= 0:
            return "done"
        limit = "at most " if self.may_end_earlier else ""
        return f"{limit}{format_duration(self.minutes_left)} left"


class StoppingRule:
    """The end of training and the beginning of the learning rate's final decay.

    Training ends when a limit of the budget, or trainer.pause_at of it, is reached, when the
    patience runs out or, with trainer.until=plateau, at the plateau. With optim.decay, a plateau
    begins the decay, whose end is the end of training; if no plateau is seen in time, the decay
    ends with the budget. The decay takes optim.decay_share of the steps before it. Everything is a
    function of the settings and the state of training, so that a resumed run ends as an
    uninterrupted one.
    """

    def __init__(self, config: Config, budget: TrainingBudget) -> None:
        self.optim, self.trainer, self.budget = config.optim, config.trainer, budget

    def note_validation(self, state: TrainingState, scores: ValidationScores) -> bool:
        """Add a validation to the curve; return whether the plateau is seen with it.

        There is no plateau before twice the steps of the warm-up, nor once the decay has begun.
        Validations that were cut short, for lack of time, do not count.
        """
        if scores.comparable_bleu is None:
            return False
        loss = None if math.isnan(scores.loss) else scores.loss
        state.curve = [*state.curve, [state.step, scores.comparable_bleu, loss]]
        if self.trainer.until != "plateau" or state.plateau_step:
            return False
        if self.decay_progress(state) is not None:
            return False
        curve = [CurvePoint(*point) for point in state.curve]
        if state.step < 2 * self.optim.warmup or not reached_plateau(curve):
            return False
        state.plateau_step = state.step
        return True

    def note_decay(self, state: TrainingState) -> bool:
        """Note whether the decay has begun before the next step; return whether it begins with it.

        If a raised limit has postponed the decay, forget its validations: they were better than
        those that follow at a higher rate, which would look like a plateau.
        """
        if self.decay_progress(state) is None:
            if state.decay_step:
                state.curve = [point for point in state.curve if point[0] < state.decay_step]
            state.decay_step = 0
        elif not state.decay_step:
            state.decay_step = state.step + 1
            return True
        return False

    def decay_progress(self, state: TrainingState) -> float | None:
        """Return the share of the final decay that is done, from 0; None if it has not begun.

        After a plateau it is counted in steps, otherwise in the share of the budget.
        """
        if self.optim.decay == "none":
            return None
        progress = []
        if self.has_plateau(state):
            progress.append((state.step - state.plateau_step) / self.decay_steps(state))
        begin = 1 / (1 + self.optim.decay_share)
        if (spent := self.budget.fraction_spent(state)) >= begin:
            progress.append((spent - begin) / (1 - begin))
        return max(progress, default=None)

    def decay_steps(self, state: TrainingState) -> int:
        """Return the length of the decay after a plateau, in steps."""
        return max(1, round(self.optim.decay_share * state.plateau_step))

    def is_over(self, state: TrainingState) -> bool:
        """Return whether training ends."""
        is_spent = self.budget.fraction_spent(state) >= self.trainer.pause_at
        return is_spent or self._is_plateau_over(state) or self._is_out_of_patience(state)

    def time_left(self, state: TrainingState) -> TimeLeft:
        """Estimate the time to the end of training, if it goes on as fast as until now."""
        done = self.budget.fraction_spent(state) / self.trainer.pause_at
        may_end_earlier = self.trainer.patience > 0
        if self.trainer.until == "plateau":
            if state.plateau_step:
                done = max(done, state.step / self._last_step(state))
            else:
                may_end_earlier |= self.decay_progress(state) is None
        if not done:
            return TimeLeft(None, may_end_earlier)
        left = state.minutes * (1 - done) / done
        return TimeLeft(max(0.0, left), may_end_earlier)

    def note_pause(self, state: TrainingState) -> bool:
        """Add the best validation so far to the pauses; return whether anything is added.

        The end of a run that has paused counts as a pause.
        """
        pause_at = self.trainer.pause_at
        is_known = any(pause[0] == pause_at for pause in state.pauses)
        if is_known or (pause_at == 1 and not state.pauses):
            return False
        pause = [pause_at, state.best_step, state.best, state.best_loss]
        state.pauses = [*state.pauses, pause]
        return True

    def stopped_improving(self, state: TrainingState) -> bool:
        """Return whether validations had stopped improving, by the plateau or the patience."""
        return self.has_plateau(state) or self._is_out_of_patience(state)

    def has_plateau(self, state: TrainingState) -> bool:
        """Return whether the plateau is seen; a run that goes on until the budget has none."""
        return self.trainer.until == "plateau" and state.plateau_step > 0

    def reason(self, state: TrainingState) -> str:
        """Return why training ends, for a message."""
        if self._is_plateau_over(state):
            decay = ""
            if self.optim.decay != "none":
                decay = f" and the learning rate decayed over {self.decay_steps(state):,} steps"
            return (
                f"reached its plateau at step {state.plateau_step:,} (trainer.until=plateau){decay}"
            )
        if self.budget.fraction_spent(state) >= 1:
            return self.budget.limit_reached(state)
        if self.budget.fraction_spent(state) >= self.trainer.pause_at:
            return f"reached trainer.pause_at={self.trainer.pause_at:.3g} of the budget"
        count = state.validations_since_best
        name = criterion(state, self.trainer.val_metric)
        return f"no improvement by {name} in {count} validations (trainer.patience)"

    def how_to_continue(self, state: TrainingState) -> str:
        """Return what continues a run that is over, for a message."""
        if self._is_plateau_over(state):
            return "set trainer.until=budget and a limit"
        if self.budget.fraction_spent(state) >= 1:
            return "raise the limit"
        paused = self.budget.fraction_spent(state) >= self.trainer.pause_at
        return f"raise {'trainer.pause_at' if paused else 'trainer.patience'}"

    def _is_plateau_over(self, state: TrainingState) -> bool:
        return self.has_plateau(state) and state.step >= self._last_step(state)

    def _last_step(self, state: TrainingState) -> int:
        """Return the last step after a plateau, which is that of the decay if there is one."""
        decay = 0 if self.optim.decay == "none" else self.decay_steps(state)
        return state.plateau_step + decay

    def _is_out_of_patience(self, state: TrainingState) -> bool:
        patience = self.trainer.patience
        return bool(patience and state.validations_since_best >= patience)
