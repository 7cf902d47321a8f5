"""Translation of lines that have different tags."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mt.data.tags import map_by_tag
from mt.decoding.translator import Translator


def translate_tagged(
    translator: Translator,
    lines: Sequence[str],
    tags: Sequence[str],
    progress: Callable[[int], None] | None = None,
    seed: int | None = None,
) -> list[str]:
    """Translate each line with its tag, "" for none.

    The other arguments are those of `translate_chunks`.
    """
    return map_by_tag(
        tags,
        lambda tag, rows: translator.with_tag(tag).translate(
            [lines[row] for row in rows], seed=seed, progress=progress
        ),
    )
