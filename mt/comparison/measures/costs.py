"""What a run cost and how it came to its score: read from what mt-train left in its folder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mt.errors import MTError
from mt.run_folder import RunFolder

STILL_IMPROVING = 0.5  # BLEU on the validation set gained in the last fifth of training
FEWEST = 3  # validations that show whether a run was still improving
LEVELS = 5  # at most so many levels of BLEU, of which the time to reach them is given


def read_cost(folder: RunFolder) -> dict[str, Any] | None:
    """Return what `cost.json` says, with `sentences_per_second` of the test; None of a run by a version of mt that wrote none."""
    cost = folder.read_cost()
    if cost is None:
        return None
    try:
        seconds = cost.get("test_seconds")
        return cost | {
            "sentences_per_second": cost["test_sentences"] / seconds if seconds else None
        }
    except (KeyError, TypeError) as error:
        raise MTError(
            f"cannot read {folder.cost}: {error!r}; delete it to go on without the costs of this run"
        ) from error


def mean_cost(costs: Sequence[dict[str, Any] | None]) -> dict[str, Any] | None:
    """Means over the runs; what is no number (the device) where all agree. None where a run has none."""
    known = [cost for cost in costs if cost is not None]
    if not known or len(known) < len(costs):
        return None
    found: dict[str, Any] = {}
    for key in known[0]:
        values = [cost.get(key) for cost in known]
        if all(isinstance(value, int | float) for value in values):
            found[key] = sum(values) / len(values)  # type: ignore[arg-type]
        else:
            found[key] = values[0] if all(value == values[0] for value in values) else None
    return found


def read_curve(folder: RunFolder) -> list[dict[str, Any]]:
    """The validations of a run: step, minutes, target_tokens, bleu, loss. Empty where there is no record."""
    tokens, curve = None, []
    for record in folder.read_metrics():
        tokens = record.get(
            "target_tokens", tokens
        )  # each validation comes after a training record of its step
        if record.get("kind") == "val" and all(
            isinstance(record.get(key), int | float) for key in ("step", "minutes", "bleu")
        ):
            loss = record.get("loss")
            curve.append(
                {"target_tokens": tokens}
                | {key: record[key] for key in ("step", "minutes", "bleu")}
            )
            curve[-1]["loss"] = (
                loss if isinstance(loss, int | float) and math.isfinite(loss) else None
            )  # there is no NaN in JSON
    return curve


def still_improving(curve: Sequence[dict[str, Any]]) -> bool:
    """Whether validation BLEU rose by more than STILL_IMPROVING in the last fifth of the training's steps.

    The best so far is what counts: what rises and falls is noise. False where there are too few
    validations to say.
    """
    if len(curve) < FEWEST:
        return False
    before = [each["bleu"] for each in curve if each["step"] <= 0.8 * curve[-1]["step"]] or [
        curve[0]["bleu"]
    ]
    return max(each["bleu"] for each in curve) - max(before) > STILL_IMPROVING


def levels(curves: Sequence[Sequence[dict[str, Any]]]) -> list[int]:
    """Round figures of validation BLEU up to the best that any run reached: what to ask the time of."""
    best = max((each["bleu"] for curve in curves for each in curve), default=0.0)
    step = next((step for step in (1, 2, 5, 10) if best / step < LEVELS + 1), 20)
    return list(range(step, int(best) + 1, step))


def reaches(curve: Sequence[dict[str, Any]], wanted: Sequence[int]) -> dict[str, float | None]:
    """Minutes until the first validation with so much BLEU or more; None where none has."""
    return {
        str(level): next((each["minutes"] for each in curve if each["bleu"] >= level), None)
        for level in wanted
    }
