"""The settings that a comparison tries for every variant before its runs."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from typing import Any

from mt.config.compose import parse_overrides
from mt.config.overrides import keep_text
from mt.errors import UsageError


def trial_settings(tune: dict[str, Any], trials: int, seed: int) -> list[tuple[str, ...]]:
    """Return the settings of each trial, the same for all variants.

    They are all combinations of the values in `tune` (key -> values), or, if `trials` is not 0,
    that many of them, drawn at random without repetition.
    """
    sides = [[keep_text(f"{key}={value}") for value in values] for key, values in tune.items()]
    if not trials:
        return list(itertools.product(*sides))
    count = math.prod(map(len, sides))
    return [combination(sides, i) for i in random.Random(seed).sample(range(count), trials)]


def count_trials(tune: dict[str, Any], trials: int) -> int:
    """Return the number of trials of each variant, 0 without tuning."""
    return (trials or math.prod(map(len, tune.values()))) if tune else 0


def combination(sides: Sequence[Sequence[str]], index: int) -> tuple[str, ...]:
    """Return number `index` of itertools.product(*sides), without those before it."""
    chosen: list[str] = []
    for side in reversed(sides):  # the last one varies fastest
        index, position = divmod(index, len(side))
        chosen.insert(0, side[position])
    return tuple(chosen)


def check_tuning(
    tune: dict[str, Any],
    trials: int,
    halving: int,
    seed: int,
    seeds: Sequence[int],
    others: dict[str, Sequence[str]],
) -> None:
    """Raise UsageError for values that cannot be tried.

    `others` are the overrides of each variant and of the command line, by the name in messages.
    """
    if not tune:
        for name, value in (("trials", trials), ("halving", halving)):
            if value:
                raise UsageError(
                    f"{name}={value} needs tune: {{KEY: [VALUE, VALUE], ...}}; "
                    f"without tuning, set {name}=0"
                )
        return
    for key, values in tune.items():
        if not isinstance(values, list) or len({*map(str, values)}) < max(2, len(values)):
            raise UsageError(f"tune.{key} must be a list of two or more different values")
        if key.split(".")[0] == "data":
            raise UsageError(f"tune.{key}: models on other text are variants, not trials of one")
        if key == "trainer.val_metric":
            raise UsageError(f"tune.{key}: validation could not choose, as it differs by trial")
    count = math.prod(map(len, tune.values()))
    if not 0 <= trials <= count:
        raise UsageError(
            f"trials must be >= 0 and <= {count}, the number of combinations, got {trials}"
        )
    if halving < 0 or halving == 1:
        raise UsageError(f"halving must be 0 or >= 2, got {halving}")
    if halving > (trials or count):
        raise UsageError(
            f"halving={halving} needs as many trials, and there are {trials or count}: "
            "set halving=0, or tune more values"
        )
    if seed < 0:
        raise UsageError(f"trial_seed must be >= 0, got {seed}")
    if seed in seeds:
        raise UsageError(
            f"trial_seed={seed} is a seed of the runs: the choice would favour that run; "
            "choose another"
        )
    for origin, overrides in others.items():
        for override in parse_overrides(overrides):
            if override.key_or_group in tune:
                raise UsageError(
                    f"{origin} sets {override.key_or_group}, which is tuned: "
                    "leave it out there, or in tune"
                )
