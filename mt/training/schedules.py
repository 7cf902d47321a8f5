"""Learning-rate schedules."""

from __future__ import annotations

import math
from collections.abc import Callable

from mt.config.schema import OptimConfig


def learning_rate(
    config: OptimConfig, step: int, spent: float, decayed: float | None = None
) -> float:
    """Return the learning rate of optimizer step `step` (from 1).

    `spent` is the share of the training budget that is spent before the step, 0 to 1; `decayed` is
    the share of the final decay that is done, None if it has not begun.
    """
    rate = SCHEDULES[config.schedule](config, step, spent)
    return rate if decayed is None else rate * DECAYS[config.decay](min(1.0, decayed))


def warm_up(config: OptimConfig, step: int) -> float:
    """Return the factor of linear warm-up, which rises to 1 over `optim.warmup` steps."""
    return min(1.0, step / max(1, config.warmup))


def inverse_sqrt(config: OptimConfig, step: int, spent: float) -> float:
    """Warm up, then decay with the inverse square root of the step.

    Vaswani et al. (2017, section 5.3), without the factor that depends on the width of the model.
    """
    return config.lr * min(warm_up(config, step), math.sqrt(max(1, config.warmup) / step))


def cosine(config: OptimConfig, step: int, spent: float) -> float:
    """Warm up, and decay as a half cosine to zero over the budget (Loshchilov and Hutter 2017)."""
    decay_angle = math.pi * min(1.0, spent)
    return config.lr * warm_up(config, step) * 0.5 * (1 + math.cos(decay_angle))


def constant(config: OptimConfig, step: int, spent: float) -> float:
    """Warm up, then keep the peak learning rate."""
    return config.lr * warm_up(config, step)


# Value of optim.decay -> factor of the rate, by the share of the decay that is done (Haegele et al.
# 2024, section 3: warm-up, stable, decay).
DECAYS: dict[str, Callable[[float], float]] = {
    "none": lambda done: 1.0,
    "linear": lambda done: 1 - done,
    "1-sqrt": lambda done: 1 - math.sqrt(done),
}
# Value of optim.schedule -> schedule: (settings, optimizer step, share of the budget) -> rate
SCHEDULES: dict[str, Callable[[OptimConfig, int, float], float]] = {
    "inverse_sqrt": inverse_sqrt,
    "cosine": cosine,
    "constant": constant,
}
