"""The speed of training on this machine, measured by a few steps."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple

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
# Share of its time in which the thread of training is on a CPU, below which other programs disturb
# it. Undisturbed, it was 0.94 to 0.98 with one thread and with two (docs/automatic-settings.md).
MIN_CPU_SHARE = 0.7
PATIENCE = 20.0  # seconds in which other programs may end


class Sample(NamedTuple):
    """The speed of one process over a few seconds."""

    speed: float  # target tokens per second; 0 if the model does not fit into memory
    cpu_share: float  # of the time in which the thread of training was on a CPU; 1 with a GPU
    seconds: float


class SpeedMeter:
    """Measures the target tokens per second of training on all ranks, with some settings.

    It trains a model that is then dropped, on batches of the first epoch. Every rank measures for
    itself, without the exchange of gradients; the slowest counts, because the others wait for it.
    The training that follows seeds its random numbers anew. The speed is 0 if the model does not
    fit into memory.

    If other programs take the CPU from it, the meter measures again until they end, for `PATIENCE`
    seconds in all measurements together. After that their load is part of the speed. `say` gets a
    message on both.
    """

    def __init__(
        self,
        data: PreparedData,
        group: ProcessGroup,
        device: torch.device,
        say: Callable[[str], None],
    ) -> None:
        self.data, self.group, self.device, self.say = data, group, device, say
        self.patience = PATIENCE

    def __call__(self, config: Config) -> float:
        config = with_values(config, {"trainer.init_from": ""})
        samples = measure_samples(config, self.data, self.device)
        slowest = self._gather(samples)
        while slowest.cpu_share < MIN_CPU_SHARE and self.patience > 0:
            if self.patience == PATIENCE:
                self.say(
                    f"other programs leave {slowest.cpu_share:.0%} of the CPU to this training: "
                    f"waiting up to {PATIENCE:.0f} seconds for their end, to measure its speed"
                )
            self.patience -= slowest.seconds
            slowest = self._gather(samples)
            if self.patience <= 0 and slowest.cpu_share < MIN_CPU_SHARE:
                self.say(
                    "note: other programs still run: the settings are chosen for "
                    f"{slowest.cpu_share:.0%} of the CPU; if these programs end soon, begin "
                    "another run (name=...) then"
                )
        samples.close()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        return self.group.world_size * slowest.speed

    def _gather(self, samples: Iterator[Sample]) -> Sample:
        """Take a sample on each rank; return the lowest speed and share, and the longest time."""
        try:
            own = next(samples)
        except (MTError, torch.OutOfMemoryError):
            own = Sample(0.0, 1.0, 0.0)
        speeds, shares, seconds = zip(*self.group.all_gather(own), strict=True)
        return Sample(min(speeds), min(shares), max(seconds))


def measure_samples(
    config: Config, data: PreparedData, device: torch.device
) -> Generator[Sample, None, None]:
    """Yield the speed of this process in the first seconds of training, in the next, and so on."""
    model = make_model(config, data, device, ProcessGroup()).train()
    optimizer = build_optimizer(config.optim, model)
    average = WeightAverage(dict(model.named_parameters()), config.optim.ema)
    objective = Objective(config, device, data.tokenizer.marks)
    order = order_batches(config, data)
    segment = build_segmenter(config, data.tokenizer, 0)
    tokens, start, cpu_start = 0, time.monotonic(), time.thread_time()
    for step, rows in enumerate(itertools.cycle(order.epoch(0)), start=1):
        batch = collate(order.tables_in(0), rows, segment)
        take_step(model, optimizer, objective, batch, config.optim)
        average.update(step)
        tokens += batch.target_tokens
        seconds = time.monotonic() - start
        if step > WARM_UP and seconds >= SECONDS:
            cpu_share = (time.thread_time() - cpu_start) / seconds if device.type == "cpu" else 1.0
            yield Sample(tokens / seconds, cpu_share, seconds)
        elif step != WARM_UP:
            continue
        tokens, start, cpu_start = 0, time.monotonic(), time.thread_time()


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
