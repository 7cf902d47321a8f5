"""A table apart from how it is written: reports in Markdown and HTML show the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple


class Cell(NamedTuple):
    """What stands in one place: a figure, and what belongs to it in brackets (an interval, a share)."""

    text: str
    aside: str = ""


@dataclass(frozen=True)
class Table:
    """Rows as long as the header. The first `labels` columns are text, the others numbers, which line up on the right."""

    header: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    labels: int = 1
    faint: frozenset[int] = field(default_factory=frozenset)  # rows that mean little
    note: str = ""

    def compact(self) -> Table:
        """Without the columns of numbers that are empty in every row."""
        used = [
            at
            for at in range(len(self.header))
            if at < self.labels or any(row[at].text for row in self.cells())
        ]
        rows = [[row[at] for at in used] for row in self.rows]
        return replace(self, header=[self.header[at] for at in used], rows=rows)

    def cells(self) -> list[list[Cell]]:
        return [
            [cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in self.rows
        ]


def markdown_table(table: Table) -> str:
    """A Markdown table whose columns line up; faint rows have a star. Empty where there are no rows."""
    if not table.rows:
        return ""
    rows = [list(table.header)]
    for number, row in enumerate(table.cells()):
        texts = [cell.text + (f" ({cell.aside})" if cell.aside else "") for cell in row]
        rows.append([texts[0] + ("*" if number in table.faint else ""), *texts[1:]])
    rows = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(3, *(len(row[i]) for row in rows)) for i in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "|".join(
        "-" * (width + 1) + ("-" if i < table.labels else ":") for i, width in enumerate(widths)
    )
    text = "\n".join([lines[0], f"|{rule}|", *lines[1:]])
    return f"{text}\n\n{table.note}" if table.note else text
