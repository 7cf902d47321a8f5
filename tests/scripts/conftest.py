"""Fixtures of the tests of scripts."""

from __future__ import annotations

import pytest

from helpers import ROOT


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the modules of the benchmarks importable, and the measurement of the peak short."""
    for folder in ("scripts", "scripts/peers"):
        monkeypatch.syspath_prepend(str(ROOT / folder))
    monkeypatch.setattr("bench.report.PEAK_SECONDS", 0.0)
