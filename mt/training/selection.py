"""Selection of the best model, and patience.

BLEU cannot tell models apart if few 4-grams match: texts of one or two words have none, and early
models match some by chance. The loss decides then, and whenever two values of BLEU are equal.
"""

from __future__ import annotations

import math

from mt.training.checkpoint import TrainingState
from mt.training.validation import ValidationScores

# BLEU counts only from these values on: a lower score, or one of fewer matches, is mostly noise.
MIN_BLEU = 1.0
MIN_MATCHES = 25  # 4-grams that match in the whole validation set


def update_best(state: TrainingState, scores: ValidationScores, metric: str, warmup: int) -> bool:
    """Note a validation in the state and return whether it is the best so far.

    `metric` is trainer.val_metric. During the `warmup` steps of the learning rate, validations
    without improvement do not count for patience.
    """
    state.validated = state.step
    value = scores.loss if metric == "loss" else reliable_bleu(scores)
    if state.best is None or rank(value, scores.loss, metric) > rank(
        state.best, state.best_loss, metric
    ):
        state.best, state.best_loss = value, scores.loss
        state.best_step, state.validations_since_best = state.step, 0
        return True
    state.validations_since_best += state.step >= warmup
    return False


def reliable_bleu(scores: ValidationScores) -> float:
    """Return the BLEU of a validation; 0 if it cannot tell models apart."""
    bleu = scores.bleu or 0.0
    return bleu if bleu >= MIN_BLEU and scores.matches >= MIN_MATCHES else 0.0


def criterion(state: TrainingState, metric: str) -> str:
    """Return what selected the best model so far: "BLEU" or "loss"."""
    return "BLEU" if metric == "bleu" and (state.best or 0) >= MIN_BLEU else "loss"


def describe_criterion(state: TrainingState, metric: str) -> str:
    """Return `criterion` with the reason if it is not the metric that the settings name."""
    name = criterion(state, metric)
    if name.lower() == metric:
        return name
    return f"loss, because BLEU is below {MIN_BLEU:g} or rests on < {MIN_MATCHES} matching 4-grams"


def rank(value: float, loss: float, metric: str) -> tuple[float, float]:
    """Return a key that is higher for better validations."""
    # Unknown in checkpoints of earlier versions, and NaN if no validation pair has a loss.
    loss = math.inf if math.isnan(loss) else loss
    return (0.0 if metric == "loss" or value < MIN_BLEU else value), -loss
