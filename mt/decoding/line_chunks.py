"""Lines without end, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

CHUNK_LINES = (
    4096  # read ahead and sorted by length: enough for full batches, and what memory holds
)
MAX_CHUNK_CHARS = 4_000_000


def split_into_chunks(lines: Iterable[str], size: int) -> Iterator[list[str]]:
    """Consecutive lists of up to `size` lines, fewer where the lines are very long."""
    chunk: list[str] = []
    characters = 0
    for line in lines:
        chunk.append(line)
        characters += len(line)
        if len(chunk) >= size or characters >= MAX_CHUNK_CHARS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk
