"""The batches of a training run, dealt out to optimizer steps and ranks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mt.data.batch_order import BatchOrder


@dataclass(frozen=True)
class Position:
    """Progress of a run: the epoch, and the micro-batches of it that all ranks have consumed."""

    epoch: int = 0  # from 0
    batch: int = 0


@dataclass
class Step:
    """The share of one rank in one optimizer step."""

    epoch: int  # from 0
    progress: float  # epochs completed after this step
    position: Position  # where a run continues after this step
    # Number in the epoch, and rows. May be empty in the last step of an epoch.
    micro_batches: list[tuple[int, np.ndarray]]
    rounds: int = 0  # number of micro-batches of the rank with most

    @property
    def numbers(self) -> list[int]:
        """The numbers of the micro-batches in the epoch."""
        return [number for number, _ in self.micro_batches]


class BatchStream:
    """An endless iterator over optimizer steps from any `Position`.

    A step has `group` micro-batches (world * accumulation), dealt to the ranks in turn. The last
    step of an epoch takes the rest, so a rank may get none; it still takes part in that step. No
    step spans two epochs, and its micro-batches do not depend on the number of ranks.
    """

    def __init__(
        self,
        order: BatchOrder,
        group: int,
        rank: int = 0,
        world: int = 1,
        start: Position | None = None,
    ) -> None:
        self.order, self.group = order, group
        self.rank, self.world = rank, world
        self.start = start or Position()

    def __iter__(self) -> Iterator[Step]:
        epoch, first = self.start.epoch, self.start.batch
        while True:
            batches = self.order.epoch(epoch)
            while first < len(batches):
                end = min(first + self.group, len(batches))
                after = Position(epoch, end) if end < len(batches) else Position(epoch + 1)
                numbers = range(first + self.rank, end, self.world)
                micro_batches = [(number, batches[number]) for number in numbers]
                rounds = -(-(end - first) // self.world)
                yield Step(epoch, epoch + end / len(batches), after, micro_batches, rounds)
                first = end
            epoch, first = epoch + 1, 0
