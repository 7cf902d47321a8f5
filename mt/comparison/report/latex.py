r"""Tables as LaTeX, to be included by \input; they need the package booktabs."""

from __future__ import annotations

import re

from mt.comparison.report.queries import headline_test
from mt.comparison.report.sections.differences import differences_table, pairs_table
from mt.comparison.report.sections.lengths import bleu_table
from mt.comparison.report.sections.scores import scores_table
from mt.comparison.schema.results import Results
from mt.comparison.table import SMALL_NOTE, Cell, Table

ESCAPES = {character: f"\\{character}" for character in "&%$#_{}"}
ESCAPES |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
ESCAPES |= {"[": "{[}", "*": "{*}", "|": r"\textbar{}"}  # [ and * after a line break are options
ESCAPES |= {"<": r"$<$", ">": r"$>$", "\u2020": r"$\dagger$", "\u2021": r"$\ddagger$"}

_NUMBER = re.compile(r"(?<![\w.])-(?=\d)")
_RANGE = re.compile(r"(?<=\d) - (?=\d)")


def latex_tables(results: Results) -> dict[str, str]:
    """Return name -> LaTeX of the main tables: scores, pairs, differences, BLEU by length."""
    tables = {"pairs": pairs_table(results)}
    for test in results.tests:
        suffix = "" if test is headline_test(results) else f"-{test.name}"
        tables[f"scores{suffix}"] = scores_table(results, test)
        tables[f"differences{suffix}"] = differences_table(results, test)
        tables[f"bleu-by-length{suffix}"] = bleu_table(results, test)
    return {name: latex_table(table) for name, table in tables.items() if table.rows}


def latex_table(table: Table) -> str:
    r"""Return a tabular; rows with too few cases have a star. Notes are comments above it."""
    columns = "".join("l" if i < table.text_columns else "r" for i in range(len(table.header)))
    notes = [r"Needs \usepackage{booktabs}.", *table.note.splitlines()]
    notes += [f"*: {SMALL_NOTE}."] if table.small_rows else []
    lines = [*(f"% {note}" for note in notes), rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    lines += [" & ".join(map(escape, table.header)) + r" \\", r"\midrule"]
    for number, row in enumerate(table.cells):
        first, *others = map(_cell, row)
        star = "$^*$" if number in table.small_rows else ""
        lines.append(" & ".join([first + star, *others]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def escape(text: str) -> str:
    """Escape text for LaTeX, with minus signs, dashes in ranges, and <= as one sign."""
    parts = re.split(r"(<=)", text)
    return "".join(r"$\le$" if part == "<=" else _escape(part) for part in parts)


def _escape(text: str) -> str:
    text = _RANGE.sub("\u2013", _NUMBER.sub("\u2212", text))
    escaped = "".join(ESCAPES.get(character, character) for character in text)
    return escaped.replace("\u2212", "$-$").replace("\u2013", "--")


def _cell(cell: Cell) -> str:
    text = rf"\textbf{{{escape(cell.text)}}}" if cell.strong else escape(cell.text)
    return text + (rf" {{\small ({escape(cell.detail)})}}" if cell.detail else "")
