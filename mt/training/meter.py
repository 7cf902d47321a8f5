"""Sums over training steps that stay on the device until a progress line needs them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


class Meter:
    """Sums since the last progress line, on the device until they are read."""

    def __init__(self, minutes: float) -> None:
        self.since, self.steps, self.rate = minutes, 0, 0.0
        self.sums: Tensor | None = None

    def add(self, sums: Tensor, norm: Tensor, skipped: Tensor, rate: float) -> None:
        """One step: sums [3] (loss, nll, tokens), gradient norm, 1 where it was skipped. A skipped step counts as nothing else."""
        parts = torch.cat((sums, norm[None], 1 - skipped[None]))
        parts = torch.where(skipped.bool(), 0.0, parts)
        self.sums = parts if self.sums is None else self.sums + parts
        self.steps, self.rate = self.steps + 1, rate

    def read(self, minutes: float) -> Measured:
        """Means since the last reading, which this one ends."""
        sums = self.sums if self.sums is not None else torch.zeros(5)
        loss, nll, tokens, norm, applied = sums.tolist()
        seconds = max(1e-9, (minutes - self.since) * 60)
        measured = Measured(
            loss=loss / max(1, tokens),
            nll=nll / max(1, tokens),
            norm=norm / max(1, applied),
            rate=self.rate,
            tokens=int(tokens),
            tokens_per_second=tokens / seconds,
            steps=self.steps,
            skipped=self.steps - int(applied),
        )
        self.since, self.steps, self.sums = minutes, 0, None
        return measured


@dataclass
class Measured:
    """Means over the steps of a progress line."""

    loss: float  # label-smoothed, nats a target token
    nll: float  # negative log-likelihood, nats a target token
    norm: float  # of the gradient before clipping
    rate: float
    tokens: int
    tokens_per_second: float
    steps: int
    skipped: int

    @property
    def perplexity(self) -> float:
        return math.exp(min(self.nll, 700))
