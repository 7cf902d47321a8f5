"""Text tables of the embedded corpus, and the sorts of nouns that they name.

Tables are in `lexicon/` and `rules/`; the first lines of each file explain its columns. The words
of a unit are joined by `_`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parent
SORTS = (
    "person",
    "animal",
    "thing",
    "text",
    "opening",
    "vehicle",
    "clothing",
    "food",
    "drink",
    "place",
    "event",
    "idea",
)
SORT_GROUPS = {
    "living": ("person", "animal"),
    "object": ("thing", "text", "opening", "vehicle", "clothing"),
    "ware": ("thing", "text", "opening", "vehicle", "clothing", "animal"),
    "any": SORTS,
}


def read_table(name: str) -> Iterator[list[str]]:
    """Yield the columns of each line of a table.

    Raises ValueError with file and line if a line has fewer columns than the first.
    """
    width = 0
    text = (FOLDER / name).read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        columns = [column.strip() for column in f"{line} ".split("|")]
        width = width or len(columns)
        if len(columns) < width:
            raise ValueError(
                f"{name}, line {number}: expected {width} columns, got {len(columns)}: {line!r}"
            )
        yield columns


def parse_sorts(text: str) -> frozenset[str]:
    """Return the sorts named by a list of sorts and groups, such as `living,place`."""
    names = [sort for name in text.split(",") if name for sort in SORT_GROUPS.get(name, (name,))]
    if unknown := set(names) - set(SORTS):
        raise ValueError(
            f"unknown sort {', '.join(sorted(unknown))}: choose from {', '.join(SORTS)}"
        )
    return frozenset(names)


def join_words(text: str) -> str:
    """Replace each `_` by a space."""
    return text.replace("_", " ")
