"""Data-parallel training with torch.distributed; with one process, all operations do nothing.

Gradients are summed once per optimizer step, after accumulation, instead of through
DistributedDataParallel. A rank that has no batch left in a step contributes zeros, so that the
other ranks never wait for it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from mt.errors import ProcessLost


@contextlib.contextmanager
def explain_lost_process() -> Iterator[None]:
    """Raise ProcessLost if an exchange with the other processes fails."""
    try:
        yield
    except RuntimeError as error:
        raise ProcessLost(
            "another process of this training has ended: the same command continues from the last "
            "checkpoint"
        ) from error


class ProcessGroup:
    """The processes that torchrun started, and the rank of this one; without torchrun, 0 of 1."""

    def __init__(self) -> None:
        # A cluster may set some of these on its own.
        is_torchrun = {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= os.environ.keys()
        self.world_size = int(os.environ["WORLD_SIZE"]) if is_torchrun else 1
        self.rank = int(os.environ["RANK"]) if is_torchrun else 0
        self.is_main = self.rank == 0
        if self.world_size > 1 and not dist.is_initialized():
            use_nccl = torch.cuda.is_available() and dist.is_nccl_available()
            dist.init_process_group("cpu:gloo,cuda:nccl" if use_nccl else "gloo")

    def all_reduce_sum(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all ranks, in a single transfer."""
        if self.world_size == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with explain_lost_process():
            dist.all_reduce(flat)
        parts = flat.split([tensor.numel() for tensor in tensors])
        torch._foreach_copy_(
            list(tensors),
            [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)],
        )

    def all_gather(self, value: Any) -> list[Any]:
        """Return the values of all ranks, in the order of ranks."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        with explain_lost_process():
            dist.all_gather_object(values, value)
        return values

    def close(self) -> None:
        """Destroy the process group, at the end of training."""
        if self.world_size > 1 and dist.is_initialized():
            dist.destroy_process_group()
