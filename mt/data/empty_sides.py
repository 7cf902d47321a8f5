"""Empty sources and targets of validation and test sets, which make scores meaningless."""

from __future__ import annotations

from collections.abc import Sequence

from mt.data.normalisation import is_blank
from mt.errors import MTError

MAX_NAMED_PAIRS = 10  # in a message


def describe_empty_sides(name: str, key: str, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Describe the empty sources and targets of a set, one line for each side that has any.

    `name` and `key` are the name of the set and of its settings in messages. Raises MTError if all
    sources or all targets are empty: there is nothing to score.
    """
    lines = []
    for side, texts in zip(("sources", "targets"), zip(*pairs, strict=True), strict=True):
        empty = [number for number, text in enumerate(texts, start=1) if is_blank(text)]
        if len(empty) == len(texts):
            raise MTError(
                f"all {len(texts):,} {side} of the {name} set are empty or null: check {key}"
            )
        if empty:
            numbers = ", ".join(f"{number:,}" for number in empty[:MAX_NAMED_PAIRS])
            more = ", ..." if len(empty) > MAX_NAMED_PAIRS else ""
            lines.append(
                f"{name} set: {len(empty):,} of {len(texts):,} {side} are empty or null "
                f"(pairs {numbers}{more}): they are scored as they are; better remove these pairs"
            )
    return lines
