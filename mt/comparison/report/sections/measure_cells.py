"""Cells of tables of measures."""

from __future__ import annotations

from mt.comparison.report.text import format_interval, format_number, format_signed_interval
from mt.comparison.schema.scores import MeasureValue
from mt.comparison.table import Cell


def value_cell(measure: MeasureValue) -> Cell:
    """Return the value of a system with its interval."""
    interval = format_interval(measure.interval) if measure.interval else ""
    return Cell(format_number(measure.value), interval)


def difference_cell(measure: MeasureValue) -> Cell:
    """Return the difference from the baseline with its interval; empty for the baseline."""
    difference = measure.difference
    if difference is None:
        return Cell("")
    interval = format_signed_interval(difference.interval, 1)
    return Cell(
        f"{difference.effect:+.1f}", "; ".join(filter(None, (interval, difference.verdict)))
    )
