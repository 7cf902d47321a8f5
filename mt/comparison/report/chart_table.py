"""The values of a chart as a table."""

from __future__ import annotations

from mt.comparison.report.chart import Chart, ForestPlot, LineChart
from mt.comparison.report.text import (
    format_interval,
    format_large,
    format_number,
    format_signed_interval,
)
from mt.comparison.table import Cell, Table


def chart_table(chart: Chart) -> Table:
    """Return all points of a chart."""
    if isinstance(chart, ForestPlot):
        return _effects_table(chart)
    return _categories_table(chart) if chart.categories else _points_table(chart)


def _effects_table(plot: ForestPlot) -> Table:
    rows: list[list[Cell | str]] = [
        [
            Cell(effect.system, is_system=True),
            effect.label,
            f"{effect.value:+.2f}",
            format_signed_interval((effect.low, effect.high)),
        ]
        for effect in plot.effects
    ]
    return Table(["system", "sentences", "difference", "95 % interval"], rows, text_columns=2)


def _categories_table(chart: LineChart) -> Table:
    greatest = max(abs(point.y) for line in chart.lines for point in line.points)
    digits = 2 if greatest < 2 else 1
    cells: dict[tuple[int, str], Cell] = {}
    for line in chart.lines:
        for point in line.points:
            known = point.low is not None and point.high is not None
            interval = format_interval((point.low or 0.0, point.high or 0.0)) if known else ""
            cells[int(point.x), line.name] = Cell(f"{point.y:.{digits}f}", interval)
    rows: list[list[Cell | str]] = []
    for x, category in enumerate(chart.categories):
        count = [chart.counts[x]] if chart.counts else []
        values = [cells.get((x, line.name), Cell("")) for line in chart.lines]
        rows.append([category, *count, *values])
    header = [chart.x_label.split(";")[0], *(["number"] if chart.counts else [])]
    header += [line.name for line in chart.lines]
    return Table(header, rows, small_rows=chart.small)


def _points_table(chart: LineChart) -> Table:
    rows: list[list[Cell | str]] = [
        [
            Cell(line.name, is_system=True),
            format_number(point.x) if point.x < 10_000 else format_large(point.x),
            f"{point.y:.1f}",
        ]
        for line in chart.lines
        for point in line.points
    ]
    return Table(["system", chart.x_label, chart.y_label], rows)
