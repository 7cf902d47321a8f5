"""One process or many: what training needs of torch.distributed, with nothing to do where there is one process.

Gradients are summed once a step, after accumulation, instead of through DistributedDataParallel: a
rank that has no batch left in a step takes part with zeros, so uneven data never leaves the others
waiting.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class ProcessGroup:
    """This process's place among `world` processes started by torchrun; rank 0 of 1 without it."""

    def __init__(self) -> None:
        started = {
            "RANK",
            "WORLD_SIZE",
            "MASTER_ADDR",
        } <= os.environ.keys()  # a cluster may set some of them on its own
        self.world = int(os.environ["WORLD_SIZE"]) if started else 1
        self.rank = int(os.environ["RANK"]) if started else 0
        self.first = self.rank == 0
        if self.world > 1 and not dist.is_initialized():
            backend = (
                "cpu:gloo,cuda:nccl"
                if torch.cuda.is_available() and dist.is_nccl_available()
                else "gloo"
            )
            dist.init_process_group(backend)

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all ranks, with one transfer."""
        if self.world == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        parts = flat.split([tensor.numel() for tensor in tensors])
        torch._foreach_copy_(
            list(tensors),
            [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)],
        )

    def gather(self, value: Any) -> list[Any]:
        """Every rank's value, in the order of ranks."""
        if self.world == 1:
            return [value]
        box: list[Any] = [None] * self.world
        dist.all_gather_object(box, value)
        return box

    def close(self) -> None:
        """Leave the group; called once, when training is over."""
        if self.world > 1 and dist.is_initialized():
            dist.destroy_process_group()
