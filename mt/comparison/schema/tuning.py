"""Trials of settings before a comparison."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class RungValidation:
    """The best validation of a trial until a share of the budget."""

    share: float
    bleu: float | None
    loss: float | None


@dataclass
class TrialResult:
    """One trial; `bleu` and `loss` are those of its best validation, None if there is none."""

    settings: list[str]
    bleu: float | None
    loss: float | None
    chosen: bool
    path: str
    failure: str  # "" if it did not fail
    # One without successive halving; the last is how far it was trained.
    rungs: list[RungValidation] = field(default_factory=list)


@dataclass
class TuningResult:
    """All trials of a system, which is then trained with the chosen settings."""

    system: str
    trials: list[TrialResult]
    # Validation BLEU of the best of 1, 2, ... random trials; empty with several rungs.
    expected_best: list[float]


def format_share(share: float) -> str:
    """Return the share of the budget of a rung, which is 1 / n, such as "1/9" or "all"."""
    return "all" if share == 1 else f"1/{round(1 / share)}"
