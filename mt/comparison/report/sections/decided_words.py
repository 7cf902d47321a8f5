"""Recall of words whose form another word decides, by the distance to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mt.comparison.report.blocks import Block, Details, Note
from mt.comparison.report.queries import column_titles
from mt.comparison.report.sections.measure_cells import difference_cell, value_cell
from mt.comparison.report.text import format_number
from mt.comparison.schema.results import Results
from mt.comparison.schema.scores import DecidedWords, WordResult
from mt.comparison.table import Cell, Table

NOTE = (
    "Share of such words of the references that outputs have in the same form, in per cent. A "
    "pronoun is decided by the gender of its antecedent, an ambiguous noun by its verb, a verb by "
    "its subject or object. Distance: source words from the deciding word to the word translated. "
    "Others: the same share of the words of these sentences that no word decides."
)


def decided_words(results: Results) -> list[Block]:
    """Show the recall of each kind of word by distance, folded; nothing if it is not known."""
    variants = [system for system in results.words if system.system != results.baseline]
    tables: list[Block] = [
        _table(results, results.words, _share_cell),
        _table(
            results,
            variants,
            lambda group: difference_cell(group.recall),
            f"Differences from {results.baseline}.",
        ),
    ]
    is_known = any(system.decided for system in results.words)
    notes = [Note(NOTE)] if is_known else []
    return [Details("Words that another word decides, by distance", [*notes, *tables])]


def _share_cell(group: DecidedWords) -> Cell:
    cell, others = value_cell(group.recall), f"others {format_number(group.others.value) or '-'}"
    return cell._replace(detail=f"{cell.detail}; {others}" if cell.detail else others)


def _table(
    results: Results,
    systems: Sequence[WordResult],
    cell: Callable[[DecidedWords], Cell],
    note: str = "",
) -> Table:
    """Return a row for each kind and distance, and a column for each system."""
    groups = systems[0].decided if systems else []
    rows: list[list[Cell | str]] = []
    for number, group in enumerate(groups):
        cells = [cell(system.decided[number]) for system in systems]
        rows.append([group.kind, group.label, f"{group.words:,}", *cells])
    titles = column_titles(results, [system.system for system in systems])
    small = frozenset(number for number, group in enumerate(groups) if group.recall.small)
    header = ["word", "distance", "words", *titles]
    return Table(header, rows, text_columns=2, small_rows=small, note=note)
