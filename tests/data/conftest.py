"""Fixtures of all tests of data."""

from __future__ import annotations

import datasets
import pytest


@pytest.fixture(autouse=True)
def quiet_hub(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    datasets.disable_progress_bars()
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("hf"))
