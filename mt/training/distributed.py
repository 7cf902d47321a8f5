"""Data-parallel training: what its processes, the ranks, exchange beside gradients."""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from mt.errors import ProcessLost
from mt.training.joining import (
    POLL_SECONDS,
    Launch,
    agree_on_name,
    is_starting,
    reason_of_failure,
    shared_store,
)

MAX_WAIT = datetime.timedelta(days=7)  # of a rank that starts, for others that are connected
LOST = (
    "another process of this training has ended: the same command continues from the last "
    "checkpoint"
)


@contextlib.contextmanager
def explain_lost_process(*errors: type[Exception]) -> Iterator[None]:
    """Raise ProcessLost if an exchange with the other processes fails with one of some errors."""
    try:
        yield
    except errors as error:
        raise ProcessLost(reason_of_failure() or LOST) from error


@contextlib.contextmanager
def explain_broken_connection() -> Iterator[None]:
    """Raise ProcessLost if an operation fails because the connection to another rank broke."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        with explain_lost_process(RuntimeError):
            raise


class ProcessGroup:
    """A single process: there is nothing to exchange. Base class of several."""

    rank = 0
    world_size = 1
    launched = 1  # ranks that torchrun started, each with batches of trainer.batch_tokens

    @property
    def is_main(self) -> bool:
        """Whether this process writes the run directory."""
        return self.rank == 0

    def all_reduce_sum(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all ranks, in a single transfer."""

    def exchange(self, tensors: Sequence[Tensor], owners: Sequence[int]) -> None:
        """Replace each tensor by that of the rank that owns it; all have one data type."""

    def all_gather(self, value: Any) -> list[Any]:
        """Return the values of all ranks, in the order of ranks."""
        return [value]

    def map_matrices(
        self, function: Callable[[Tensor], Tensor], matrices: Tensor, shape: torch.Size
    ) -> Tensor:
        """Apply a function to matrices [N, R, C] of one shape (R, C); each rank does some of them.

        Changes `matrices`, which is the same on all ranks.
        """
        own = slice(self.rank, None, self.world_size)
        if len(matrices[own]):
            matrices[own] = function(matrices[own])
        owners = [number % self.world_size for number in range(len(matrices))]
        self.exchange(list(matrices), owners)
        return matrices

    def close(self) -> None:
        """Leave the group, at the end of training."""


class TorchrunGroup(ProcessGroup):
    """The processes that torchrun started, connected by torch.distributed."""

    def __init__(self) -> None:
        launch = Launch.from_environment()
        self.rank, self.world_size, self.launched = launch.rank, launch.size, launch.size
        if not dist.is_initialized():
            use_nccl = torch.cuda.is_available() and dist.is_nccl_available()
            store = shared_store()
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if use_nccl else "gloo",
                store=dist.PrefixStore(agree_on_name(store, launch.rank, launch.size), store),
                rank=launch.rank,
                world_size=launch.size,
            )
        self.patient = dist.new_group(backend="gloo", timeout=MAX_WAIT)

    def all_reduce_sum(self, tensors: Sequence[Tensor]) -> None:
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with explain_lost_process(RuntimeError):
            dist.all_reduce(flat)
        torch._foreach_copy_(list(tensors), split_like(flat, tensors))

    def exchange(self, tensors: Sequence[Tensor], owners: Sequence[int]) -> None:
        parts = [
            [tensor for tensor, owner in zip(tensors, owners, strict=True) if owner == rank]
            for rank in range(self.world_size)
        ]
        size = max(sum(tensor.numel() for tensor in part) for part in parts)
        rows = tensors[0].new_empty(self.world_size, size)  # one for each rank, of equal length
        own = rows[self.rank].clone()
        for values, tensor in zip(split_like(own, parts[self.rank]), parts[self.rank], strict=True):
            values.copy_(tensor)
        with explain_lost_process(RuntimeError):
            dist.all_gather(list(rows), own)
        for row, part in zip(rows, parts, strict=True):
            for tensor, values in zip(part, split_like(row, part), strict=True):
                tensor.copy_(values)

    def all_gather(self, value: Any) -> list[Any]:
        values: list[Any] = [None] * self.world_size
        with explain_lost_process(RuntimeError):
            # At the start, others may still prepare the text.
            group = self.patient if is_starting() else dist.group.WORLD
            all_here = dist.all_reduce(torch.zeros(1), group=group, async_op=True)
            while not all_here.is_completed():
                time.sleep(POLL_SECONDS)  # so that this process acts on signals
            all_here.wait()
            dist.all_gather_object(values, value, group)
        return values

    def close(self) -> None:
        if dist.is_initialized():
            dist.destroy_process_group()


def join_group() -> ProcessGroup:
    """Return the group of the processes that torchrun started; without torchrun, a single one.

    Raises UsageError if the variables that torchrun sets contradict each other.
    """
    return TorchrunGroup() if Launch.from_environment().size > 1 else ProcessGroup()


def split_like(flat: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return consecutive parts of a flat tensor in the shapes of some tensors."""
    counts = [tensor.numel() for tensor in tensors]
    parts = flat[: sum(counts)].split(counts)
    return [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)]
