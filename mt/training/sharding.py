"""Weights, gradients and optimizer state divided among ranks, by PyTorch's FSDP2."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor

from mt.attention.transformer.multihead import MultiHeadAttention
from mt.data.batching import Batch, empty_batch
from mt.errors import MTError
from mt.models.seq2seq import Seq2Seq
from mt.models.transformer.encoder_decoder import DecoderLayer, EncoderLayer
from mt.run_files import PARTS
from mt.run_folder import RunFolder
from mt.training.checkpoint_parts import (
    next_parts,
    read_parts,
    read_shapes,
    weight_name,
    write_parts,
)
from mt.training.data_parallel import DataParallel, LossModule, NumberedBatch
from mt.training.distributed import ProcessGroup, explain_lost_process
from mt.training.objective import Objective
from mt.training.optim import WeightAverage


class ShardedDataParallel(DataParallel):
    """Each rank keeps some rows of each weight, of its gradient and of its optimizer state.

    Fully sharded data parallelism (Zhao et al. 2023; ZeRO-3, Rajbhandari et al. 2020): the rows of
    a Transformer layer are gathered before its forward and its backward pass, and its gradients are
    summed and divided up after the latter. Everything else, and all of a recurrent network, is
    gathered for the whole of a micro-batch.

    If the ranks form several `groups` of equal size, each group has all rows, divided among its
    ranks: weights are gathered within it, and only the gradients of rows are summed over groups.

    Optimizer and weight average work on `weights`, the rows of this rank as ordinary tensors. A
    model on the CPU moves to the device of the objective layer by layer, as it is divided.
    """

    saves_alone = False

    def __init__(
        self, model: Seq2Seq, objective: Objective, group: ProcessGroup, groups: int = 1
    ) -> None:
        super().__init__(model, objective, group)
        # Of the projections of the memory; nothing changes them in place.
        warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view tensor")
        device = objective.device
        self.whole = copy_without_weights(model, device)  # has them only while `averaged` is used
        self.groups, self.size = groups, group.world_size // groups
        shape = (groups, self.size) if groups > 1 else (self.size,)
        names = ("groups", "rows")[-len(shape) :]
        self.mesh = init_device_mesh(device.type, shape, mesh_dim_names=names)
        self.position = self.mesh.get_local_rank("rows")  # in its group
        self.module = LossModule(model, objective)
        for unit in (*find_units(model), self.module):
            fully_shard(unit, mesh=self.mesh)
        for module in self.module.modules():
            if isinstance(module, FSDPModule):  # sums instead of averages
                module.set_gradient_divide_factor(1.0)
                module.set_force_sum_reduction_for_comms(True)
        self.shards: dict[str, DTensor] = dict(model.named_parameters())  # type: ignore[arg-type]
        self.weights = {
            name: nn.Parameter(local_rows(shard)) for name, shard in self.shards.items()
        }

    def micro_batches(
        self, batches: Sequence[NumberedBatch], rounds: int
    ) -> Iterator[NumberedBatch]:
        """Yield as many micro-batches as the rank with most has, since each gathers weights."""
        missing = rounds - len(batches)
        padded = [*batches, *[(0, empty_batch())] * missing]
        assert isinstance(self.module, FSDPModule)
        self.module.set_requires_gradient_sync(False)
        yield from padded[:-1]
        self.module.set_requires_gradient_sync(True)
        yield padded[-1]

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        result: tuple[Tensor, Tensor] = self.module(batch)
        return result

    def sum_gradients(self, sums: Tensor) -> list[Tensor]:
        """Return the gradients of the weights of this rank, summed over all ranks."""
        self.group.all_reduce_sum([sums])
        for name, shard in self.shards.items():
            assert isinstance(shard.grad, DTensor)
            self.weights[name].grad = local_rows(shard.grad)
        return [weight.grad for weight in self.weights.values() if weight.grad is not None]

    def norm(self, gradients: Sequence[Tensor]) -> Tensor:
        square = super().norm(gradients).square() / self.groups
        self.group.all_reduce_sum([square])
        return square.sqrt()

    @contextlib.contextmanager
    def averaged(self, average: WeightAverage) -> Iterator[Seq2Seq]:
        whole = self.gather(average.shadow or self.weights)
        for name, parameter in self.whole.named_parameters():
            parameter.data = whole[name]
        try:
            yield self.whole.eval()
        finally:
            self._forget_whole()

    def write_checkpoint(
        self, folder: RunFolder, tensors: dict[str, Tensor], facts: dict[str, Any]
    ) -> None:
        """Write the rows of each rank to a file of its own, and at last the file that names all."""
        rows = {
            key: self.distributed(weight_name(key), value)
            for key, value in tensors.items()
            if value.dim()  # the others are counters of AdamW
        }
        path = self.group.all_gather(next_parts(folder) if self.group.is_main else None)[0]
        write_parts(path, rows)
        if self.group.is_main:
            counters = {key: tensors[key] for key in tensors.keys() - rows.keys()}
            folder.write_tensors(folder.checkpoint, counters, facts | {PARTS: path.name})
            folder.remove_checkpoint_parts(path.name)

    def read_checkpoint(self, folder: RunFolder) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors, facts = folder.read_tensors(folder.checkpoint)
        if not (name := facts.pop(PARTS, "")):
            return {key: self._own_rows(key, value) for key, value in tensors.items()}, facts
        path = folder.checkpoint.parent / name
        rows: dict[str, DTensor] = {}
        for key, shape in read_shapes(path).items():
            shard = self.shards.get(weight_name(key))
            if shard is None or shard.shape != shape:
                raise MTError(
                    f"{path} does not match the model that the configuration describes: "
                    f"{key} differs"
                )
            rows[key] = self.distributed(weight_name(key), torch.empty_like(local_rows(shard)))
        read_parts(path, rows)
        return tensors | {key: local_rows(value) for key, value in rows.items()}, facts

    def _own_rows(self, key: str, whole: Tensor) -> Tensor:
        """Return the rows of this rank of a tensor of a checkpoint, unless it is a counter."""
        shard = self.shards.get(weight_name(key))
        if shard is None or shard.shape != whole.shape:
            return whole
        return whole.split(self._row_counts(len(whole)))[self.position]

    def _row_counts(self, rows: int) -> list[int]:
        """Return the number of rows of each rank of a group, as FSDP2 divides them."""
        count = -(-rows // self.size)
        return [len(range(rows)[r * count : (r + 1) * count]) for r in range(self.size)]

    def _forget_whole(self) -> None:
        for parameter in self.whole.parameters():
            parameter.data = parameter.data.new_empty(0)

    def gather(self, rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return whole tensors from the rows of all ranks; `rows` are like `weights`."""
        with explain_lost_process(RuntimeError):
            return {name: self.distributed(name, part).full_tensor() for name, part in rows.items()}

    def distributed(self, name: str, rows: Tensor) -> DTensor:
        """Return rows that are like those of a weight as a part of a distributed tensor."""
        shard = self.shards[name]
        return DTensor.from_local(
            rows,
            self.mesh,
            shard.placements,
            run_check=False,
            shape=shard.shape,
            stride=shard.stride(),
        )

    def map_matrices(
        self, function: Callable[[Tensor], Tensor], matrices: Tensor, shape: torch.Size
    ) -> Tensor:
        """Apply a function to matrices of one shape, of which `matrices` are the rows of this rank.

        The rows of each matrix are sent to one rank of the group, and the results back.
        """
        ranks, rank, width = self.size, self.position, shape[1]
        numbers = torch.arange(len(matrices))
        order = torch.cat([numbers[owner::ranks] for owner in range(ranks)])  # by owner
        counts = [len(numbers[owner::ranks]) for owner in range(ranks)]
        rows = self._row_counts(shape[0])
        sent = [count * rows[rank] * width for count in counts]
        received = [counts[rank] * part * width for part in rows]
        group = self.mesh.get_group("rows")
        parts = exchange(group, matrices[order].flatten(), sent, received)
        whole = torch.cat(
            [part.view(counts[rank], n, width) for part, n in zip(parts, rows, strict=True)], 1
        )
        if len(whole):
            whole = function(whole)
        results = torch.cat([part.flatten() for part in whole.split(rows, 1)])
        mapped = torch.empty_like(matrices)
        mapped[order] = torch.cat(exchange(group, results, received, sent)).view_as(matrices)
        return mapped


