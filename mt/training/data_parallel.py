"""How the ranks of a training share its gradients."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mt.data.batching import Batch, empty_batch
from mt.models.seq2seq import Seq2Seq
from mt.run_files import PARTS
from mt.run_folder import RunFolder
from mt.training.distributed import ProcessGroup
from mt.training.objective import Objective
from mt.training.optim import WeightAverage, collect_gradients

NumberedBatch = tuple[int, Batch]  # number in the epoch, and the batch


class DataParallel:
    """Each rank has all weights. Gradients are summed at once, after accumulation.

    This is the interface of all kinds of parallelism, and what is best for one process, and for
    ranks that share memory.
    """

    saves_alone = True  # rank 0 can save a checkpoint without the others

    def __init__(self, model: Seq2Seq, objective: Objective, group: ProcessGroup) -> None:
        self.model, self.objective, self.group = model, objective, group
        # What this rank optimizes of each parameter.
        self.weights: dict[str, nn.Parameter] = dict(model.named_parameters())

    def micro_batches(
        self, batches: Sequence[NumberedBatch], rounds: int
    ) -> Iterator[NumberedBatch]:
        """Yield the micro-batches of this rank in an optimizer step; their number may be 0.

        `rounds` is the number that the rank with most has. The caller computes the loss of each
        micro-batch and calls `backward` before it takes the next.
        """
        yield from batches

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return what the objective does: loss and negative log-likelihood, summed over tokens."""
        return self.objective(self.model, batch)

    def sum_gradients(self, sums: Tensor) -> list[Tensor]:
        """Return the gradients of all ranks, summed; replace `sums` by its sum over all ranks."""
        gradients = collect_gradients(self.model)
        self.group.all_reduce_sum([*gradients, sums])
        return gradients

    def norm(self, gradients: Sequence[Tensor]) -> Tensor:
        """Return the norm of all gradients of the model, of which this rank has `gradients`."""
        return torch.nn.utils.get_total_norm(gradients)

    def map_matrices(
        self, function: Callable[[Tensor], Tensor], matrices: Tensor, shape: torch.Size
    ) -> Tensor:
        """Apply a function to matrices of one shape; the ranks divide the work."""
        return self.group.map_matrices(function, matrices, shape)

    @contextlib.contextmanager
    def averaged(self, average: WeightAverage) -> Iterator[Seq2Seq]:
        """Yield a model with the averaged weights, for evaluation inside the `with` block."""
        with average.applied():
            try:
                yield self.model.eval()
            finally:
                self.model.train()

    def write_checkpoint(
        self, folder: RunFolder, tensors: dict[str, Tensor], facts: dict[str, Any]
    ) -> None:
        """Write the tensors of all ranks, which are like `weights` or the same on all ranks."""
        if self.group.is_main:
            folder.write_tensors(folder.checkpoint, tensors, facts)
            folder.remove_checkpoint_parts()

    def read_checkpoint(self, folder: RunFolder) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return what any kind of parallelism has written, tensors as this one needs them."""
        tensors, facts = folder.read_tensors(folder.checkpoint)
        if parts := facts.pop(PARTS, ""):
            from mt.training.checkpoint_parts import read_whole  # its imports take long

            tensors |= read_whole(folder.checkpoint.parent / parts)
        return tensors, facts


class LossModule(nn.Module):
    """Model and objective as one module, since PyTorch's wrappers act when a module is called."""

    def __init__(self, model: Seq2Seq, objective: Objective) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return loss and negative log-likelihood of a batch, summed over the target tokens."""
        return self.objective(self.model, batch)


class BucketedDataParallel(DataParallel):
    """Each rank has all weights. Gradients are summed while the backward pass computes others.

    PyTorch's DistributedDataParallel (Li et al. 2020) puts gradients into buckets and transfers a
    bucket as soon as it is full, in the last micro-batch of a step. Every rank must take part in
    that: one without a batch takes an empty batch, whose gradients are 0.
    """

    def __init__(self, model: Seq2Seq, objective: Objective, group: ProcessGroup) -> None:
        super().__init__(model, objective, group)
        self.replica = DistributedDataParallel(
            LossModule(model, objective), gradient_as_bucket_view=True
        )
        self.replica.broadcast_buffers = False  # training changes no buffer of a model
        # The default hook averages.
        self.replica.register_comm_hook(None, lambda state, bucket: start_sum(bucket.buffer()))

    def micro_batches(
        self, batches: Sequence[NumberedBatch], rounds: int
    ) -> Iterator[NumberedBatch]:
        *others, last = batches or [(0, empty_batch())]
        for batch in others:
            with self.replica.no_sync():
                yield batch
        yield last

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        result: tuple[Tensor, Tensor] = self.replica(batch)
        return result

    def sum_gradients(self, sums: Tensor) -> list[Tensor]:
        self.group.all_reduce_sum([sums])
        return collect_gradients(self.model)


def start_sum(tensor: Tensor) -> torch.futures.Future[Tensor]:
    """Start to sum a tensor over all ranks; return its future value."""
    work = dist.all_reduce(tensor, async_op=True)
    return work.get_future().then(lambda future: future.value()[0])
