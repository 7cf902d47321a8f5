"""The training budget: limits in steps, epochs, minutes, target tokens and FLOPs."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, astuple, dataclass, fields

from mt.config.schema import TrainerConfig
from mt.training.checkpoint import TrainingState

DEFAULT_MINUTES = 30.0
# Fractions of trainer.max_minutes that are kept for the last validation.
UNKNOWN_VALIDATION = 0.05  # before the first validation
MAX_RESERVE = 0.5
# Time of a validation, as a multiple of what is kept for it, after which it stops translating.
VALIDATION_SLACK = 1.5


@dataclass
class TrainingBudget:
    """Limits of training, over all restarts; training ends at the first that is reached; 0: none.

    Minutes are wall-clock time of training and validation: training ends when the time that is left
    is that of a validation. The other limits do not depend on the machine.
    """

    steps: int = 0
    epochs: float = 0.0
    minutes: float = 0.0
    target_tokens: int = 0
    flops: float = 0.0

    @classmethod
    def from_config(cls, config: TrainerConfig) -> TrainingBudget:
        """Return the limits of a configuration; `DEFAULT_MINUTES` if nothing else ends training."""
        limits = {field.name: getattr(config, f"max_{field.name}") for field in fields(cls)}
        budget = cls(**limits)
        if not any(astuple(budget)) and config.until == "budget":
            budget.minutes = DEFAULT_MINUTES
        return budget

    def fraction_spent(self, state: TrainingState) -> float:
        """Return the spent fraction of the nearest limit; 1 or more if training is over."""
        return max(self._fractions(state).values(), default=0.0)

    def validation_minutes(self, state: TrainingState) -> float:
        """Return the minutes that a validation may take.

        They are infinite without a limit in minutes, and before the first step.
        """
        if not self.minutes or not state.step:
            return math.inf
        return max(self.minutes - state.minutes, VALIDATION_SLACK * self._reserve(state))

    def limit_reached(self, state: TrainingState) -> str:
        """Return a message that names the limit that ended training."""
        return f"reached {self.nearest_limit(state)}"

    def nearest_limit(self, state: TrainingState) -> str:
        """Return the setting of the limit of which the largest share is spent."""
        fractions = self._fractions(state)
        name = max(fractions, key=lambda limit: fractions[limit])
        return f"trainer.max_{name}={getattr(self, name):.10g}"

    def _fractions(self, state: TrainingState) -> dict[str, float]:
        """Return the spent fraction of each limit that is set."""
        used = {
            "steps": state.step,
            "epochs": state.epochs,
            "minutes": state.minutes,
            "target_tokens": state.target_tokens,
            "flops": state.flops,
        }
        limits = asdict(self) | {"minutes": self.minutes - self._reserve(state)}
        return {name: used[name] / limit for name, limit in limits.items() if limit}

    def _reserve(self, state: TrainingState) -> float:
        """Return the minutes that are kept for the last validation."""
        expected = state.validation_minutes or UNKNOWN_VALIDATION * self.minutes
        return min(expected, MAX_RESERVE * self.minutes)


class TrainingClock:
    """Minutes of training, continued from those of earlier starts."""

    def __init__(self, minutes_before: float = 0.0) -> None:
        self.minutes_before = minutes_before
        self.start = time.monotonic()

    @property
    def minutes(self) -> float:
        return self.minutes_before + (time.monotonic() - self.start) / 60
