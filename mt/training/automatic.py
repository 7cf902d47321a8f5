"""The rules for settings that are `auto`: from the text, the budget and the speed of the machine.

Each choice has a reason for the reader of the log. Training is planned in target tokens: limits in
minutes become tokens by the measured speed. docs/automatic-settings.md lists the rules.
"""

from __future__ import annotations

import math
from dataclasses import replace

from mt.config.automatic import open_keys, with_values
from mt.config.checks import check_values
from mt.config.schema import Config, get_value
from mt.data.batch_order import row_lengths
from mt.data.batching import pad_width
from mt.data.prepare import PreparedData
from mt.training.budget import TrainingBudget
from mt.training.planned_size import (
    BATCH_TOKENS,
    Choice,
    MeasureSpeed,
    Plan,
    TextFacts,
    choose_size,
    is_recurrent,
    plan_training,
    step_tokens,
)

STEPS = 3000  # optimizer steps to aim at: smaller batches for shorter trainings
# Smallest batch of models wider than 128 with Muon: a step of `small` takes as long as 800 tokens
# more than it has (docs/automatic-settings.md).
WIDE_BATCH = 2048
MAX_PROCESSES = 8  # that share a batch
MIN_SHARE = 512  # of a process in a batch, in tokens
BATCHES_PER_EPOCH = 50  # at least
VALIDATIONS = 20  # in a training, fewer in one of under ten minutes
# Epochs -> dropout: the more often a text is seen, the more.
DROPOUT = ((3, 0.0), (6, 0.1), (20, 0.2), (math.inf, 0.3))
# Share of the learning rate that suits fine-tuning, whose model has learned already.
FINE_TUNING = {"muon": 0.3, "adamw": 0.1, "lora": 1.0}
FINE_TUNING_WARMUP = 100  # steps, at most


def text_facts(data: PreparedData) -> TextFacts:
    """Return the facts of the prepared text."""
    target = longer = 0.0
    for table in data.train:
        lengths = row_lengths([table])
        target += table.weight * float(lengths[1].sum())
        longer += table.weight * float(pad_width(lengths[0].clip(lengths[1])).sum())
    longest = max(int(side.max(initial=1)) for side in row_lengths(data.train))
    return TextFacts(round(target), round(longer), int(pad_width(longest)))


