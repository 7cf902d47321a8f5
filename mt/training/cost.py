"""The cost of a run, written to `RunFolder.cost` as the last file of mt-train."""

from __future__ import annotations

import contextlib
import math
import sys
from pathlib import Path

import torch
from torch import nn

from mt.config.training_schema import TrainerConfig
from mt.device import device_name
from mt.run_folder import RunFolder
from mt.training.checkpoint import TrainingState


def save_cost(
    folder: RunFolder,
    model: nn.Module,
    state: TrainingState,
    device: torch.device,
    sentences: int,
    seconds: float,
    trainer: TrainerConfig,
) -> None:
    """Write the cost of training up to `state`, and of translating the test set.

    `sentences` and `seconds` describe the translation of the test set. `minutes` are wall-clock
    time over all restarts, with validation, and `training_minutes` without. Tokens are target
    tokens without padding, and memory is in bytes. Values that an earlier version of mt did not
    store become null.
    """
    training_seconds = state.training_minutes * 60
    speed = state.target_tokens / training_seconds if training_seconds else math.nan
    cost = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "steps": state.step,
        "target_tokens": state.target_tokens,
        "minutes": state.minutes,
        "training_minutes": state.training_minutes,
        "tokens_per_second": speed,
        "flops": state.flops,
        "peak_memory": max(state.peak_memory, peak_memory(device)),
        "memory_of": "cuda" if device.type == "cuda" else "process",
        "test_sentences": sentences,
        "test_seconds": seconds,
        "test_beam": trainer.test_beam,
        "pause_at": trainer.pause_at,
        "device": device_name(device),
    }
    folder.write_cost(cost)


def peak_memory(device: torch.device) -> int:
    """Return the peak memory in bytes: of tensors on a GPU, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError, IndexError):
        # Linux, whose `getrusage` also counts the process that started this one.
        fields = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()
        return int(fields[0]) * 1024
    import resource  # Unix only

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # in kilobytes elsewhere
