"""The optimizer steps of a rank, with their batches, from where training stands."""

from __future__ import annotations

from collections.abc import Generator

from mt.config.schema import Config, TrainerConfig
from mt.data.batch_order import BatchOrder
from mt.data.batch_stream import BatchStream, Position, Step
from mt.data.batching import Batch, max_length
from mt.data.collate import collate
from mt.data.concatenation import Concatenation
from mt.data.prefetch import prefetch
from mt.data.prepare import PreparedData
from mt.data.segmenter import build_segmenter
from mt.training.checkpoint import TrainingState
from mt.training.distributed import ProcessGroup


def order_batches(config: Config, data: PreparedData) -> BatchOrder:
    """Return the order of the training batches, with concatenated pairs if `data.concat` is set."""
    trainer, seed = config.trainer, config.seed
    concatenation = None
    if share := config.data.concat:
        limit = max_length(trainer.batch_tokens // trainer.processes)
        longest = min(config.data.max_pieces + 1, limit)
        concatenation = Concatenation(data.train, share, seed, longest, data.tokenizer)
    return BatchOrder(data.train, trainer.batch_tokens, seed, concatenation, trainer.processes)


def load_steps(
    config: Config,
    data: PreparedData,
    order: BatchOrder,
    group: ProcessGroup,
    start: Position,
    micro_batches: int,
) -> Generator[tuple[Step, list[Batch]], None, None]:
    """Yield optimizer steps with the batches of this rank, prefetched by another thread.

    A step has `micro_batches` over all ranks.
    """
    stream = BatchStream(order, micro_batches, group.rank, group.world_size, start)

    def load(step: Step) -> tuple[Step, list[Batch]]:
        segment = build_segmenter(config, data.tokenizer, step.epoch)
        tables = order.tables_in(step.epoch)
        return step, [collate(tables, rows, segment) for _, rows in step.micro_batches]

    return prefetch(map(load, stream))


def keep_step_size(state: TrainingState, config: TrainerConfig, launched: int) -> str:
    """Keep the micro-batches per optimizer step if torchrun starts another number of ranks.

    Returns a note that says so, or "".
    """
    before, now = state.micro_batches, launched * config.micro_batches()
    state.micro_batches = before or now
    if state.micro_batches == now:
        return ""
    return (
        f"note: optimizer steps keep the size of {before} batches of earlier starts, also "
        f"on {launched} rank{'s' if launched > 1 else ''}"
    )
