"""Cost of training and translation, and quality against it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mt.comparison.report.blocks import Block, Figure, FigureChoice, Section
from mt.comparison.report.chart import LineChart, Point
from mt.comparison.report.queries import (
    find_entry,
    headline_test,
    metric_title,
    name_cell,
    system_cell,
    system_line,
)
from mt.comparison.report.sections.scores import score_cell
from mt.comparison.report.text import format_interval, format_large, format_number, in_brackets
from mt.comparison.schema.results import Results
from mt.comparison.schema.systems import Cost
from mt.comparison.table import Cell, Table
from mt.evaluation.metrics import HEADLINE

MIN_COST_RATIO = 1.02  # greatest over least cost of the systems; below it, costs are equal


@dataclass(frozen=True)
class CostUnit:
    """A cost of which less is better."""

    name: str  # of the chart's files
    label: str
    get: Callable[[Cost], float | None]


UNITS = (
    CostUnit("minutes", "minutes without validation", lambda cost: cost.training_minutes),
    CostUnit("flops", "FLOPs of training", lambda cost: cost.flops),
    CostUnit("parameters", "parameters", lambda cost: cost.parameters),
    CostUnit(
        "translation-time",
        "milliseconds to translate a sentence",
        lambda cost: 1000 / cost.sentences_per_second if cost.sentences_per_second else None,
    ),
)


def cost(results: Results) -> Section:
    """Show the cost of each system, and BLEU against it."""
    figures = [
        Figure(chart, front_table(results, chart), table_in="page")
        for chart in quality_charts(results)
    ]
    blocks: list[Block] = list(figures)
    if len(figures) > 1:
        labels = [figure.chart.x_label for figure in figures if isinstance(figure.chart, LineChart)]
        blocks = [FigureChoice("cost", "Against", labels, figures)]
    return Section("cost", "Cost", [cost_table(results), *blocks])


def quality_charts(results: Results) -> list[LineChart]:
    """Plot BLEU with its interval against each cost in which systems differ."""
    charts = []
    for unit in UNITS:
        lines = []
        for system in results.systems:
            score = find_entry(headline_test(results).overall.scores, system.name)
            x = unit.get(system.cost) if system.cost else None
            if score is None or x is None:
                continue
            text = f"{system.name}: {score.mean:.1f} BLEU"
            text += (
                f"{in_brackets(format_interval(score.interval))}, {format_large(x)} {unit.label}"
            )
            point = Point(x, score.mean, *score.interval, text, score.small)
            lines.append(system_line(results, system.name, [point]))
        costs = [line.points[0].x for line in lines]
        if len(costs) > 1 and max(costs) >= MIN_COST_RATIO * min(costs):
            charts.append(
                LineChart(
                    f"bleu-by-{unit.name}-of-systems",
                    f"BLEU against {unit.label}; dashed: the Pareto front",
                    unit.label,
                    "BLEU",
                    lines,
                    front=pareto_front([line.points[0] for line in lines]),
                )
            )
    return charts


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """Return the points of which no other has a lower or equal x and a higher y, by x."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point.x, -point.y)):
        if not front or point.y > front[-1].y:
            front.append(point)
    return front


def front_table(results: Results, chart: LineChart) -> Table:
    """Return cost and BLEU of each system, and which are on the Pareto front."""
    scores = headline_test(results).overall.scores
    rows: list[list[Cell | str]] = [
        [
            name_cell(line.name),
            format_large(line.points[0].x),
            score_cell(find_entry(scores, line.name)),
            "yes" if line.points[0] in chart.front else "",
        ]
        for line in chart.lines
    ]
    note = "The front is of the means, which may not differ significantly."
    header = ["system", chart.x_label, metric_title(HEADLINE), "on the Pareto front"]
    return Table(header, rows, note=note)


def cost_table(results: Results) -> Table:
    """Return means over the runs of each system; nothing for files."""
    rows: list[list[Cell | str]] = []
    for system in results.systems:
        cost = system.cost
        if cost is None:
            continue
        memory = None if cost.peak_memory is None else cost.peak_memory / 2**20
        rows.append(
            [
                system_cell(system),
                format_large(system.parameters or cost.parameters),
                format_number(cost.minutes),
                format_large(cost.steps),
                format_large(cost.target_tokens),
                format_large(cost.flops),
                format_number(cost.tokens_per_second, 0),
                format_number(memory, 0),
                format_number(cost.sentences_per_second),
            ]
        )
    header = ["system", "parameters", "minutes", "steps", "target tokens", "FLOPs", "tokens/s"]
    header += ["peak memory, MiB", "sentences/s"]
    note = (
        "Minutes: with validation. Tokens/s: target tokens in training, without validation. "
        "Sentences/s: in translation of the test set."
    )
    return Table(header, rows, note=note).without_empty_columns()
