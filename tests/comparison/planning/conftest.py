"""Training of planned runs without a process for each, which takes seconds to start."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mt.comparison.planning.planned_run import PlannedRun
from mt.comparison.schema.systems import FailedRun
from mt.train import train


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Train in this process; return the labels of the runs, in a list for each batch."""
    batches: list[list[str]] = []

    def train_here(runs: Sequence[PlannedRun], launcher: list[str], jobs: int) -> list[FailedRun]:
        batches.append([each.label for each in runs])
        for each in runs:
            train(each.config)
        return []

    monkeypatch.setattr("mt.compare.train_all", train_here)
    return batches
