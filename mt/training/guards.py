"""A context manager for the training loop that explains out-of-memory errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from mt.data.batching import Batch
from mt.device import is_out_of_memory
from mt.errors import MTError


@contextlib.contextmanager
def explain_out_of_memory(batches: list[Batch], batch_tokens: int) -> Iterator[None]:
    """Raise MTError that says which setting to lower if a step runs out of memory."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        shapes = ", ".join(
            f"{len(b.source)} pairs of {b.source.shape[1]} and {b.target.shape[1]} tokens"
            for b in batches
        )
        raise MTError(
            f"out of memory in a step with {shapes or 'no batch'}: lower trainer.batch_tokens "
            f"(now {batch_tokens}) and raise trainer.accumulate to compensate"
        ) from error
