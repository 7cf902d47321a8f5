"""The kinds of data parallelism by name."""

from __future__ import annotations

from mt.models.seq2seq import Seq2Seq
from mt.training.data_parallel import BucketedDataParallel, DataParallel
from mt.training.distributed import ProcessGroup, TorchrunGroup
from mt.training.objective import Objective


def choose_parallel(
    name: str, model: Seq2Seq, objective: Objective, group: ProcessGroup
) -> DataParallel:
    """Return the kind of parallelism of trainer.parallel, if torchrun has started several ranks."""
    if not isinstance(group, TorchrunGroup):
        return DataParallel(model, objective, group)
    if name == "fsdp":
        from mt.training.sharding import ShardedDataParallel  # its imports take long

        return ShardedDataParallel(model, objective, group)
    return BucketedDataParallel(model, objective, group)
