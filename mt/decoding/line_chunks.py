"""Chunks of lines, so that input of any size can be translated in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

# Lines of a chunk are sorted by length into batches: enough lines for full batches, and few enough
# to hold in memory.
CHUNK_LINES = 4096
MAX_CHUNK_CHARS = 4_000_000


def split_into_chunks(lines: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield consecutive chunks of `size` lines; fewer at the end, or if lines are very long."""
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


def count_parts(progress: Callable[[int], None], lines: int, parts: int) -> Callable[[int], None]:
    """Return a function that counts parts of lines, and calls `progress` with a number of lines.

    Batches mix the parts of all lines: a line counts as done in proportion to the parts.
    """
    done = 0

    def add(count: int) -> None:
        nonlocal done
        before, done = done * lines // parts, done + count
        if count:
            progress(done * lines // parts - before)

    return add
