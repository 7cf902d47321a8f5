"""The speed of training on this machine, measured by a few steps."""

from __future__ import annotations

import contextlib
import itertools
import time

import torch

from mt.config.automatic import with_values
from mt.config.schema import Config
from mt.data.batch_stream import Position
from mt.data.batching import Batch
from mt.data.prepare import PreparedData
from mt.device import autocast
from mt.models.build import build_model
from mt.models.loss import cross_entropy
from mt.models.seq2seq import Seq2Seq
from mt.training.distributed import ProcessGroup
from mt.training.optim import (
    CombinedOptimizer,
    apply_gradients,
    build_optimizer,
    collect_gradients,
)
from mt.training.steps import load_steps, order_batches

BATCH_TOKENS = 2048
SECONDS = 2.0  # of steps that are timed
WARM_UP = 2  # steps before them, in which memory and kernels are prepared


def measure_speed(
    config: Config, data: PreparedData, group: ProcessGroup, device: torch.device
) -> float:
    """Return the target tokens per second of training with some settings, on all ranks.

    Trains a model that is then dropped, on the first batches of the first epoch. The training that
    follows seeds its random numbers anew.
    """
    config = with_values(config, {"trainer.batch_tokens": BATCH_TOKENS})
    sizes = [data.tokenizer.vocab_size(side) for side in ("src", "tgt")]
    tokens = steps = 0
    start = time.monotonic()
    model = build_model(config.model, *sizes).to(device).train()
    optimizer = build_optimizer(config.optim, model)
    order = order_batches(config, data)
    stream = load_steps(config, data, order, group, Position(), group.world_size)
    with contextlib.closing(stream):
        for batch in itertools.chain.from_iterable(batches for _, batches in stream):
            take_step(model, optimizer, batch, config, device)
            steps += 1
            if steps == WARM_UP:
                start = time.monotonic()
            elif steps > WARM_UP:
                tokens += batch.target_tokens
                if time.monotonic() - start >= SECONDS:
                    break
    own = tokens / (time.monotonic() - start)
    return float(sum(group.all_gather(own)))


def take_step(
    model: Seq2Seq,
    optimizer: CombinedOptimizer,
    batch: Batch,
    config: Config,
    device: torch.device,
) -> None:
    """Train on one batch and wait until it is done."""
    for parameter in model.parameters():
        parameter.grad = None
    batch = batch.to(device)
    with autocast(device, config.trainer.precision):
        output = model(batch.source, batch.source_mask, batch.target_input)
        loss, _ = cross_entropy(
            output.hidden, model.output, batch.target, config.optim.label_smoothing
        )
    loss.backward()
    tokens = torch.tensor(float(batch.target_tokens), device=device)
    gradients = collect_gradients(model)
    apply_gradients(optimizer, gradients, tokens, config.optim.clip, config.optim.lr)[0].item()