def find_units(model: Seq2Seq) -> list[nn.Module | list[nn.Module]]:
    """Return the modules whose weights are gathered together, inner ones first.

    A layer whose attention pattern has weights is left out, because they are used after the layer.
    """
    units: list[Any] = []
    layers = [
        module
        for module in model.modules()
        if isinstance(module, EncoderLayer | DecoderLayer)
        and not any(
            list(part.pattern.parameters())
            for part in module.modules()
            if isinstance(part, MultiHeadAttention)
        )
    ]
    # These project the memory for all layers, before the first of them.
    projections = [
        layer.cross_attention.key_value for layer in layers if isinstance(layer, DecoderLayer)
    ]
    if projections:
        units.append(projections)
    return units + layers


def copy_without_weights(model: Seq2Seq, device: torch.device) -> Seq2Seq:
    """Return a copy of a model on a device, whose parameters are empty."""
    empty = {id(p): nn.Parameter(p.new_empty(0, device=device)) for p in model.parameters()}
    copied = copy.deepcopy(model, empty)  # as its memo
    for buffer in copied.buffers():
        buffer.data = buffer.data.to(device)
    return copied


def local_rows(tensor: DTensor) -> Tensor:
    """Return the rows of this rank; they share the memory of the distributed tensor."""
    rows: Tensor = tensor.detach().to_local()  # type: ignore[attr-defined]  # detached as Tensor
    return rows


def exchange(
    group: dist.ProcessGroup, flat: Tensor, sent: list[int], received: list[int]
) -> tuple[Tensor, ...]:
    """Send consecutive parts of `flat` to the ranks of a group; return the parts that they send.

    `sent` and `received` are the numbers of elements.
    """
    result = flat.new_empty(sum(received))
    with explain_lost_process(RuntimeError):
        dist.all_to_all_single(result, flat, received, sent, group)
    return result.split(received)
