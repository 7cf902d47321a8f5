"""What a run has cost: `cost.json` in its folder, the last file that a run writes."""

from __future__ import annotations

import math
import sys

import torch
from torch import nn

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
    beam: int,
) -> None:
    """Write what training to `progress` cost, and the test of so many sentences in so many seconds with that beam.

    Minutes are wall clock over all restarts, with validation and (`training_minutes`) without;
    tokens are target tokens, padding not counted; memory is in bytes. What is not known, because an
    earlier version of mt began the run, is null.
    """
    seconds_of_training = state.training_minutes * 60
    cost = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "steps": state.step,
        "target_tokens": state.target_tokens,
        "minutes": state.minutes,
        "training_minutes": state.training_minutes,
        "tokens_per_second": state.target_tokens / seconds_of_training
        if seconds_of_training
        else math.nan,
        "flops": state.flops,
        "peak_memory": max(state.peak_memory, peak_memory(device)),
        "memory_of": "cuda" if device.type == "cuda" else "process",
        "test_sentences": sentences,
        "test_seconds": seconds,
        "test_beam": beam,
        "device": device_name(device),
    }
    folder.write_cost(cost)


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that tensors took on a GPU, or the most that this process had of the machine's memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource  # of Unix only

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # in kilobytes elsewhere
