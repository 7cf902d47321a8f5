"""Data-parallel training: what its processes, the ranks, exchange beside gradients."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from mt.errors import ProcessLost

START_SECONDS = 1800  # in which all ranks must start; what PyTorch allows
POLL_SECONDS = 0.05  # between looks at what the other ranks have done


@contextlib.contextmanager
def explain_lost_process(*errors: type[Exception]) -> Iterator[None]:
    """Raise ProcessLost if an exchange with the other processes fails with one of some errors."""
    try:
        yield
    except errors as error:
        raise ProcessLost(
            "another process of this training has ended: the same command continues from the last "
            "checkpoint"
        ) from error


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
        self.rank = int(os.environ["RANK"])
        self.world_size = self.launched = int(os.environ["WORLD_SIZE"])
        if not dist.is_initialized():
            use_nccl = torch.cuda.is_available() and dist.is_nccl_available()
            store, rank, size = next(dist.rendezvous("env://"))
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if use_nccl else "gloo",
                store=dist.PrefixStore(agree_on_name(store, rank, size), store),
                rank=rank,
                world_size=size,
            )

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
            dist.all_gather_object(values, value)
        return values

    def close(self) -> None:
        if dist.is_initialized():
            dist.destroy_process_group()


def agree_on_name(store: dist.Store, rank: int, size: int, timeout: float = START_SECONDS) -> str:
    """Return a name that the ranks of this start have in common, and those of no earlier start.

    If torchrun starts ranks again (--max-restarts), its store still has the addresses of those that
    ended. Its count of restarts does not tell the starts apart: machines may count differently.

    Each rank writes a token. A name is the hash of the tokens that a rank sees, some of which may
    be old. A rank counts itself once for each name that it sees, so a name with `size` ranks has
    been seen by all, and has the token of each. Raises ProcessLost after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    keys = [f"mt/token/{number}" for number in range(size)]
    store.set(keys[rank], uuid.uuid4().hex)
    name = ""
    while not name or store.add(name, 0) < size:
        if time.monotonic() > deadline:
            raise ProcessLost(f"not all of the {size} processes have started")
        if store.check(keys):
            seen = f"mt/group/{hashlib.sha256(b''.join(map(store.get, keys))).hexdigest()}"
            if seen != name:
                name = seen
                store.add(name, 1)
        time.sleep(POLL_SECONDS)
    return name


def is_launched() -> bool:
    """Return whether torchrun, or someone in its place, has started this process as a rank."""
    # A cluster may set some of these on its own.
    return {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= os.environ.keys()


def join_group() -> ProcessGroup:
    """Return the group of the processes that torchrun started; without torchrun, a single one."""
    if is_launched() and int(os.environ["WORLD_SIZE"]) > 1:
        return TorchrunGroup()
    return ProcessGroup()


def split_like(flat: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return consecutive parts of a flat tensor in the shapes of some tensors."""
    counts = [tensor.numel() for tensor in tensors]
    parts = flat[: sum(counts)].split(counts)
    return [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)]
