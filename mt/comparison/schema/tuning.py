"""Trials of settings before a comparison."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class TrialResult:
    """One trial; `bleu` and `loss` are those of its best validation, None if it failed."""

    settings: list[str]
    bleu: float | None
    loss: float | None
    chosen: bool
    path: str
    failure: str  # "" if it did not fail


@dataclass
class TuningResult:
    """All trials of a system, which is then trained with the chosen settings."""

    system: str
    trials: list[TrialResult]
    expected_best: list[float]  # validation BLEU of the best of 1, 2, ... random trials
