"""Check the columns that are read of a tab-separated file, by its first lines."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from mt.data.text_files import open_lines

HEAD = 1000  # lines that are looked at
QUOTED = re.compile(r'"([^"]|"")*"')  # a cell as in RFC 4180
MIN_QUOTED = 10
NUMBERS = 0.9  # share of the cells


def describe_columns(path: Path, columns: Sequence[int], setting: str, given: bool) -> list[str]:
    """Return messages on source and target columns that are perhaps not those, or are quoted.

    `setting` is the name of the one that chooses the columns, and `given` whether it does.
    """
    with open_lines(path) as lines:
        rows = [line.split("\t") for line in islice(lines, HEAD)]
    cells = {
        column: [row[column] for row in rows if len(row) > column and row[column].strip()]
        for column in columns[:2]
    }
    messages = []
    count = statistics.mode(map(len, rows)) if rows else 0
    if not given and count > len(columns):
        first, second = columns[:2]
        messages.append(
            f"note: {path} has {count} columns, from 0 to {count - 1}: the text is that of "
            f"{first} and {second}; {setting}=[{count - 2},{count - 1}], for example, names others"
        )
    for column, values in cells.items():
        if values and sum(map(is_number, values)) >= NUMBERS * len(values):
            messages.append(
                f"warning: column {column} of {path} has numbers instead of text; "
                f"{setting} names the columns of source and target"
            )
    if quoted := [f"column {column}" for column, values in cells.items() if are_quoted(values)]:
        messages.append(
            f"warning: the cells of {' and '.join(quoted)} of {path} are in quotation "
            "marks, which count as text: save the table without them (docs/guide.md, section 1)"
        )
    return messages


def is_number(cell: str) -> bool:
    """Return whether a cell has digits and no letters, such as 17, 1,000.5 or 12:30."""
    return any(map(str.isdigit, cell)) and not any(map(str.isalpha, cell))


def are_quoted(cells: Sequence[str]) -> bool:
    """Return whether cells are in quotation marks as a spreadsheet puts them, not as text has them.

    Most are, or just those with a comma or a quotation mark, which is then doubled.
    """
    marked = [cell for cell in cells if '"' in cell]
    quoted = [cell for cell in marked if QUOTED.fullmatch(cell)]
    if len(quoted) > len(cells) / 2:
        return True
    return len(marked) >= MIN_QUOTED and all(
        QUOTED.fullmatch(cell) and ("," in cell or '""' in cell[1:-1]) for cell in marked
    )
