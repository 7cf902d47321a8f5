"""The rules for settings that are `auto`: from the text, the budget and the speed of the machine.

Each choice has a reason for the reader of the log. Training is planned in target tokens: limits in
minutes become tokens by the measured speed. docs/automatic-settings.md lists the rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mt.cli import format_duration
from mt.config.automatic import open_keys, with_defaults, with_values
from mt.config.checks import check_values
from mt.config.hydra_files import read_settings
from mt.config.presets import config_dir
from mt.config.schema import Config, get_value, keys
from mt.config.setting import default_value
from mt.data.batch_order import row_lengths
from mt.data.batching import pad_width
from mt.data.prepare import PreparedData
from mt.errors import UsageError
from mt.training.budget import TrainingBudget


@dataclass(frozen=True)
class Size:
    """A size of models in configs/model/size: what it needs to be worth its cost."""

    name: str
    text: int  # target tokens of the training text
    training: int  # target tokens of training


SIZES = (Size("tiny", 0, 0), Size("small", 100_000, 600_000), Size("base", 5_000_000, 30_000_000))
VALIDATION_SHARE = 0.1  # of the minutes, for validations
STEPS = 3000  # optimizer steps to aim at: smaller batches for shorter trainings
BATCH_TOKENS = {"cpu": (1024, 4096), "gpu": (4096, 16384)}  # smallest and largest batch
# Smallest batch of models wider than 128 with Muon: a step of `small` takes as long as 800 tokens
# more than it has (docs/automatic-settings.md).
WIDE_BATCH = 2048
BATCHES_PER_EPOCH = 50  # at least
VALIDATIONS = 20  # in a training, fewer in one of under ten minutes
# Epochs -> dropout: the more often a text is seen, the more.
DROPOUT = ((1.5, 0.0), (5, 0.1), (20, 0.2), (math.inf, 0.3))
# Share of the learning rate that suits fine-tuning, whose model has learned already.
FINE_TUNING = 0.2

MeasureSpeed = Callable[[Config], float]  # target tokens per second of training, on all ranks


@dataclass(frozen=True)
class TextFacts:
    """What the rules know about the prepared training text."""

    target_tokens: int  # in an epoch
    longer_tokens: int  # in an epoch, of the longer side of each pair, by which batches are filled
    longest: int  # positions of the longest side


@dataclass(frozen=True)
class Choice:
    """The values of some settings, and why."""

    values: dict[str, Any]  # by dotted key
    reason: str
    preset: str = ""  # that has these values, such as model/size=tiny

    def __str__(self) -> str:
        settings = self.preset or " ".join(f"{key}={value}" for key, value in self.values.items())
        return f"auto: {settings}: {self.reason}"


@dataclass(frozen=True)
class Plan:
    """How much will be trained: target tokens until the nearest limit; infinite if unknown."""

    tokens: float
    reason: str = ""
    is_in_steps: bool = False  # the nearest limit is one in steps, with the largest batches


def text_facts(data: PreparedData) -> TextFacts:
    """Return the facts of the prepared text."""
    target = longer = 0.0
    for table in data.train:
        lengths = row_lengths([table])
        target += table.weight * float(lengths[1].sum())
        longer += table.weight * float(pad_width(lengths[0].clip(lengths[1])).sum())
    longest = max(int(side.max(initial=1)) for side in row_lengths(data.train))
    return TextFacts(round(target), round(longer), int(pad_width(longest)))


def choose_settings(
    config: Config, text: TextFacts, is_gpu: bool, ranks: int, measure: MeasureSpeed
) -> tuple[Config, list[Choice]]:
    """Choose all settings that are `auto`; return the settings without any, and the choices.

    `measure` is called only for limits in minutes. Raises UsageError if the
    choices contradict the settings that are given.
    """
    chosen: list[Choice] = []

    def apply(choice: Choice) -> None:
        nonlocal config
        own = {key: value for key, value in choice.values.items() if key in open_keys(config)}
        if own:
            config = with_values(config, own)
            chosen.append(replace(choice, values=own))

    apply(Choice({"optim.schedule": "constant"}, "it fits any limit, and none"))
    apply(choose_decay(config))
    apply(choose_end(config))
    apply(choose_optimizer(config))
    size, plan = choose_size(config, text, is_gpu, measure)
    apply(size)
    apply(choose_batch(config, text, plan, is_gpu, ranks))
    trainer = config.trainer
    per_position = text.target_tokens / text.longer_tokens
    step_tokens = trainer.batch_tokens * trainer.accumulate * ranks * per_position
    steps = plan.tokens / step_tokens
    if trainer.max_steps:
        steps = min(steps, trainer.max_steps)
    apply(choose_rate(config))
    apply(choose_warmup(steps))
    apply(choose_average(steps))
    apply(choose_dropout(steps * step_tokens / text.target_tokens, text))
    apply(choose_validations(config, steps, text.target_tokens / step_tokens))
    check_values(config)
    return config, chosen


def choose_decay(config: Config) -> Choice:
    """Let the rate fall at the end, unless patience decides where the end is."""
    if config.optim.schedule == "cosine":
        return Choice({"optim.decay": "none"}, "a cosine is a decay itself")
    if config.trainer.patience:
        return Choice({"optim.decay": "none"}, "trainer.patience ends training without notice")
    return Choice({"optim.decay": "1-sqrt"}, "a falling rate improves the model at the end")


def choose_end(config: Config) -> Choice:
    """End at a plateau, if the schedule and the validations allow it."""
    trainer = config.trainer
    for reason, holds in (
        ("a cosine ends with the budget", config.optim.schedule == "cosine"),
        ("trainer.patience ends training before", bool(trainer.patience)),
        ("there are no validations", not trainer.val_every and not trainer.val_minutes),
    ):
        if holds:
            return Choice({"trainer.until": "budget"}, reason)
    reason = "training ends when validations stop improving, or at a limit"
    return Choice({"trainer.until": "plateau"}, reason)


def choose_optimizer(config: Config) -> Choice:
    """Choose Muon for Transformers, and AdamW for recurrent networks."""
    if is_recurrent(config):
        return Choice({"optim.optimizer": "adamw"}, "a recurrent network learns faster with it")
    return Choice({"optim.optimizer": "muon"}, "a Transformer learns faster with it")


def is_recurrent(config: Config) -> bool:
    """Return whether the model has no Transformer layers."""
    return "transformer" not in (config.model.encoder, config.model.decoder)


def choose_size(
    config: Config, text: TextFacts, is_gpu: bool, measure: MeasureSpeed
) -> tuple[Choice, Plan]:
    """Choose the largest model that the text and the training allow; return its planned training.

    With a width that is given, it is the size with the nearest width. Raises UsageError if no size
    fits the settings that are given.
    """
    if not size_values(config, "small"):
        return Choice({}, ""), plan_training(config, text, is_gpu, measure)
    width = "model.rnn.hidden" if is_recurrent(config) else "model.dim"
    if width not in open_keys(config):
        given = get_value(config, width)
        name = min((size.name for size in SIZES), key=lambda name: distance(name, width, given))
        values = size_values(config, name)
        plan = plan_training(with_values(config, values), text, is_gpu, measure)
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
        plan = plan_training(sized, text, is_gpu, measure)
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


def plan_training(config: Config, text: TextFacts, is_gpu: bool, measure: MeasureSpeed) -> Plan:
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
    if budget.steps:
        batch = largest if is_open else config.trainer.batch_tokens
        plans.append(Plan(budget.steps * batch, f"trainer.max_steps={budget.steps}", True))
    if budget.minutes:
        batch = max(2 * smallest, text.longest) if is_open else config.trainer.batch_tokens
        speed = measure(with_defaults(with_values(config, {"trainer.batch_tokens": batch})))
        planned = (1 - VALIDATION_SHARE) * budget.minutes * 60 * speed
        duration = format_duration(budget.minutes)
        reason = f"about {planned:,.0f} in {duration} of training at {speed:,.0f} a second"
        plans.append(Plan(planned, reason))
    return min(plans, key=lambda plan: plan.tokens)


def choose_batch(config: Config, text: TextFacts, plan: Plan, is_gpu: bool, ranks: int) -> Choice:
    """Choose a batch that leaves enough steps in the training and in an epoch."""
    device = "gpu" if is_gpu else "cpu"
    smallest, largest = BATCH_TOKENS[device]
    if config.optim.optimizer == "muon" and config.model.dim > 128:
        smallest = max(smallest, WIDE_BATCH)
    wanted, reason = float(largest), f"the largest on a {device.upper()}"
    positions = text.longer_tokens / text.target_tokens / config.trainer.accumulate / ranks
    for tokens, why in (
        (text.target_tokens / BATCHES_PER_EPOCH, f"for {BATCHES_PER_EPOCH} batches an epoch"),
        (math.inf if plan.is_in_steps else plan.tokens / STEPS, f"for {STEPS:,} steps"),
    ):
        if tokens * positions < wanted:
            wanted, reason = tokens * positions, why
    if wanted < smallest:
        wanted, reason = smallest, f"{reason}, but at least {smallest:,}"
    batch = 256 * round(wanted / 256)
    if batch < text.longest:
        batch, reason = text.longest, "the longest pair"
    return Choice({"trainer.batch_tokens": batch}, reason)


def choose_rate(config: Config) -> Choice:
    """Choose a learning rate by optimizer and width: the wider, the lower."""
    model = config.model
    if is_recurrent(config):
        width, rate = model.rnn.hidden, 2e-3
    else:
        width, rate = model.dim, 5e-3 if config.optim.optimizer == "muon" else 1.5e-3
    rate *= math.sqrt(256 / width)
    reason = f"{config.optim.optimizer} with width {width}"
    if config.trainer.init_from:
        rate, reason = FINE_TUNING * rate, f"{reason}, for fine-tuning"
    return Choice({"optim.lr": float(f"{rate:.2g}")}, reason)


def choose_warmup(steps: float) -> Choice:
    """Warm up for a twentieth of the steps."""
    if math.isinf(steps):
        return Choice({"optim.warmup": 400}, "the number of steps is not known")
    warmup = round(min(1000, max(20, steps / 20), steps / 5))
    return Choice({"optim.warmup": warmup}, f"for about {steps:,.0f} steps")


def choose_average(steps: float) -> Choice:
    """Average the weights over about a fiftieth of the steps."""
    span = 500 if math.isinf(steps) else min(500, max(20, round(steps / 50)))
    return Choice({"optim.ema": round(1 - 1 / span, 4)}, f"an average over about {span} steps")


def choose_dropout(epochs: float, text: TextFacts) -> Choice:
    """Choose dropout by the number of epochs; by the text if they are not known."""
    if math.isinf(epochs):
        dropout = 0.3 if text.target_tokens < 3e6 else 0.2 if text.target_tokens < 3e7 else 0.1
        return Choice({"model.dropout": dropout}, f"{text.target_tokens:,} target tokens of text")
    dropout = next(value for limit, value in DROPOUT if epochs <= limit)
    return Choice({"model.dropout": dropout}, f"the text is seen about {epochs:.1f} times")


def choose_validations(config: Config, steps: float, steps_per_epoch: float) -> Choice:
    """Choose the interval of validations."""
    trainer = config.trainer
    if trainer.val_minutes:
        return Choice({"trainer.val_every": 0}, "trainer.val_minutes is the interval")
    if math.isinf(steps):
        interval = min(1000, max(100, round(steps_per_epoch)))
        return Choice({"trainer.val_every": interval}, "about an epoch, from 100 to 1,000 steps")
    minutes = TrainingBudget.from_config(trainer).minutes
    count = round(min(VALIDATIONS, max(4, 2 * minutes))) if minutes else VALIDATIONS
    interval = max(1, round(steps / count))
    return Choice({"trainer.val_every": interval}, f"{count} validations in the training")
