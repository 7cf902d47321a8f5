"""Tables independent of their format: reports in Markdown and HTML show the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

SMALL_NOTE = "too few cases to mean much"


class Cell(NamedTuple):
    """A value, and in brackets what belongs to it: an interval, or the flags of a system."""

    text: str
    detail: str = ""
    is_system: bool = False  # the text is the name of a system
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """Rows as long as the header; columns of text come first, then columns of numbers."""

    header: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    text_columns: int = 1
    small_rows: frozenset[int] = frozenset()  # with too few cases to mean much
    note: str = ""

    @property
    def cells(self) -> list[list[Cell]]:
        """All rows, with a Cell for each str."""
        return [
            [cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in self.rows
        ]

    def without_empty_columns(self) -> Table:
        """Leave out the columns of numbers that are empty in every row."""
        used = [
            column
            for column in range(len(self.header))
            if column < self.text_columns or any(row[column].text for row in self.cells)
        ]
        rows = [[row[column] for column in used] for row in self.rows]
        return replace(self, header=[self.header[column] for column in used], rows=rows)


def markdown_table(table: Table) -> str:
    """Return a Markdown table with aligned columns and its notes; empty if there are no rows.

    Rows with too few cases have a star.
    """
    if not table.rows:
        return ""
    rows = [list(table.header)]
    for number, row in enumerate(table.cells):
        values = [f"**{cell.text}**" if cell.strong else cell.text for cell in row]
        details = [f" ({cell.detail})" if cell.detail else "" for cell in row]
        texts = [value + detail for value, detail in zip(values, details, strict=True)]
        rows.append([texts[0] + ("*" if number in table.small_rows else ""), *texts[1:]])
    rows = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(3, *(len(row[column]) for row in rows)) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rules = [
        "-" * (width + 1) + ("-" if column < table.text_columns else ":")
        for column, width in enumerate(widths)
    ]
    notes = [table.note] if table.note else []
    notes += [f"\\*: {SMALL_NOTE}."] if table.small_rows else []
    text = "\n".join([lines[0], f"|{'|'.join(rules)}|", *lines[1:]])
    return "\n\n".join([text, *notes])
