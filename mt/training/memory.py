"""Check whether a training can fit into the memory of its device."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch

from mt.config.automatic import with_defaults
from mt.config.schema import Config, ModelConfig, OptimConfig
from mt.errors import MTError
from mt.models.build import build_model
from mt.models.seq2seq import Seq2Seq
from mt.training.optim import freeze_others

TRAINING_BYTES = 16  # per parameter: weight, gradient and two moments in float32


def check_memory(
    config: ModelConfig,
    sizes: Sequence[int],
    device: torch.device,
    shards: int = 1,
    optim: OptimConfig | None = None,
    processes: int = 1,
) -> None:
    """Raise MTError if weights, gradients and AdamW's moments exceed the memory of the device.

    `sizes` are those of the vocabularies. `shards` ranks divide the weights among them. On the CPU,
    the ranks of one machine share its memory: those of torchrun, or the `processes` that mt-train
    has started. With `optim.lora`, less is needed.
    """
    model = build_on_meta(config, sizes)
    needed, available = training_bytes(model, optim, shards), available_bytes(device)
    launched = int(os.environ.get("LOCAL_WORLD_SIZE", 0))
    ranks = 1 if device.type == "cuda" else launched or processes
    if needed * ranks <= available:
        return
    remedy = (
        "reduce model.* or the vocabulary (data.tokenizer.*), or divide it among more GPUs "
        "(trainer.parallel=fsdp)"
    )
    if optim and optim.lora:
        remedy = "fine-tune a smaller model"
    if ranks > 1 and not launched and needed <= available:
        remedy = f"set trainer.processes={available // needed}"
    count = max(ranks, shards)
    each = f" in each of {count} processes" if count > 1 else ""
    raise MTError(
        f"a model of {count_parameters(model):,} parameters needs {needed / 2**30:,.1f} GiB to "
        f"train{each}, and there are {available / ranks / 2**30:,.1f} GiB: {remedy}"
    )


def fitting_processes(config: Config, sizes: Sequence[int]) -> int:
    """Return how many processes with a model each the memory of the CPU holds, at least 1.

    The size of a model that is `auto` counts as the default.
    """
    config = with_defaults(config)
    needed = training_bytes(build_on_meta(config.model, sizes), config.optim)
    return max(1, available_bytes(torch.device("cpu")) // needed)


def build_on_meta(config: ModelConfig, sizes: Sequence[int]) -> Seq2Seq:
    """Return a model without memory for its weights."""
    with torch.device("meta"):
        return build_model(config, *sizes)


def available_bytes(device: torch.device) -> int:
    """Return the memory of a GPU, else that of the machine."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def training_bytes(model: Seq2Seq, optim: OptimConfig | None, shards: int = 1) -> int:
    """Return the bytes that a rank needs for weights, gradients and moments; see `check_memory`."""
    if optim and optim.lora:
        return adaptation_bytes(model, optim)
    return TRAINING_BYTES * count_parameters(model) // shards + gathered_bytes(model, shards)


def adaptation_bytes(model: Seq2Seq, optim: OptimConfig) -> int:
    """Return the bytes of the weights, and of the gradients of those that optim.lora adapts.

    The moments are those of the factors, which are small.
    """
    return 4 * (count_parameters(model) + sum(p.numel() for p in freeze_others(optim, model)))


def count_parameters(model: Seq2Seq) -> int:
    """Return the number of parameters, shared ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def gathered_bytes(model: Seq2Seq, shards: int) -> int:
    """Return the most bytes that a rank has beside its own rows, if `shards` ranks divide weights.

    A validation needs all weights, and training those that are gathered and their gradients.
    """
    if shards == 1:
        return 0
    return 4 * max(count_parameters(model), 2 * count_gathered(model))


def count_gathered(model: Seq2Seq) -> int:
    """Return the most weights that are gathered at a time: the largest layer, and all outside."""
    from mt.training.sharding import find_units  # its imports take long

    layers, seen = [0], set[int]()
    for unit in find_units(model):
        modules = unit if isinstance(unit, list) else [unit]
        own = {id(p): p.numel() for module in modules for p in module.parameters()}
        layers.append(sum(count for key, count in own.items() if key not in seen))
        seen |= own.keys()
    return count_parameters(model) - sum(layers) + max(layers)
