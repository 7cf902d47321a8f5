"""Checkpoints: weights, optimizer state, weight average and counters, to resume exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import torch
from torch import Tensor, nn

from mt.errors import MTError
from mt.models.weights import load_tensors, model_tensors
from mt.run_folder import RunFolder
from mt.training.data_parallel import DataParallel
from mt.training.optim import CombinedOptimizer

# Values of a run that was started by a version of mt that did not store them: not known.
UNKNOWN_VALUES: dict[str, Any] = {
    "training_minutes": math.nan,
    "flops": math.nan,
    "peak_memory": 0,
    "best_loss": math.nan,
    "validation_minutes": 0.0,
    "micro_batches": 0,
    "curve": [],
    "plateau_step": 0,
    "decay_step": 0,
    "pauses": [],
}
ROW_LENGTHS = {"curve": 3, "pauses": 4}
OLD_NAMES = {"bad": "validations_since_best"}  # name in checkpoints of earlier versions -> name


@dataclass
class TrainingState:
    """Counters and scores of training that a checkpoint stores beside tensors."""

    step: int = 0  # optimizer steps
    epoch: int = 0
    batch: int = 0  # micro-batches done in the epoch
    epochs: float = 0.0  # `epoch` and `batch` as one number
    minutes: float = 0.0  # wall-clock time of training and validation
    training_minutes: float = 0.0  # the same without validation
    validation_minutes: float = 0.0  # of the last validation that was not the end of training
    target_tokens: int = 0  # of all steps, including skipped ones
    flops: float = 0.0  # as estimated by mt/training/flops.py
    peak_memory: int = 0  # bytes, as measured by mt/training/cost.py
    skipped: int = 0  # steps without an update, because a gradient was not finite
    # Validation metric of the saved model; BLEU that cannot tell models apart counts as 0.
    best: float | None = None
    best_loss: float = math.nan  # validation loss of the saved model
    best_step: int = 0
    validations_since_best: int = 0
    validated: int = -1  # step of the last validation
    data_hash: str = ""
    micro_batches: int = 0  # of an optimizer step, over all ranks; 0: not known
    # (step, BLEU, loss or None) of each validation; without those of earlier versions of mt.
    curve: list[list[Any]] = field(default_factory=list)
    plateau_step: int = 0  # step of the validation that saw the plateau; 0: not seen
    decay_step: int = 0  # first step of the final decay; 0: it has not begun
    # (trainer.pause_at, best_step, best, best_loss) of each pause, and of the end of a paused run.
    pauses: list[list[Any]] = field(default_factory=list)


def save_checkpoint(
    folder: RunFolder,
    parallel: DataParallel,
    optimizer: CombinedOptimizer,
    average: dict[str, Tensor],
    state: TrainingState,
) -> None:
    """Save everything that is needed to resume, so that it is never half new. All ranks call it."""
    tensors: dict[str, Tensor] = {f"model.{name}": p for name, p in parallel.weights.items()}
    tensors |= {f"average.{name}": p for name, p in average.items()}
    for name, weight in parallel.weights.items():
        tensors |= {
            f"optimizer.{key}.{name}": value for key, value in optimizer.state(weight).items()
        }
    parallel.write_checkpoint(folder, tensors, asdict(state))


@torch.no_grad()
def load_checkpoint(
    folder: RunFolder,
    parallel: DataParallel,
    optimizer: CombinedOptimizer,
    average: dict[str, Tensor],
    data_hash: str,
) -> TrainingState:
    """Load a checkpoint into weights, optimizer and average; return the training state.

    Raises MTError if the file is damaged or from an incompatible version, or if the run was trained
    on other text than that of `data_hash`, whose vocabulary may have another size.
    """
    path = folder.checkpoint
    tensors, facts = parallel.read_checkpoint(folder)
    if facts.get("data_hash", data_hash) != data_hash:
        raise MTError(
            f"{folder} was trained on different prepared text: its files have changed "
            "(a corpus that has grown?), or the largest vocabulary, or the versions of "
            "sentencepiece or Python. To keep it and train another run on this text, choose "
            f"another name=...; to start that from its weights, add trainer.init_from={folder}; "
            "to continue it, restore its text"
        )
    weights = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
    load_tensors(dict(parallel.weights), weights, path)
    values = UNKNOWN_VALUES | {OLD_NAMES.get(name, name): value for name, value in facts.items()}
    names = {field.name for field in fields(TrainingState)}
    mismatched = [
        *sorted({f"average.{name}" for name in average} - tensors.keys()),
        *sorted(values.keys() ^ names),
        *sorted(name for name, value in values.items() if not _fits(name, value)),
        *_wrong_shapes(parallel.weights, tensors),
    ]
    if mismatched:
        raise MTError(
            f"{path} is from an incompatible version of mt ({mismatched[0]}): "
            f"delete {path.parent} to start again, or use the version that wrote it"
        )
    for name, shadow in average.items():
        shadow.copy_(tensors[f"average.{name}"])
    for name, value in tensors.items():
        kind, key, owner = (*name.split(".", 2), "", "")[:3]
        if kind == "optimizer" and owner in parallel.weights:
            weight = parallel.weights[owner]
            optimizer.state(weight)[key] = value.to(weight.device)
    return TrainingState(**values)


def replace_model(folder: RunFolder, model: nn.Module, state: TrainingState, write: bool) -> str:
    """Write `model` in place of the best weights, which are lost; return a warning that says so.

    The next validation, if there is one, is then the best so far. Ranks other than the first do not
    `write`.
    """
    warning = (
        f"warning: {folder.model} with the weights of step {state.best_step:,} is missing: "
        f"those of step {state.step:,} take their place"
    )
    state.best, state.best_loss, state.best_step = None, math.nan, state.step
    if write:
        folder.write_tensors(folder.model, model_tensors(model), asdict(state))
    return warning


def _fits(name: str, value: Any) -> bool:
    """Return whether a value of `TrainingState` has the right type."""
    if name == "data_hash":
        return isinstance(value, str)
    if name in ROW_LENGTHS:
        return isinstance(value, list) and all(
            isinstance(row, list)
            and len(row) == ROW_LENGTHS[name]
            and all(isinstance(number, int | float) for number in row[:2])
            and all(isinstance(number, int | float | None) for number in row[2:])
            for row in value
        )
    return isinstance(value, int | float) or (name == "best" and value is None)


def _wrong_shapes(weights: Mapping[str, Tensor], tensors: dict[str, Tensor]) -> list[str]:
    """Return the tensors of averages and optimizer whose shape is not that of the weight."""
    shapes = {name: weight.shape for name, weight in weights.items()}
    prefixes = ("average", "optimizer.exp_avg", "optimizer.exp_avg_sq", "optimizer.momentum")
    keys = {f"{prefix}.{name}": shape for prefix in prefixes for name, shape in shapes.items()}
    return sorted(n for n, shape in keys.items() if n in tensors and tensors[n].shape != shape)
