"""The kinds of data parallelism by name."""

from __future__ import annotations

import os

from mt.errors import MTError, UsageError
from mt.models.seq2seq import Seq2Seq
from mt.training.data_parallel import BucketedDataParallel, DataParallel
from mt.training.distributed import ProcessGroup, TorchrunGroup
from mt.training.joining import is_launched
from mt.training.objective import Objective

SHARDED = ("fsdp", "hybrid")  # values of trainer.parallel that divide the weights


def check_parallel(name: str, group: ProcessGroup) -> list[str]:
    """Return a note if the kind of parallelism has no effect, as in a group of one under torchrun.

    Raises UsageError without torchrun: whoever names a kind expects several processes.
    """
    if name == "auto" or group.launched > 1:
        return []
    if not is_launched():
        raise UsageError(
            f"trainer.parallel={name} divides a training among processes that torchrun starts, and "
            "this one is alone: torchrun --nproc-per-node N -m mt.train ..., or leave it out"
        )
    return [f"note: trainer.parallel={name} has no effect: torchrun has started one process"]


def choose_parallel(
    name: str, model: Seq2Seq, objective: Objective, group: ProcessGroup
) -> DataParallel:
    """Return the kind of parallelism of trainer.parallel, if torchrun has started several ranks.

    All ranks call it. Raises MTError if machines with different numbers of ranks are to share.
    """
    if not isinstance(group, TorchrunGroup):
        return DataParallel(model, objective, group)
    if name in SHARDED:
        from mt.training.sharding import ShardedDataParallel  # its imports take long

        groups = group.world_size // count_shards(name, group)
        return ShardedDataParallel(model, objective, group, groups)
    return BucketedDataParallel(model, objective, group)


def count_shards(name: str, group: ProcessGroup) -> int:
    """Return the number of ranks that divide the weights among them; 1: each has all of them."""
    if name not in SHARDED or group.launched == 1:
        return 1
    return group.world_size // (count_machines(group) if name == "hybrid" else 1)


def count_machines(group: ProcessGroup) -> int:
    """Return the number of machines, from the number of ranks on each, which torchrun sets.

    Raises MTError unless each machine has the same number.
    """
    sizes = group.all_gather(os.environ.get("LOCAL_WORLD_SIZE", ""))
    size = int(sizes[0]) if sizes[0].isdecimal() else 0
    if len(set(sizes)) > 1 or not size or group.world_size % size:
        counts = ", ".join(sorted({each or "unknown" for each in sizes}))
        raise MTError(
            "trainer.parallel=hybrid needs the same number of processes on each machine "
            f"(LOCAL_WORLD_SIZE, which torchrun sets), got {counts} of {group.world_size}: use fsdp"
        )
    return group.world_size // size
