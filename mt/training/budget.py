"""How long a run trains: limits in steps, epochs, minutes, target tokens and operations, whichever comes first."""

from __future__ import annotations

import time
from dataclasses import asdict, astuple, dataclass, fields

from mt.config.schema import TrainerConfig
from mt.training.checkpoint import TrainingState

DEFAULT_MINUTES = 30.0


@dataclass
class Budget:
    """Limits, 0 meaning none, each named as what of `TrainingState` it limits, over all restarts.

    Minutes count the wall clock of training and validation; the others are the same on any machine.
    """

    steps: int = 0
    epochs: float = 0.0
    minutes: float = 0.0
    target_tokens: int = 0
    flops: float = 0.0

    @classmethod
    def of(cls, config: TrainerConfig) -> Budget:
        """The limits of a configuration; half an hour where it has none."""
        budget = cls(**{each.name: getattr(config, f"max_{each.name}") for each in fields(cls)})
        if not any(astuple(budget)):
            budget.minutes = DEFAULT_MINUTES
        return budget

    def progress(self, spent: TrainingState) -> float:
        """The share of the nearest limit that is spent, 1 or more when training is over."""
        return max(self._shares(spent).values())

    def reached(self, spent: TrainingState) -> str:
        """Which limit ended training, in words."""
        shares = self._shares(spent)
        name = max(shares, key=lambda each: shares[each])
        return f"trainer.max_{name}={getattr(self, name):.10g} is reached"

    def _shares(self, spent: TrainingState) -> dict[str, float]:
        used = {"steps": spent.step, "epochs": spent.epochs, "minutes": spent.minutes}
        used |= {"target_tokens": spent.target_tokens, "flops": spent.flops}
        return {name: used[name] / limit for name, limit in asdict(self).items() if limit}


class Clock:
    """Minutes of training, going on from `before` (those of earlier starts)."""

    def __init__(self, before: float = 0.0) -> None:
        self.before = before
        self.start = time.monotonic()

    @property
    def minutes(self) -> float:
        return self.before + (time.monotonic() - self.start) / 60
