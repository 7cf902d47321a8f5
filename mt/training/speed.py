"""The speed of training on this machine, measured by a few steps."""

from __future__ import annotations

import itertools
import time

import torch

from mt.config.automatic import with_values
from mt.config.schema import Config, OptimConfig
from mt.data.batching import Batch
from mt.data.collate import collate
from mt.data.prepare import PreparedData
from mt.data.segmenter import build_segmenter
from mt.errors import MTError
from mt.models.seq2seq import Seq2Seq
from mt.training.distributed import ProcessGroup
from mt.training.objective import Objective
from mt.training.optim import (
    CombinedOptimizer,
    WeightAverage,
    apply_gradients,
    build_optimizer,
    collect_gradients,
)
from mt.training.start import make_model
from mt.training.steps import order_batches

SECONDS = 2.0  # of steps that are timed
WARM_UP = 2  # steps before them, in which memory and kernels are prepared


def measure_speed(
    config: Config, data: PreparedData, group: ProcessGroup, device: torch.device
) -> float:
    """Return the target tokens per second of training with some settings, on all ranks.

    Trains a model that is then dropped, on batches of the first epoch. Every rank measures for
    itself, without the exchange of gradients. The training that follows seeds its random numbers
    anew. 0 if a model does not fit into memory.
    """
    try:
        own = _measure(with_values(config, {"trainer.init_from": ""}), data, device)
    except (MTError, torch.OutOfMemoryError):
        own = 0.0
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    speeds = group.all_gather(own)
    return float(sum(speeds)) if min(speeds) else 0.0


def _measure(config: Config, data: PreparedData, device: torch.device) -> float:
    """Return the target tokens per second of this process."""
    model = make_model(config, data, device).train()
    optimizer = build_optimizer(config.optim, model)
    average = WeightAverage(dict(model.named_parameters()), config.optim.ema)
    objective = Objective(config, device, data.tokenizer.marks)
    order = order_batches(config, data)
    segment = build_segmenter(config, data.tokenizer, 0)
    tokens, start = 0, time.monotonic()
    for step, rows in enumerate(itertools.cycle(order.epoch(0)), start=1):
        batch = collate(order.tables_in(0), rows, segment)
        take_step(model, optimizer, objective, batch, config.optim)
        average.update(step)
        if step == WARM_UP:
            start = time.monotonic()
        elif step > WARM_UP:
            tokens += batch.target_tokens
            if time.monotonic() - start >= SECONDS:
                break
    return tokens / (time.monotonic() - start)


def take_step(
    model: Seq2Seq,
    optimizer: CombinedOptimizer,
    objective: Objective,
    batch: Batch,
    config: OptimConfig,
) -> None:
    """Train on one batch and wait until it is done."""
    for parameter in model.parameters():
        parameter.grad = None
    objective(model, batch.to(objective.device))[0].backward()
    tokens = torch.tensor(float(batch.target_tokens), device=objective.device)
    gradients = collect_gradients(model)
    apply_gradients(optimizer, gradients, tokens, config.clip, config.lr)[0].item()
