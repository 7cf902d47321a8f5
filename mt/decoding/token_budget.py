"""Batches of limited size, which shrink when memory runs out."""

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
    """The maximum number of tokens in a batch. It is lowered for good when a batch does not fit."""

    def __init__(self, tokens: int, warn: Callable[[str], None]) -> None:
        self.tokens, self.warn = tokens, warn

    def map(
        self,
        rows: Sequence[Sequence[int]],
        width: int,
        function: Callable[[list[int]], Sequence[Result]],
        area: int | None = None,
    ) -> list[Result]:
        """Call `function(indices)` on batches of similar length; return results in order of `rows`.

        A batch satisfies rows * longest * width <= tokens, but has at least one row. `width` is the
        number of copies that `function` makes of a row. With `area`, a batch also satisfies
        rows * longest**2 <= area, for functions that store something per pair of positions.
        Raises MTError if a single row does not fit into memory.
        """
        results: list[Result | None] = [None] * len(rows)
        waiting = deque(self._make_batches(rows, range(len(rows)), width, area))
        while waiting:
            batch = waiting.popleft()
            try:
                batch_results = function(batch)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                batch_results = None
            # Handled outside the except block: the traceback keeps the tensors of the failed batch
            # alive.
            if batch_results is None:
                self._lower(rows, batch, width)
                remaining = [row for indices in [batch, *waiting] for row in indices]
                waiting = deque(self._make_batches(rows, remaining, width, area))
                continue
            for row, result in zip(batch, batch_results, strict=True):
                results[row] = result
        return results  # type: ignore[return-value]  # every row was in a batch

    def _make_batches(
        self, rows: Sequence[Sequence[int]], indices: Sequence[int], width: int, area: int | None
    ) -> Iterator[list[int]]:
        batches = translation_batches([rows[i] for i in indices], max(1, self.tokens // width))
        for batch in batches:
            longest = max(1, len(rows[indices[batch[0]]]))  # batches are sorted, longest first
            size = len(batch) if area is None else max(1, area // longest**2)
            for start in range(0, len(batch), size):
                yield [indices[i] for i in batch[start : start + size]]

    def _lower(self, rows: Sequence[Sequence[int]], batch: list[int], width: int) -> None:
        longest = max(len(rows[row]) for row in batch)
        if len(batch) == 1:
            raise MTError(
                f"out of memory with a single sentence of {longest} tokens: lower the beam size "
                "(--beam, trainer.val_beam) or use the CPU"
            )
        # Half of what this batch had: the budget may have been far larger.
        self.tokens = len(batch) * longest * width // 2
        self.warn(
            f"out of memory with a batch of {len(batch)} sentences: continuing with "
            f"--batch-tokens {self.tokens}"
        )
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
