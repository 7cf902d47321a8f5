"""Check whether a training can fit into the memory of its device."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch

from mt.config.schema import ModelConfig, OptimConfig
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
) -> None:
    """Raise MTError if weights, gradients and AdamW's moments exceed the memory of the device.

    `sizes` are those of the vocabularies. `shards` ranks divide the weights among them. Those of
    one machine share its memory if they train on the CPU. With `optim.lora`, less is needed.
    """
    with torch.device("meta"):
        model = build_model(config, *sizes)
    if device.type == "cuda":
        available = torch.cuda.get_device_properties(device).total_memory
    else:
        available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        available //= int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    remedy = (
        "reduce model.* or the vocabulary (data.tokenizer.*), or divide it among more GPUs "
        "(trainer.parallel=fsdp)"
    )
    needed = TRAINING_BYTES * count_parameters(model) // shards + gathered_bytes(model, shards)
    if optim and optim.lora:
        needed, remedy = adaptation_bytes(model, optim), "fine-tune a smaller model"
    if needed > available:
        processes = f" in each of {shards} processes" if shards > 1 else ""
        raise MTError(
            f"a model of {count_parameters(model):,} parameters needs {needed / 2**30:,.0f} GiB to "
            f"train{processes}, and there are {available / 2**30:,.0f} GiB: {remedy}"
        )


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
