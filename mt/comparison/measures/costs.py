"""Cost and validation curve of a run, read from the run directory."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from mt.comparison.schema.systems import Cost, ValidationPoint
from mt.comparison.schema.typed_json import from_json
from mt.config.schema import Config
from mt.errors import MTError
from mt.run_folder import RunFolder
from mt.training.plateau import reached_plateau

MAX_BLEU_LEVELS = 5  # for which the time to reach them is given
COST_FIELDS = [field.name for field in dataclasses.fields(Cost)]


def read_cost(folder: RunFolder) -> Cost | None:
    """Return the contents of `cost.json`, or None if an earlier version of mt trained the run.

    Raises MTError if the file is damaged.
    """
    content = folder.read_cost()
    if content is None:
        return None
    try:
        cost = from_json(Cost, {key: content[key] for key in COST_FIELDS if key in content})
    except MTError as error:
        raise MTError(
            f"cannot read {folder.cost}: {error}; delete it to go on without the costs of this run"
        ) from error
    if cost.test_sentences is not None and cost.test_seconds:
        cost.sentences_per_second = cost.test_sentences / cost.test_seconds
    return cost


def mean_cost(costs: Sequence[Cost | None]) -> Cost | None:
    """Return means over the runs, or None if a run has no costs.

    What is no number in every run (the device) is kept if all runs agree, and None otherwise.
    """
    known = [vars(cost) for cost in costs if cost is not None]
    if not known or len(known) < len(costs):
        return None
    mean = Cost()
    for name in COST_FIELDS:
        values = [cost[name] for cost in known]
        if all(isinstance(value, int | float) for value in values):
            setattr(mean, name, sum(values) / len(values))
        elif all(value == values[0] for value in values):
            setattr(mean, name, values[0])
    return mean


def read_curve(folder: RunFolder) -> list[ValidationPoint]:
    """Return the validations of a run; none if there is no record of them."""
    tokens: int | None = None
    curve = []
    for record in folder.read_metrics():
        # Records of validations of older versions lack it: the training record before has it.
        tokens = record.get("target_tokens", tokens)
        numbers = [record.get(key) for key in ("step", "minutes", "bleu")]
        if record.get("kind") == "val" and all(isinstance(each, int | float) for each in numbers):
            loss = record.get("loss")
            known = isinstance(loss, int | float) and math.isfinite(loss)
            curve.append(
                ValidationPoint(
                    step=record["step"],
                    minutes=record["minutes"],
                    target_tokens=tokens,
                    bleu=record["bleu"],
                    loss=loss if known else None,
                )
            )
    return curve


def recorded_step(folder: RunFolder, kind: str) -> int | None:
    """Return the step of the last record of a kind, plateau or decay; None if there is none."""
    steps = [record.get("step") for record in folder.read_metrics() if record.get("kind") == kind]
    return next((step for step in reversed(steps) if isinstance(step, int)), None)


def is_still_improving(
    curve: Sequence[ValidationPoint], plateau_step: int | None, config: Config
) -> bool:
    """Return whether training ended before its plateau; False if that is unknown.

    A run with trainer.until=plateau has recorded its plateau. Its curve alone would not show it,
    because the final decay improves the model once more. One that trainer.patience ended had
    stopped improving, however much it learned before.
    """
    if plateau_step is not None or ran_out_of_patience(curve, config):
        return False
    return reached_plateau(curve) is False


def ran_out_of_patience(curve: Sequence[ValidationPoint], config: Config) -> bool:
    """Return whether as many validations as trainer.patience followed the best one."""
    # Imported here because files need not wait for PyTorch.
    from mt.training.selection import rank

    patience, metric = config.trainer.patience, config.trainer.val_metric
    if not patience or not curve:
        return False
    ranks = [
        rank(each.bleu, math.nan if each.loss is None else each.loss, metric) for each in curve
    ]
    after = curve[ranks.index(max(ranks)) + 1 :]
    return sum(each.step >= config.optim.warmup for each in after) >= patience


def bleu_levels(curves: Sequence[Sequence[ValidationPoint]]) -> list[int]:
    """Return round values of validation BLEU, up to the best of any run."""
    best = max((point.bleu for curve in curves for point in curve), default=0.0)
    fits = (step for step in (1, 2, 5, 10) if best / step < MAX_BLEU_LEVELS + 1)
    step = next(fits, 20)
    return list(range(step, int(best) + 1, step))


def minutes_to_bleu(
    curve: Sequence[ValidationPoint], levels: Sequence[int]
) -> dict[str, float | None]:
    """Return the minutes to the first validation that reached each level; None if none did."""
    return {
        str(level): next((point.minutes for point in curve if point.bleu >= level), None)
        for level in levels
    }
