"""Accuracy of words by frequency, and measures of repeated, missing and copied words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mt.comparison.report.blocks import Block, Details, Figure, Section
from mt.comparison.report.chart import LineChart, Point
from mt.comparison.report.queries import column_titles, system_line
from mt.comparison.report.sections.decided_words import decided_words
from mt.comparison.report.sections.measure_cells import difference_cell, value_cell
from mt.comparison.report.text import format_interval, format_number, in_brackets
from mt.comparison.schema.results import Results
from mt.comparison.schema.scores import FrequencyBand, MeasureValue, WordResult
from mt.comparison.table import Cell, Table

MEASURES = {
    "repeated": "repeated bigrams, % of words",
    "immediate": "words repeated immediately, % of words",
    "missing": "content words missing, %",
    "dropped": "content words dropped, %",
    "untranslated": "source words left untranslated, %",
    "numbers": "numbers kept, %",
    "names": "names kept, %",
}


def words(results: Results) -> Section:
    """Show which words systems get right, repeat and miss."""
    chart = frequency_chart(results)
    blocks: list[Block] = [Figure(chart, frequency_table(results))] if chart else []
    blocks.append(measures_table(results))
    title = f"Differences from {results.baseline}, in percentage points"
    blocks += [Details(title, [measure_differences_table(results)]), *decided_words(results)]
    return Section("words", "Words", blocks)


def frequency_chart(results: Results) -> LineChart | None:
    """Plot the F1 of words over their frequency in the training text."""
    systems = [system for system in results.words if system.bands]
    if not systems:
        return None
    lines = []
    for system in systems:
        points = [
            _frequency_point(x, system.system, band)
            for x, band in enumerate(system.bands)
            if band.f1.value is not None
        ]
        lines.append(system_line(results, system.system, points))
    bands = systems[0].bands
    return LineChart(
        "words-by-frequency",
        "Accuracy of words by their frequency in training",
        "occurrences in the training text; below it the number of words in the references",
        "F1, %",
        lines,
        categories=[band.label for band in bands],
        counts=[f"{band.words:,}" for band in bands],
        small=frozenset(x for x, band in enumerate(bands) if band.recall.small),
    )


def _frequency_point(x: int, system: str, band: FrequencyBand) -> Point:
    value, interval = band.f1.value or 0.0, band.f1.interval
    text = f"{system}, {band.label} occurrences: F1 {value:.1f} %"
    if interval is None:
        return Point(x, value, text=text, small=band.recall.small)
    text += in_brackets(format_interval(interval))
    return Point(x, value, *interval, text, band.recall.small)


def frequency_table(results: Results) -> Table:
    """Return F1, precision and recall of words by their frequency in the training text."""
    systems = [system for system in results.words if system.bands]
    if not systems:
        return Table([], [])
    rows: list[list[Cell | str]] = []
    for number, band in enumerate(systems[0].bands):
        cells = []
        for system_band in (system.bands[number] for system in systems):
            measures = (system_band.f1, system_band.precision, system_band.recall)
            f1, precision, recall = (format_number(m.value) or "-" for m in measures)
            cells.append(Cell(f1, f"{precision} / {recall}"))
        rows.append([band.label, f"{band.words:,}", *cells])
    titles = column_titles(results, [system.system for system in systems])
    return Table(
        ["occurrences in training", "words", *titles],
        rows,
        small_rows=frozenset(
            number for number, band in enumerate(systems[0].bands) if band.recall.small
        ),
        note="F1 in per cent (precision / recall); words are matched sentence by sentence. "
        "-: undefined for a run without such words.",
    )


def measures_table(results: Results) -> Table:
    """Return a row for each measure and a column for each system."""
    return _measures_table(results, results.words, value_cell)


def measure_differences_table(results: Results) -> Table:
    """Return each variant's difference from the baseline, in percentage points."""
    variants = [system for system in results.words if system.system != results.baseline]
    return _measures_table(results, variants, difference_cell)


def _measures_table(
    results: Results, systems: Sequence[WordResult], cell: Callable[[MeasureValue], Cell]
) -> Table:
    rows: list[list[Cell | str]] = []
    small_rows = set()
    for name, title in MEASURES.items():
        measures: list[MeasureValue | None] = [getattr(system, name) for system in systems]
        if all(measure is None or measure.value is None for measure in measures):
            continue
        if all(measure is None or measure.small for measure in measures):
            small_rows.add(len(rows))
        rows.append([title, *(Cell("") if m is None else cell(m) for m in measures)])
    titles = column_titles(results, [system.system for system in systems])
    return Table(["", *titles], rows, small_rows=frozenset(small_rows))
