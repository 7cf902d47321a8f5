"""Short trainings, and what they leave in their run directories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from mt.config.compose import load_config
from mt.evaluation.evaluation import Evaluation
from mt.run_folder import RunFolder
from mt.tensor_files import read_tensors
from mt.train import train


def run_training(overrides: list[str]) -> Evaluation | None:
    return train(load_config(overrides))


def checkpoint_tensors(folder: Path) -> dict[str, Tensor]:
    return load_file(RunFolder.at(folder).checkpoint)


def checkpoint_state(folder: Path) -> dict[str, Any]:
    return read_tensors(RunFolder.at(folder).checkpoint)[1]


def read_records(folder: Path, kind: str = "") -> list[dict[str, Any]]:
    """Return the metric records of a run, or those of a kind: train or val."""
    records = RunFolder.at(folder).read_metrics()
    return [record for record in records if record["kind"] == kind or not kind]
