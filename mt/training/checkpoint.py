"""Where training stands, stored so that it can go on exactly: weights, optimizer, average, counters."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from mt.errors import MTError
from mt.models.weights import load_parameters
from mt.run_folder import RunFolder, read_tensors, write_tensors
from mt.training.optim import Optimizers

# What earlier versions did not note, so that it is not known of a run that began with one: not a
# number.
UNKNOWN: dict[str, Any] = {"training_minutes": math.nan, "flops": math.nan, "peak_memory": 0}


@dataclass
class TrainingState:
    """Where training stands: everything beside tensors that an exact continuation needs."""

    step: int = 0
    epoch: int = 0
    batch: int = 0  # micro-batches of the epoch that are done
    epochs: float = 0.0  # the same as a number
    minutes: float = 0.0
    training_minutes: float = 0.0  # of `minutes`, without validation
    target_tokens: int = 0  # of all steps, those without effect included
    flops: float = 0.0  # as mt/training/flops.py counts them
    peak_memory: int = 0  # bytes, as mt/training/cost.py measures them
    skipped: int = 0  # steps without effect because a gradient was not finite
    best: float | None = None  # validation metric of the saved model
    best_step: int = 0
    bad: int = 0  # validations since the best
    validated: int = -1  # step of the last validation
    data_hash: str = ""


def save_checkpoint(
    folder: RunFolder,
    model: nn.Module,
    optimizer: Optimizers,
    average: dict[str, Tensor],
    state: TrainingState,
) -> None:
    """Everything needed to continue, in one file and so all or nothing."""
    tensors: dict[str, Tensor] = {f"model.{name}": p for name, p in model.named_parameters()}
    tensors |= {f"average.{name}": p for name, p in average.items()}
    for name, parameter in model.named_parameters():
        tensors |= {
            f"optimizer.{key}.{name}": value for key, value in optimizer.state(parameter).items()
        }
    write_tensors(folder.checkpoint, tensors, asdict(state))


@torch.no_grad()
def load_checkpoint(
    folder: RunFolder, model: nn.Module, optimizer: Optimizers, average: dict[str, Tensor]
) -> TrainingState:
    """Put everything back where `save_checkpoint` took it from; returns where training stood."""
    path = folder.checkpoint
    tensors, facts = read_tensors(path)
    load_parameters(
        model,
        {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")},
        path,
    )
    facts = UNKNOWN | facts
    known = {field.name for field in fields(TrainingState)}
    missing = sorted({f"average.{name}" for name in average} - tensors.keys()) + sorted(
        facts.keys() ^ known
    )
    if missing:
        raise MTError(
            f"{path} is not of this version of mt ({missing[0]}): delete {path.parent} to begin again, or use the version that wrote it"
        )
    for name, shadow in average.items():
        shadow.copy_(tensors[f"average.{name}"])
    for name, parameter in model.named_parameters():
        for key in ("step", "exp_avg", "exp_avg_sq", "momentum"):
            if (value := tensors.get(f"optimizer.{key}.{name}")) is not None:
                optimizer.state(parameter)[key] = value.to(parameter.device)
    return TrainingState(**facts)
