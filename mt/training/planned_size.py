"""The size of a model that is `auto`, and how much will be trained with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mt.config.automatic import open_keys, with_defaults, with_values
from mt.config.checks import check_values
from mt.config.hydra_files import read_settings
from mt.config.presets import config_dir
from mt.config.schema import Config, get_value, keys
from mt.config.setting import default_value
from mt.errors import UsageError
from mt.progress_display import format_duration
from mt.training.budget import TrainingBudget


@dataclass(frozen=True)
class Size:
    """A size of models in configs/model/size: what it needs to be worth its cost."""

    name: str
    text: int  # target tokens of the training text
    training: int  # target tokens of training


SIZES = (Size("tiny", 0, 0), Size("small", 100_000, 2_500_000), Size("base", 5_000_000, 30_000_000))
VALIDATION_SHARE = 0.1  # of the minutes, for validations
BATCH_TOKENS = {"cpu": (1024, 4096), "gpu": (4096, 16384)}  # smallest and largest batch

MeasureSpeed = Callable[[Config], float]  # target tokens per second of training, on all ranks


@dataclass(frozen=True)
class TextFacts:
    """Hold what the rules know about the prepared training text."""

    target_tokens: int  # in an epoch
    longer_tokens: int  # in an epoch, of the longer side of each pair, by which batches are filled
    longest: int  # positions of the longest side


@dataclass(frozen=True)
class Choice:
    """The values of some settings, and why."""

    values: dict[str, Any]  # by dotted key
    reason: str
    preset: str = ""  # that has these values, such as model/size=tiny

    @property
    def settings(self) -> str:
        """Return the overrides that make this choice."""
        return self.preset or " ".join(f"{key}={value}" for key, value in self.values.items())

    def __str__(self) -> str:
        return f"auto: {self.settings}: {self.reason}"


@dataclass(frozen=True)
class Plan:
    """Hold how much will be trained: target tokens until the nearest limit, infinite if unknown."""

    tokens: float
    reason: str = ""
    is_in_steps: bool = False  # the nearest limit is one in steps, with the largest batches
    batch_tokens: int = 0  # with which the speed was measured; 0: it was not measured


def is_recurrent(config: Config) -> bool:
    """Return whether the model has no Transformer layers."""
    return "transformer" not in (config.model.encoder, config.model.decoder)


def choose_size(
    config: Config, text: TextFacts, is_gpu: bool, ranks: int, measure: MeasureSpeed
) -> tuple[Choice, Plan]:
    """Choose the largest model that the text and the training allow; return its planned training.

    With a width that is given, it is the size with the nearest width. Raises UsageError if no size
    fits the settings that are given.
    """
    if not size_values(config, "small"):
        return Choice({}, ""), plan_training(config, text, is_gpu, ranks, measure)
    width = "model.rnn.hidden" if is_recurrent(config) else "model.dim"
    if width not in open_keys(config):
        given = get_value(config, width)
        name = min((size.name for size in SIZES), key=lambda name: distance(name, width, given))
        values = size_values(config, name)
        plan = plan_training(with_values(config, values), text, is_gpu, ranks, measure)
        reason = f"the nearest to {width}={given}, which stays"
        return Choice(values, reason, f"model/size={name}"), plan
    best: tuple[Size, Plan] | None = None
    error, reason = None, ""
    for size in reversed(SIZES):
        if text.target_tokens < size.text:
            reason = f", too little for {size.name}"
            continue
        sized = with_values(config, size_values(config, size.name))
        try:
            check_values(sized)
        except UsageError as problem:
            error, reason = problem, f"; {size.name} contradicts settings that are given"
            continue
        plan = plan_training(sized, text, is_gpu, ranks, measure)
        best = size, plan
        is_slow = size.name == "base" and not is_gpu and math.isinf(plan.tokens)
        if plan.tokens >= size.training and not is_slow:
            break
        reason = f" and {plan.reason or 'no GPU'}, too little for {size.name}"
    if not best:
        assert error
        raise error
    size, plan = best
    reason = f"{text.target_tokens:,} target tokens of text{reason}"
    return Choice(size_values(config, size.name), reason, f"model/size={size.name}"), plan


def distance(name: str, key: str, width: int) -> float:
    """Return how far the width of a size is from another one, as the logarithm of their ratio."""
    return abs(math.log(size_value(name, key) / width))


def size_values(config: Config, name: str) -> dict[str, int]:
    """Return the values of a size for the open settings of the model that it determines."""
    return {
        key: size_value(name, key)
        for key in open_keys(config)
        if key.startswith("model.") and key != "model.dropout"
    }


def size_value(name: str, key: str) -> int:
    """Return the value of a setting of the model in configs/model/size; its default elsewhere."""
    value: Any = read_settings(config_dir() / "model" / "size" / f"{name}.yaml")
    for part in key.split(".")[1:]:
        value = value.get(part, {})
    return int(value or default_value(keys()[key]))


def step_tokens(config: Config, batch: int, text: TextFacts, ranks: int) -> float:
    """Return the target tokens of an optimizer step with batches of `batch` tokens."""
    return batch * config.trainer.accumulate * ranks * text.target_tokens / text.longer_tokens


def plan_training(
    config: Config, text: TextFacts, is_gpu: bool, ranks: int, measure: MeasureSpeed
) -> Plan:
    """Return the planned training; a limit in FLOPs tells nothing."""
    budget = TrainingBudget.from_config(config.trainer)
    plans = [Plan(math.inf)]
    if budget.target_tokens:
        tokens = budget.target_tokens
        plans.append(Plan(tokens, f"trainer.max_target_tokens={tokens}"))
    if budget.epochs:
        plans.append(
            Plan(budget.epochs * text.target_tokens, f"trainer.max_epochs={budget.epochs:g}")
        )
    is_open = "trainer.batch_tokens" in open_keys(config)
    smallest, largest = BATCH_TOKENS["gpu" if is_gpu else "cpu"]
    longest = config.trainer.processes * text.longest
    if budget.steps:
        batch = max(largest, longest) if is_open else config.trainer.batch_tokens
        planned = budget.steps * step_tokens(config, batch, text, ranks)
        plans.append(Plan(planned, f"trainer.max_steps={budget.steps}", True))
    if budget.minutes:
        batch = max(2 * smallest, longest) if is_open else config.trainer.batch_tokens
        speed = measure(with_defaults(with_values(config, {"trainer.batch_tokens": batch})))
        planned = (1 - VALIDATION_SHARE) * budget.minutes * 60 * speed
        duration = format_duration(budget.minutes)
        reason = f"about {planned:,.0f} in {duration} of training at {speed:,.0f} a second"
        plans.append(Plan(planned, reason, batch_tokens=batch))
    return min(plans, key=lambda plan: plan.tokens)
