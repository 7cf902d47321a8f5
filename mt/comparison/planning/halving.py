"""Synchronous successive halving (Jamieson and Talwalkar 2016): the best trials train on.

All trials of a variant are trained for a share of the budget, the best of them for a larger share,
and so on until one is left, which is chosen. A promoted trial continues its run. Without halving
there is one rung, with all trials and the whole budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mt.comparison.planning.trials import Trial, TrialValidation


@dataclass(frozen=True)
class Rung:
    """A validation of some trials of each variant after a share of the budget."""

    trials: int
    share: float


def plan_rungs(trials: int, halving: int) -> list[Rung]:
    """Return the rungs for a number of trials, of which 1 of `halving` is promoted; 0: one rung.

    Rung k of 0 to s has floor(trials / halving^k) trials and the share halving^(k - s). A last rung
    of one trial is left out: nothing is chosen there.
    """
    sizes = [trials]
    while halving and sizes[-1] >= halving:
        sizes.append(sizes[-1] // halving)
    rungs = [Rung(size, 1 / halving ** (len(sizes) - 1 - k)) for k, size in enumerate(sizes)]
    return rungs[:-1] if len(rungs) > 1 and sizes[-1] == 1 else rungs


def cost_share(rungs: Sequence[Rung]) -> float:
    """Return the cost of the rungs, as a share of that of all trials with the whole budget."""
    before = [0.0, *(rung.share for rung in rungs)]
    spent = [r.trials * (r.share - done) for r, done in zip(rungs, before, strict=False)]
    return sum(spent) / rungs[0].trials


def promoted(trials: Sequence[Trial], rungs: Sequence[Rung], number: int) -> list[Trial]:
    """Return the trials of a rung: all of them in rung 0, then the best of the rung before.

    The better come first; of equal ones, the first. Trials that failed are not promoted.
    """
    chosen = list(trials)
    for before in range(number):
        validated = rank_trials(chosen, before)
        chosen = [trial for trial, _ in validated[: rungs[before + 1].trials]]
    return chosen


def rank_trials(trials: Sequence[Trial], rung: int) -> list[tuple[Trial, TrialValidation]]:
    """Return the trials that are trained to the end of a rung with their validation, best first."""
    validated = [(trial, trial.validation(rung)) for trial in trials]
    known = [(trial, validation) for trial, validation in validated if validation]
    return sorted(known, key=lambda pair: pair[1].rank, reverse=True)


def choose(trials: Sequence[Trial], rungs: Sequence[Rung]) -> Trial | None:
    """Return the best trial of the last rung, the first of equal ones; None if no trial is left.

    If all trials of a rung failed, it is the best of the rung before that was not promoted.
    """
    failed: list[Trial] = []
    for number in reversed(range(len(rungs))):
        group = promoted(trials, rungs, number)
        for trial, _ in rank_trials(group, number):
            if trial not in failed:
                return trial
        failed += group
    return None
