"""The plateau of a training run, judged by its validations.

A run has reached it if doubling the budget brings next to nothing: the validation loss falls by
under 0.01 nats per token (1 % of the perplexity) or 1 % of itself, whichever is more, and
validation BLEU rises by under 0.5 points or 3 % of itself, whichever is more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

MIN_LOSS_FALL = 0.01  # nats per token
MIN_LOSS_FALL_SHARE = 0.01  # of the loss
MIN_BLEU_RISE = 0.5  # points
MIN_BLEU_RISE_SHARE = 0.03  # of BLEU
MIN_VALIDATIONS = 3


class Validation(Protocol):
    """A validation of the model after some steps."""

    @property
    def step(self) -> int: ...

    @property
    def bleu(self) -> float: ...

    @property
    def loss(self) -> float | None: ...


def reached_plateau(validations: Sequence[Validation]) -> bool | None:
    """Return whether the second half of the steps brought next to nothing.

    Compares the best values of the first half with those of all validations, which are in the order
    of their steps; one before the first step, in fine-tuning, does not count. Without losses, BLEU
    decides. None if it is unknown: there are fewer than `MIN_VALIDATIONS`, or none in the first
    half.
    """
    validations = [each for each in validations if each.step]
    half = [each for each in validations if 2 * each.step <= validations[-1].step]
    if len(validations) < MIN_VALIDATIONS or not half:
        return None
    before, after = (max(each.bleu for each in part) for part in (half, validations))
    if after - before >= max(MIN_BLEU_RISE, MIN_BLEU_RISE_SHARE * before):
        return False
    losses = [[each.loss for each in part if each.loss is not None] for part in (half, validations)]
    if not losses[0]:
        return True
    loss_before, loss_after = (min(part) for part in losses)
    return loss_before - loss_after < max(MIN_LOSS_FALL, MIN_LOSS_FALL_SHARE * loss_before)
