"""What a run has cost: `cost.json` in its folder, the last file that a run writes."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mt.files import write_text
from mt.training.checkpoint import Progress
from mt.training.device import device_name

COST = "cost.json"


def save_cost(
    folder: Path, model: nn.Module, progress: Progress, device: torch.device, sentences: int, seconds: float, beam: int
) -> dict[str, Any]:
    """Write what training to `progress` cost, and the test of so many sentences in so many seconds with that beam.

    Minutes are wall clock over all restarts, with validation and (`training_minutes`) without; tokens are target tokens, padding not
    counted; memory is in bytes. What is not known, because an earlier version of mt began the run, is null.
    """
    seconds_of_training = progress.training_minutes * 60
    cost = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "steps": progress.step,
        "target_tokens": progress.target_tokens,
        "minutes": progress.minutes,
        "training_minutes": progress.training_minutes,
        "tokens_per_second": progress.target_tokens / seconds_of_training if seconds_of_training else math.nan,
        "flops": progress.flops,
        "peak_memory": max(progress.peak_memory, peak_memory(device)),
        "memory_of": "cuda" if device.type == "cuda" else "process",
        "test_sentences": sentences,
        "test_seconds": seconds,
        "test_beam": beam,
        "device": device_name(device),
    }
    known = {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in cost.items()}
    write_text(folder / COST, json.dumps(known, indent=1) + "\n")
    return known


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that tensors took on a GPU, or the most that this process had of the machine's memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource  # of Unix only

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # in kilobytes elsewhere
