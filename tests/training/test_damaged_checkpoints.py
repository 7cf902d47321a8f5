"""Checkpoints whose content does not fit the run are refused in one line."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from mt.config.schema import OptimConfig
from mt.errors import MTError
from mt.models.seq2seq import Seq2Seq
from mt.run_folder import RunFolder
from mt.tensor_files import read_tensors, write_tensors
from mt.training.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from mt.training.data_parallel import DataParallel
from mt.training.distributed import ProcessGroup
from mt.training.objective import Objective
from mt.training.optim import build_optimizer

Content = tuple[dict[str, Tensor], dict[str, Any]]


def alone(model: nn.Module) -> DataParallel:
    return DataParallel(cast(Seq2Seq, model), cast(Objective, None), ProcessGroup())


def trained_state(kind: str) -> tuple[DataParallel, Any, dict[str, Tensor]]:
    """Return a small model with an optimizer that has done a step, and an average."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    optimizer = build_optimizer(OptimConfig(optimizer=kind), model)
    model(torch.ones(5, 3)).sum().backward()
    optimizer.step(1e-3, torch.tensor(0.0))
    return alone(model), optimizer, {n: p.detach().clone() for n, p in model.named_parameters()}


def drop(name: str) -> Callable[[Content], object]:
    return lambda content: content[0].pop(name)


def reshape(name: str) -> Callable[[Content], object]:
    return lambda content: content[0].update({name: torch.zeros(7)})


def put(name: str, value: object) -> Callable[[Content], object]:
    return lambda content: content[1].update({name: value})


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (drop("model.0.weight"), "the first is 0.weight"),
        (reshape("model.0.weight"), "the first is 0.weight"),
        (drop("average.1.bias"), r"\(average.1.bias\)"),
        (reshape("average.1.bias"), r"\(average.1.bias\)"),
        (reshape("optimizer.exp_avg.0.weight"), r"\(optimizer.exp_avg.0.weight\)"),
        (reshape("optimizer.exp_avg_sq.1.bias"), r"\(optimizer.exp_avg_sq.1.bias\)"),
        (put("step", "5"), r"\(step\)"),
        (put("step", None), r"\(step\)"),
        (put("step", [1]), r"\(step\)"),
        (put("data_hash", 5), "different prepared text"),
        (put("best", "high"), r"\(best\)"),
        (put("colour", "red"), r"\(colour\)"),
        (lambda content: content[1].pop("epoch"), r"\(epoch\)"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(
    damage: Callable[[Content], object], reason: str, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path)
    model, optimizer, average = trained_state("adamw")
    save_checkpoint(folder, model, optimizer, average, TrainingState(step=1))
    content = read_tensors(folder.checkpoint)
    damage(content)
    folder.write_tensors(folder.checkpoint, *content)
    with pytest.raises(MTError, match=reason) as caught:
        load_checkpoint(folder, *trained_state("adamw"), "")
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_a_checkpoint_restores_every_tensor(kind: str, tmp_path: Path) -> None:
    folder, state = RunFolder(tmp_path), TrainingState(step=3, best=1.5, flops=2.0)
    model, optimizer, average = trained_state(kind)
    for value in average.values():
        value.mul_(2)
    save_checkpoint(folder, model, optimizer, average, state)
    fresh = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    loaded_optimizer = build_optimizer(OptimConfig(optimizer=kind), fresh)
    loaded_average = {n: torch.zeros_like(p) for n, p in fresh.named_parameters()}
    loaded = load_checkpoint(folder, alone(fresh), loaded_optimizer, loaded_average, "")
    assert math.isnan(loaded.best_loss)
    assert vars(loaded) | {"best_loss": 0} == vars(state) | {"best_loss": 0}
    assert all(torch.equal(loaded_average[name], average[name]) for name in average)
    pairs = zip(model.weights.items(), fresh.parameters(), strict=True)
    for (name, old), new in pairs:
        assert torch.equal(old, new), name
        for key, value in optimizer.state(old).items():
            assert torch.equal(value, loaded_optimizer.state(new)[key]), (name, key)


def test_the_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    """Its own checksum is right, and its tensors fit."""
    model, optimizer, average = trained_state("adamw")
    folders = [RunFolder(tmp_path / name) for name in ("run", "other")]
    for step, folder in enumerate(folders):
        save_checkpoint(folder, model, optimizer, average, TrainingState(step=step))
    shutil.copyfile(folders[1].checkpoint, folders[0].checkpoint)
    with pytest.raises(MTError, match=r"has changed since mt wrote it: restore it .* delete it"):
        load_checkpoint(folders[0], *trained_state("adamw"), "")
    (folders[0].path / "checksums.txt").unlink()  # the way out that the message names
    assert load_checkpoint(folders[0], *trained_state("adamw"), "").step == 1


def test_a_checkpoint_of_an_earlier_version_has_no_checksum_outside(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    save_checkpoint(folder, *trained_state("adamw"), TrainingState(step=1))
    content = read_tensors(folder.checkpoint)
    (tmp_path / "checksums.txt").unlink()
    write_tensors(folder.checkpoint, *content)
    assert load_checkpoint(folder, *trained_state("adamw"), "").step == 1
