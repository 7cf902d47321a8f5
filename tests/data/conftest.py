"""Fixtures of all tests of data."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest

from helpers.prepared_corpora import PAIRS, write_split
from mt.config.schema import CleanConfig, DataConfig, TokenizerConfig


@pytest.fixture(autouse=True)
def quiet_hub(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    datasets.disable_progress_bars()
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("hf"))


@pytest.fixture
def config(tmp_path: Path) -> DataConfig:
    """Return the settings of the corpus of `prepared_corpora`."""
    return DataConfig(
        train=write_split(tmp_path, "train", PAIRS[20:]),
        val=write_split(tmp_path, "val", [*PAIRS[:9], ("", "blank  source")]),
        test=write_split(tmp_path, "test", PAIRS[10:20]),
        clean=CleanConfig(drop_overlap=True),
        tokenizer=TokenizerConfig(vocab_size=330),
        cache=str(tmp_path / "cache"),
    )
