"""The rules for settings that are `auto`: from the text, the budget and the speed of the machine.

Each choice has a reason for the reader of the log. Training is planned in target tokens: limits in
minutes become tokens by the measured speed. docs/automatic-settings.md has the measurements behind
the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mt.cli import format_duration
from mt.config.automatic import open_keys, with_defaults, with_values
from mt.config.checks import check_values
from mt.config.hydra_files import read_settings
from mt.config.presets import config_dir
from mt.config.schema import Config, keys
from mt.config.setting import default_value
from mt.data.prepare import PreparedData

# Size of the model -> the target tokens of training that it needs to be worth its cost, and the
# target tokens of text that it needs.
SIZES = {"tiny": (0, 0), "small": (600_000, 100_000), "base": (30_000_000, 5_000_000)}
VALIDATION_SHARE = 0.1  # of the minutes, for validations
STEPS = 3000  # optimizer steps to aim at: smaller batches for shorter trainings
BATCH_TOKENS = {"cpu": (1024, 4096), "gpu": (4096, 16384)}  # smallest and largest batch
BATCHES_PER_EPOCH = 50  # at least
MAX_PADDING = 1.1  # positions of a batch over its target tokens, about
VALIDATIONS = 20  # in a training
# Epochs -> dropout: the more often a text is seen, the more.
DROPOUT = ((1.5, 0.0), (5, 0.1), (20, 0.2), (math.inf, 0.3))

MeasureSpeed = Callable[[Config], float]  # target tokens per second of training, on all ranks


@dataclass(frozen=True)
class TextFacts:
    """What the rules know about the prepared training text."""

    pairs: int  # in an epoch
    target_tokens: int  # in an epoch


@dataclass(frozen=True)
class Choice:
    """The values of one or more settings, and why."""

    values: dict[str, Any]  # by dotted key
    reason: str

    def __str__(self) -> str:
        settings = " ".join(f"{key}={value}" for key, value in self.values.items())
        return f"auto: {settings}: {self.reason}"


def text_facts(data: PreparedData) -> TextFacts:
    """Return the facts of the prepared text."""
    return TextFacts(
        round(sum(len(table) * table.weight for table in data.train)),
        round(sum(float(np.sum(table.tgt_lengths)) * table.weight for table in data.train)),
    )


def choose_settings(
    config: Config, text: TextFacts, is_gpu: bool, ranks: int, measure: MeasureSpeed
) -> tuple[Config, list[Choice]]:
    """Choose all settings that are `auto`; return the settings without any, and the choices.

    `measure` is called only if it is needed: for limits in minutes. Raises UsageError if the
    choices contradict the settings that are given.
    """
    chosen: list[Choice] = []

    def apply(values: dict[str, Any], reason: str) -> None:
        nonlocal config
        own = {key: value for key, value in values.items() if key in open_keys(config)}
        if own:
            config = with_values(config, own)
            chosen.append(Choice(own, reason))

    config, planned, choice = choose_size(config, text, is_gpu, measure)
    chosen += choice
    apply(*choose_end(config))
    apply(*choose_batch(text, planned, is_gpu, ranks))
    batch = config.trainer.batch_tokens * config.trainer.accumulate * ranks / MAX_PADDING
    steps = (planned.tokens or math.inf) / batch
    if config.trainer.max_steps:
        steps = min(steps, config.trainer.max_steps)
    epochs = steps * batch / text.target_tokens
    apply(*choose_optimizer(config))
    apply(*choose_rate(config))
    apply(*choose_warmup(steps))
    apply(*choose_average(steps))
    apply(*choose_dropout(epochs, text))
    apply(*choose_validations(steps, text.target_tokens / batch))
    check_values(config)
    return config, chosen


@dataclass(frozen=True)
class PlannedTraining:
    """How much will be trained."""

    tokens: float | None  # target tokens; None if it is not known
    reason: str


def choose_size(
    config: Config, text: TextFacts, is_gpu: bool, measure: MeasureSpeed
) -> tuple[Config, PlannedTraining, list[Choice]]:
    """Choose the largest model that the text and the training allow.

    Returns the settings, the planned training of the model, and the choice, none if its settings
    are given.
    """
    if not any(key.startswith("model.") and key != "model.dropout" for key in open_keys(config)):
        return config, plan_training(config, text, measure), []
    allowed = [name for name, (_, tokens) in SIZES.items() if text.target_tokens >= tokens]
    reason = f"{text.target_tokens:,} target tokens of text"
    if not is_gpu and "base" in allowed and not is_limited(config):
        allowed.remove("base")
        reason += ", no GPU and no limit"
    for name in reversed(allowed):
        sized = with_values(config, size_values(config, name))
        planned = plan_training(sized, text, measure)
        if planned.tokens is None or planned.tokens >= SIZES[name][0] or name == allowed[0]:
            break
    if planned.reason:
        reason += f", {planned.reason}"
    return sized, planned, [Choice({"model/size": name}, reason)]


def size_values(config: Config, name: str) -> dict[str, Any]:
    """Return the values of the open settings of the model that a size has."""
    content = read_settings(config_dir() / "model" / "size" / f"{name}.yaml")
    values: dict[str, Any] = {}
    for key in open_keys(config):
        section, *path = key.split(".")
        if section != "model" or key == "model.dropout":
            continue
        value = content
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        values[key] = default_value(keys()[key]) if value is None else int(value)
    return values


def is_limited(config: Config) -> bool:
    """Return whether training has a limit."""
    trainer = config.trainer
    limits = ("steps", "epochs", "minutes", "target_tokens", "flops")
    return any(getattr(trainer, f"max_{limit}") for limit in limits)


def plan_training(config: Config, text: TextFacts, measure: MeasureSpeed) -> PlannedTraining:
    """Return the target tokens until the nearest limit; a limit in steps or FLOPs tells nothing."""
    trainer = config.trainer
    limits: list[PlannedTraining] = []
    if trainer.max_target_tokens:
        tokens = trainer.max_target_tokens
        limits.append(PlannedTraining(tokens, f"trainer.max_target_tokens={tokens:,}"))
    if trainer.max_epochs:
        tokens = round(trainer.max_epochs * text.target_tokens)
        limits.append(PlannedTraining(tokens, f"{trainer.max_epochs:g} epochs"))
    if trainer.max_minutes:
        speed = measure(with_defaults(config))
        tokens = round((1 - VALIDATION_SHARE) * trainer.max_minutes * 60 * speed)
        limits.append(
            PlannedTraining(
                tokens,
                f"about {tokens:,} tokens in {format_duration(trainer.max_minutes)} "
                f"at {speed:,.0f} a second",
            )
        )
    return min(limits, key=lambda each: each.tokens or 0, default=PlannedTraining(None, ""))


def choose_end(config: Config) -> tuple[dict[str, Any], str]:
    """End at a plateau, if the schedule and the validations allow it."""
    trainer = config.trainer
    if config.optim.schedule == "cosine":
        return {"trainer.until": "budget"}, "the schedule ends with the budget"
    if trainer.patience:
        return {"trainer.until": "budget"}, "trainer.patience ends training"
    if not trainer.val_every and not trainer.val_minutes:
        return {"trainer.until": "budget"}, "there are no validations before the end"
    return {
        "trainer.until": "plateau"
    }, "training ends when validations stop improving, or at a limit"


def choose_batch(
    text: TextFacts, planned: PlannedTraining, is_gpu: bool, ranks: int
) -> tuple[dict[str, Any], str]:
    """Choose a batch that leaves enough steps in the training and in an epoch."""
    smallest, largest = BATCH_TOKENS["gpu" if is_gpu else "cpu"]
    wanted = float(largest)
    reason = "the largest on a GPU" if is_gpu else "the largest on a CPU"
    for tokens, why in (
        (text.target_tokens / BATCHES_PER_EPOCH, f"{BATCHES_PER_EPOCH} batches an epoch"),
        ((planned.tokens or math.inf) / STEPS, f"{STEPS:,} steps"),
    ):
        if tokens < wanted:
            wanted, reason = tokens, f"for {why}"
    if wanted < smallest:
        wanted, reason = smallest, f"{reason}, but at least {smallest:,}"
    batch = max(256, 256 * round(wanted * MAX_PADDING / ranks / 256))
    return {"trainer.batch_tokens": batch}, reason


def choose_optimizer(config: Config) -> tuple[dict[str, Any], str]:
    """Choose Muon for Transformers, and AdamW for recurrent networks."""
    if "transformer" in (config.model.encoder, config.model.decoder):
        return {"optim.optimizer": "muon"}, "a Transformer learns faster with it"
    return {"optim.optimizer": "adamw"}, "a recurrent network learns faster with it"


def choose_rate(config: Config) -> tuple[dict[str, Any], str]:
    """Choose a learning rate by optimizer and width: the wider, the lower."""
    model = config.model
    is_rnn = "transformer" not in (model.encoder, model.decoder)
    if is_rnn:
        width, rate, at = model.rnn.hidden, 2e-3, 256
    else:
        width, at = model.dim, 256
        rate = 5e-3 if config.optim.optimizer == "muon" else 1.5e-3
    value = float(f"{rate * math.sqrt(at / width):.2g}")
    return {"optim.lr": value}, f"{config.optim.optimizer} with width {width}"


def choose_warmup(steps: float) -> tuple[dict[str, Any], str]:
    """Warm up for a twentieth of the steps."""
    if math.isinf(steps):
        return {"optim.warmup": 400}, "the number of steps is not known"
    return {"optim.warmup": round(min(1000, max(20, steps / 20)))}, f"for about {steps:,.0f} steps"


def choose_average(steps: float) -> tuple[dict[str, Any], str]:
    """Average the weights over about a fiftieth of the steps."""
    span = 500 if math.isinf(steps) else min(500, max(20, round(steps / 50)))
    return {"optim.ema": round(1 - 1 / span, 4)}, f"an average over about {span} steps"


def choose_dropout(epochs: float, text: TextFacts) -> tuple[dict[str, Any], str]:
    """Choose dropout by the number of epochs; by the text if they are not known."""
    if math.isinf(epochs):
        dropout = 0.3 if text.target_tokens < 3e6 else 0.2 if text.target_tokens < 3e7 else 0.1
        return {"model.dropout": dropout}, f"{text.target_tokens:,} target tokens of text"
    dropout = next(value for limit, value in DROPOUT if epochs <= limit)
    return {"model.dropout": dropout}, f"about {epochs:.1f} epochs"


def choose_validations(steps: float, steps_per_epoch: float) -> tuple[dict[str, Any], str]:
    """Choose the interval of validations."""
    if math.isinf(steps):
        interval = min(1000, max(100, round(steps_per_epoch)))
        return {"trainer.val_every": interval}, "about an epoch, from 100 to 1,000 steps"
    return {"trainer.val_every": max(1, round(steps / VALIDATIONS))}, f"{VALIDATIONS} validations"
