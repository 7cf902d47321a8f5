"""How long a run trains: limits in steps, epochs and minutes, whichever comes first."""

from __future__ import annotations

import time
from dataclasses import dataclass

from mt.config import TrainerConfig

DEFAULT_MINUTES = 30.0


@dataclass
class Budget:
    """Limits, 0 meaning none. Minutes count the wall clock of training and validation, over all restarts."""

    steps: int
    epochs: float
    minutes: float

    @classmethod
    def of(cls, config: TrainerConfig) -> Budget:
        """The limits of a configuration; half an hour where it has none."""
        unlimited = not (config.max_steps or config.max_epochs or config.max_minutes)
        return cls(config.max_steps, config.max_epochs, DEFAULT_MINUTES if unlimited else config.max_minutes)

    def progress(self, steps: int, epochs: float, minutes: float) -> float:
        """The share of the nearest limit that is spent, 1 or more when training is over."""
        spent = ((steps, self.steps), (epochs, self.epochs), (minutes, self.minutes))
        return max(used / limit for used, limit in spent if limit)

    def reached(self, steps: int, epochs: float) -> str:
        """Which limit ended training, in words."""
        if self.steps and steps >= self.steps:
            return f"trainer.max_steps={self.steps} is reached"
        if self.epochs and epochs >= self.epochs:
            return f"trainer.max_epochs={self.epochs:g} is reached"
        return f"trainer.max_minutes={self.minutes:g} is reached"


class Clock:
    """Minutes of training, going on from `before` (those of earlier starts)."""

    def __init__(self, before: float = 0.0) -> None:
        self.before = before
        self.start = time.monotonic()

    @property
    def minutes(self) -> float:
        return self.before + (time.monotonic() - self.start) / 60
