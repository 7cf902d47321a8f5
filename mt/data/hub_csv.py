"""CSV and TSV files of hub data sets: how pandas, which `datasets` reads them with, must read text.

By default pandas guesses: types of values, missing values, a column of row names, and quoting in
files that have none. Each guess can change or lose sentences without a word.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import datasets

MAX_NAMED_ROWS = 5  # in a message


def csv_options(config: datasets.BuilderConfig, columns: Sequence[str]) -> dict[str, Any]:
    """Return the reader's options for a configuration of a data set; empty if it is not CSV.

    TSV has no quoting: a quotation mark is part of the text, and only a line feed ends a line. As
    pandas then keeps the carriage return of CR LF, the last column may be called "name" + CR.
    """
    if not hasattr(config, "keep_default_na"):
        return {}
    options: dict[str, Any] = {
        "keep_default_na": False,  # "None" and "NA" are text
        "converters": dict.fromkeys(columns, str),  # so are 007 and 1.0
        "index_col": False,  # else a surplus field in each row shifts the columns
    }
    if config.sep == "\t":
        options |= {"quoting": csv.QUOTE_NONE, "lineterminator": "\n"}
        options["converters"] |= {f"{column}\r": str for column in columns}
    return options


@contextmanager
def refuse_surplus_fields() -> Iterator[None]:
    """Turn pandas' warning about rows with more fields than the header into an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Length of header or names does not match")
        yield


def trim_header(
    table: datasets.Dataset | datasets.IterableDataset,
) -> datasets.Dataset | datasets.IterableDataset:
    """Rename a last column that still has the carriage return of a line end."""
    ends = {name: name.removesuffix("\r") for name in table.column_names if name.endswith("\r")}
    return table.rename_columns(ends) if ends else table


def check_csv_pairs(
    pairs: Iterable[tuple[str, str]], name: str, warn: Callable[[str], None]
) -> Iterator[tuple[str, str]]:
    """Yield pairs without the carriage returns of line ends; in the end warn about line breaks.

    A quotation mark that is never closed glues the rows up to the next one together, with the line
    breaks between them.
    """
    count, rows = 0, []
    for row, (left, right) in enumerate(pairs, start=1):
        if "\n" in left or "\n" in right:
            count += 1
            rows.append(f"{row:,}")
            del rows[MAX_NAMED_ROWS:]
        yield left.removesuffix("\r"), right.removesuffix("\r")
    if count:
        more = ", ..." if count > len(rows) else ""
        warn(
            f"hub data set {name}: line breaks inside the text of {count:,} rows "
            f"({', '.join(rows)}{more}): if a quotation mark is not closed there, "
            "pairs were glued together"
        )
