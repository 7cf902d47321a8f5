"""Say how good a trained model is, what limited it, and what to type next."""

from __future__ import annotations

import math
import shlex
import statistics
from collections.abc import Sequence
from typing import Any

from mt.config.schema import TrainerConfig
from mt.run_folder import RunFolder
from mt.training.checkpoint import TrainingState
from mt.training.plateau import reached_plateau
from mt.training.selection import criterion
from mt.training.stopping import CurvePoint, StoppingRule

# Validation loss over training loss, in nats per token, from which on the model knows its training
# text better than the language.
GAP = 0.2
RECENT = 0.2  # share of the steps whose training loss counts
# BLEU below which -> what the translations are, as a rule of thumb (docs/guide.md).
QUALITY = (
    (10, "of no use yet"),
    (20, "enough to guess the topic"),
    (40, "drafts, of which many need editing"),
    (60, "good drafts"),
    (math.inf, "almost the references"),
)


def describe_best(state: TrainingState, config: TrainerConfig, folder: RunFolder) -> str:
    """Return a line on the weights that are the model of a run."""
    name = criterion(state, config.val_metric)
    if config.init_from and state.validated >= 0 and not state.best_step:
        return (
            f"no validation was better by {name} than the initial one: {folder} has the weights of "
            f"{config.init_from}; a lower optim.lr may help"
        )
    return (
        f"best validation by {name} at step {state.best_step:,} of {state.step:,}; "
        f"model in {folder}"
    )


def describe_outcome(
    state: TrainingState, stopping: StoppingRule, folder: RunFolder, bleu: float | None
) -> list[str]:
    """Return lines on the quality of a model, the limit of its training and the next commands.

    `bleu` is that of the test, None without one.
    """
    limit = describe_limit(state, stopping, folder.read_metrics())
    path = shlex.quote(str(folder))
    lines = [
        f"what limited it: {limit}",
        f"to translate:    mt-translate {path} < in.txt > out.txt",
    ]
    if bleu is not None:
        lines = [
            f"how good it is:  {describe_quality(bleu)}",
            *lines,
            f"to look closer:  mt-evaluate {path}",
        ]
    return lines


def describe_quality(bleu: float) -> str:
    """Return what a BLEU score means on text like that of the test, as a rule of thumb."""
    quality = next(quality for limit, quality in QUALITY if bleu < limit)
    return f"on text like the test set, probably {quality} ({bleu:.1f} BLEU); read some to be sure"


def describe_limit(
    state: TrainingState, stopping: StoppingRule, records: Sequence[dict[str, Any]]
) -> str:
    """Say whether time or another limit, text or the size of the model limited a training.

    `records` are those of metrics.jsonl. A limit: neither a plateau nor trainer.patience ended the
    training, and validations were still improving before the rate began to fall. (A falling rate
    improves them in any case.) Text: the loss of the training text is lower than that of the
    validation text by more than `GAP`, although dropout raises it.
    """
    curve = [CurvePoint(*point) for point in state.curve]
    before = [point for point in curve if not state.decay_step or point.step < state.decay_step]
    is_flat = stopping.stopped_improving(state) or reached_plateau(before)
    if is_flat is None or (stopping.optim.schedule == "cosine" and not is_flat):
        return "unknown: too few validations, or a rate that falls all the time"
    if not is_flat:
        limit = stopping.budget.nearest_limit(state)
        limit = f"time ({limit})" if limit.startswith("trainer.max_minutes=") else limit
        return (
            f"{limit}; validations were still improving: raise the limit, and the same command "
            "continues this run"
        )
    losses = [
        record["nll"]
        for record in records
        if record["kind"] == "train" and record["step"] > (1 - RECENT) * state.step
    ]
    validation = min((point.loss for point in curve if point.loss is not None), default=None)
    if not losses or validation is None:
        return "unknown, as there are no losses"
    training = statistics.fmean(losses)
    compared = f"loss {training:.2f} in training, {validation:.2f} in validation"
    if validation - training > GAP:
        return (
            f"the text; the model knows it better than the language ({compared}): more pairs would "
            "help; more dropout or regularise=simcut may"
        )
    return (
        f"the size of the model, or the text ({compared}): a larger model/size, less dropout or "
        "more pairs may help"
    )
