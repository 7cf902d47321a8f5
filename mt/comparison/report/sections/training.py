"""Validation BLEU during training."""

from __future__ import annotations

from collections.abc import Callable
from statistics import mean

from mt.comparison.report.blocks import Block, Figure, FigureChoice, Section
from mt.comparison.report.chart import LineChart, Point
from mt.comparison.report.chart_table import chart_table
from mt.comparison.report.queries import system_cell, system_line
from mt.comparison.report.text import format_interval, format_large, format_number
from mt.comparison.schema.results import Results
from mt.comparison.schema.systems import SystemResult, ValidationPoint
from mt.comparison.table import Cell, Table


def training(results: Results) -> Section:
    """Show the curves, over one unit of cost at a time."""
    charts = curve_charts(results)
    figures = [Figure(chart, chart_table(chart), table_in="page") for chart in charts]
    blocks: list[Block] = list(figures)
    if len(charts) > 1:
        labels = [chart.x_label for chart in charts]
        blocks = [FigureChoice("curve", "Over", labels, figures)]
    blocks.append(minutes_to_bleu_table(results))
    return Section("training", "During training", blocks, short_title="Training")


def curve_charts(results: Results) -> list[LineChart]:
    """Plot validation BLEU over steps, target tokens and minutes, with a line for each run."""
    over_steps = _curve_chart(
        results,
        "bleu-by-steps",
        "optimizer steps",
        lambda validation: validation.step,
        lambda steps: f"{steps:,} steps",
    )
    over_minutes = _curve_chart(
        results,
        "bleu-by-minutes",
        "minutes of training",
        lambda validation: validation.minutes,
        lambda minutes: f"{minutes:.1f} minutes",
    )
    over_tokens = _curve_chart(
        results,
        "bleu-by-target-tokens",
        "target tokens",
        lambda validation: validation.target_tokens,
        lambda tokens: f"{format_large(tokens)} target tokens",
    )
    return [chart for chart in (over_minutes, over_tokens, over_steps) if chart.lines]


def _curve_chart(
    results: Results,
    name: str,
    x_label: str,
    get_x: Callable[[ValidationPoint], float | None],
    format_x: Callable[[float], str],
) -> LineChart:
    lines = []
    for system in results.systems:
        for run in system.runs:
            title = system.name + ("" if run.seed is None else f", seed {run.seed}")
            points = [
                Point(
                    x,
                    validation.bleu,
                    text=f"{title}: {validation.bleu:.1f} BLEU after {format_x(x)}",
                )
                for validation in run.curve
                if (x := get_x(validation)) is not None
            ]
            if points:
                lines.append(system_line(results, system.name, points))
    return LineChart(
        name, f"BLEU over {x_label}", x_label, "validation BLEU", lines, markers="last"
    )


def minutes_to_bleu_table(results: Results) -> Table:
    """Return the best validation BLEU, and the minutes to the first validation with so much BLEU.

    Both are means over the runs; minutes are over the runs that reached the value.
    """
    runs = [run for system in results.systems for run in system.runs]
    levels = list(dict.fromkeys(level for run in runs for level in run.minutes_to_bleu))
    rows: list[list[Cell | str]] = [
        [system_cell(system), *_best_and_minutes(system, levels)]
        for system in results.systems
        if any(run.curve for run in system.runs)
    ]
    header = ["system", "best BLEU (range of runs)", *(f"minutes to {level}" for level in levels)]
    return Table(header, rows)


def _best_and_minutes(system: SystemResult, levels: list[str]) -> list[Cell]:
    runs = [run for run in system.runs if run.curve]
    best = [max(validation.bleu for validation in run.curve) for run in runs]
    bleu_range = format_interval((min(best), max(best))) if len(best) > 1 else ""
    cells = [Cell(f"{mean(best):.1f}", bleu_range)]
    for level in levels:
        minutes = [m for run in runs if (m := run.minutes_to_bleu.get(level)) is not None]
        some = f"{len(minutes)} of {len(runs)} runs" if len(minutes) < len(runs) else ""
        cells.append(Cell(format_number(mean(minutes)), some) if minutes else Cell("-"))
    return cells