def choose_processes(
    config: Config, text: TextFacts, possible: int, fitting: int = MAX_PROCESSES
) -> tuple[Config, list[Choice]]:
    """Let processes share each batch: as many as `possible` whose shares hold the longest pair.

    `fitting` is the number of models that the memory holds, of which each process has one.
    This is chosen before the other settings, because the processes measure the speed together. A
    batch size that is open counts as the largest, so that one long pair does not enlarge batches.
    """
    if "trainer.processes" not in open_keys(config):
        return config, []
    batch = config.trainer.batch_tokens
    if "trainer.batch_tokens" in open_keys(config):
        _, batch = BATCH_TOKENS["cpu"]
    most = min(possible, MAX_PROCESSES)
    count = min(most, fitting, max(1, batch // text.longest))
    reason = "one for each thread" if count == possible else "enough shares of a batch"
    if count < most:
        reason = f"a share of {batch:,} tokens has to hold the longest pair ({text.longest:,})"
    if count < most and count == fitting:
        reason = "each has the model, and the memory holds no more"
    choice = Choice({"trainer.processes": count}, reason)
    return with_values(config, choice.values), [choice] if possible > 1 else []


def choose_settings(
    config: Config, text: TextFacts, is_gpu: bool, ranks: int, measure: MeasureSpeed
) -> tuple[Config, list[Choice]]:
    """Choose all settings that are `auto`; return the settings without any, and the choices.

    `ranks` are those that torchrun has started. Without `choose_processes` before, one process has
    each batch. `measure` is called only for limits in minutes. Raises UsageError if the choices
    contradict the settings that are given.
    """
    config, chosen = choose_processes(config, text, 1)

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
    size, plan = choose_size(config, text, is_gpu, ranks, measure)
    apply(size)
    apply(choose_batch(config, text, plan, is_gpu, ranks))
    # Smaller batches are slower (docs/automatic-settings.md).
    if plan.batch_tokens not in (0, config.trainer.batch_tokens):
        plan = plan_training(config, text, is_gpu, ranks, measure)
    per_step = step_tokens(config, config.trainer.batch_tokens, text, ranks)
    steps = min(plan.tokens / per_step, config.trainer.max_steps or math.inf)
    apply(choose_rate(config))
    apply(choose_warmup(config, steps))
    apply(choose_average(steps))
    apply(choose_dropout(config, steps * per_step / text.target_tokens, text))
    apply(choose_validations(config, steps, text.target_tokens / per_step))
    check_values(config)
    return config, chosen


def reconsider_model(
    config: Config, given: Config, text: TextFacts, is_gpu: bool, ranks: int, measure: MeasureSpeed
) -> list[Choice]:
    """Return the choices on the model that differ from those of a run.

    `config` are the settings of the run with the limits of today, `given` those in which some are
    `auto`.
    """
    keys = [key for key in open_keys(given) if key.startswith("model.")]
    opened = with_values(config, {key: get_value(given, key) for key in keys})
    _, chosen = choose_settings(opened, text, is_gpu, ranks, measure)
    return [
        choice
        for choice in chosen
        if any(get_value(config, key) != value for key, value in choice.values.items())
    ]


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


def choose_batch(config: Config, text: TextFacts, plan: Plan, is_gpu: bool, ranks: int) -> Choice:
    """Choose a batch that leaves enough steps in the training and in an epoch."""
    device = "gpu" if is_gpu else "cpu"
    smallest, largest = BATCH_TOKENS[device]
    if config.optim.optimizer == "muon" and config.model.dim > 128:
        smallest = max(smallest, WIDE_BATCH)
    processes = config.trainer.processes
    smallest = max(smallest, processes * MIN_SHARE)
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
    if batch < processes * text.longest:
        batch = processes * text.longest
        reason = f"{processes} times the longest pair" if processes > 1 else "the longest pair"
    return Choice({"trainer.batch_tokens": batch}, reason)


def choose_rate(config: Config) -> Choice:
    """Choose a learning rate by optimizer and width: the wider, the lower."""
    model = config.model
    if is_recurrent(config):
        width, rate = model.rnn.hidden, 2e-3
    else:
        width, rate = model.dim, 3.5e-3 if config.optim.optimizer == "muon" else 1.5e-3
    rate *= math.sqrt(256 / width)
    reason = f"{config.optim.optimizer} with width {width}"
    if config.trainer.init_from:
        name = "lora" if config.optim.lora else config.optim.optimizer
        rate, reason = FINE_TUNING[name] * rate, f"{reason}, for fine-tuning"
    return Choice({"optim.lr": float(f"{rate:.2g}")}, reason)


def choose_warmup(config: Config, steps: float) -> Choice:
    """Warm up for a twentieth of the steps, and shortly for fine-tuning."""
    if config.trainer.init_from:
        warmup = round(min(FINE_TUNING_WARMUP, max(20, steps / 20), steps / 5))
        return Choice({"optim.warmup": warmup}, "fine-tuning needs a short one")
    if math.isinf(steps):
        return Choice({"optim.warmup": 400}, "the number of steps is not known")
    warmup = round(min(1000, max(20, steps / 20), steps / 5))
    return Choice({"optim.warmup": warmup}, f"for about {steps:,.0f} steps")


def choose_average(steps: float) -> Choice:
    """Average the weights over about a fiftieth of the steps."""
    span = 500 if math.isinf(steps) else min(500, max(20, round(steps / 50)))
    return Choice({"optim.ema": round(1 - 1 / span, 4)}, f"an average over about {span} steps")


def choose_dropout(config: Config, epochs: float, text: TextFacts) -> Choice:
    """Choose dropout by the number of epochs; by the text if they are not known."""
    if math.isinf(epochs):
        dropout = 0.3 if text.target_tokens < 3e6 else 0.2 if text.target_tokens < 3e7 else 0.1
        return Choice({"model.dropout": dropout}, f"{text.target_tokens:,} target tokens of text")
    dropout = next(value for limit, value in DROPOUT if epochs <= limit)
    if config.regularise.rdrop and not dropout:
        return Choice({"model.dropout": DROPOUT[1][1]}, "R-Drop compares passes with dropout")
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
    count = max(1, math.ceil(steps / interval))  # fewer than wanted if there are few steps
    plural = "s" if count > 1 else ""
    return Choice({"trainer.val_every": interval}, f"{count} validation{plural} in the training")
