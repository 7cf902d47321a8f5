"""Work in batches of limited size, smaller ones where memory runs out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from mt.data.batching import translation_batches
from mt.device import is_out_of_memory
from mt.errors import MTError

Result = TypeVar("Result")


class TokenBudget:
    """How many tokens a batch may have. Falls by itself when a batch does not fit, and stays there."""

    def __init__(self, tokens: int, warn: Callable[[str], None]) -> None:
        self.tokens, self.warn = tokens, warn

    def map(
        self,
        rows: Sequence[Sequence[int]],
        width: int,
        work: Callable[[list[int]], Sequence[Result]],
        area: int | None = None,
    ) -> list[Result]:
        """`work(indices)` for batches of rows of about the same length; all results in the order of `rows`.

        A batch has rows * longest * width <= tokens, at least one row. `width` is how many copies
        of a row `work` makes. `area`: also rows * longest**2 <= area, for work that keeps something
        of every pair of positions.
        """
        results: list[Result | None] = [None] * len(rows)
        waiting = deque(self._cut(rows, range(len(rows)), width, area))
        while waiting:
            batch = waiting.popleft()
            try:
                done = work(batch)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                done = None
            # Outside the handler, which keeps the failed batch's tensors alive through its
            # traceback.
            if done is None:
                self._lower(rows, batch, width)
                waiting = deque(
                    self._cut(
                        rows, [row for each in [batch, *waiting] for row in each], width, area
                    )
                )
                continue
            for row, result in zip(batch, done, strict=True):
                results[row] = result
        return results  # type: ignore[return-value]  # every row was in a batch

    def _cut(
        self, rows: Sequence[Sequence[int]], chosen: Sequence[int], width: int, area: int | None
    ) -> Iterator[list[int]]:
        for batch in translation_batches([rows[i] for i in chosen], max(1, self.tokens // width)):
            longest = max(1, len(rows[chosen[batch[0]]]))  # they come longest first
            most = len(batch) if area is None else max(1, area // longest**2)
            for start in range(0, len(batch), most):
                yield [chosen[i] for i in batch[start : start + most]]

    def _lower(self, rows: Sequence[Sequence[int]], batch: list[int], width: int) -> None:
        longest = max(len(rows[row]) for row in batch)
        if len(batch) == 1:
            raise MTError(
                f"out of memory with a single sentence of {longest} tokens: lower the beam size (--beam, trainer.val_beam) or use the CPU"
            )
        # Of what the batch really had: the budget may lie far above it.
        self.tokens = len(batch) * longest * width // 2
        self.warn(
            f"out of memory with {len(batch)} sentences at once: going on with --batch-tokens {self.tokens}"
        )
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
