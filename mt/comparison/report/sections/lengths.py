"""BLEU and brevity penalty by sentence length."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mt.comparison.report.blocks import Block, Details, Figure, Paragraph, Section
from mt.comparison.report.chart import LineChart, Point
from mt.comparison.report.queries import (
    column_titles,
    describe_test,
    find_entry,
    headline_test,
    is_small,
    nonempty_buckets,
    nonempty_groups,
    system_line,
    system_names,
)
from mt.comparison.report.sections.scores import score_cell
from mt.comparison.report.text import format_interval, in_brackets
from mt.comparison.schema.results import Results
from mt.comparison.schema.scores import SentenceGroup, SystemScore, TestResult
from mt.comparison.table import Cell, Table

INTRODUCTION = (
    "Long sentences can score low because translations are too short, which lowers the brevity "
    "penalty, or because they are wrong, which lowers precision."
)


def lengths(results: Results) -> Section:
    """Show BLEU and what it is made of by length, for each test set."""
    blocks: list[Block] = []
    for test in results.tests:
        if test is headline_test(results):  # its chart is on the first screen
            blocks.append(Details("BLEU by length in numbers", [bleu_table(results, test)]))
        elif chart := bleu_chart(results, test):
            blocks.append(Figure(chart, bleu_table(results, test), table_in="print"))
        if chart := brevity_chart(results, test):
            blocks.append(Figure(chart, brevity_table(results, test)))
    introduction = [Paragraph(INTRODUCTION)] if blocks else []
    title = "By sentence length"
    return Section("length", title, [*introduction, *blocks], short_title="Length", printed=True)


def bleu_chart(results: Results, test: TestResult) -> LineChart | None:
    """Plot BLEU with its interval over length buckets."""

    def point(x: int, group: SentenceGroup, score: SystemScore) -> Point:
        text = (
            f"{score.system}, {group.label}: {score.mean:.1f} BLEU"
            f"{in_brackets(format_interval(score.interval))}, {group.sentences:,} sentences"
        )
        return Point(x, score.mean, *score.interval, text, is_small(group))

    return _chart(results, test, "bleu-by-length", "BLEU by length", "BLEU", point)


def brevity_chart(results: Results, test: TestResult) -> LineChart | None:
    """Plot the brevity penalty over length buckets."""

    def point(x: int, group: SentenceGroup, score: SystemScore) -> Point:
        text = (
            f"{score.system}, {group.label}: brevity penalty {score.brevity_penalty:.2f}, "
            f"precision {score.precision:.1f}"
        )
        return Point(x, score.brevity_penalty or 0.0, text=text, small=is_small(group))

    title = "Brevity penalty by length"
    return _chart(results, test, "brevity-by-length", title, "brevity penalty", point)


def bleu_table(results: Results, test: TestResult) -> Table:
    """Return BLEU of short and of long sentences, and in each length bucket."""
    return table_by_length(
        results,
        test,
        nonempty_groups(test),
        system_names(results),
        lambda group, name: score_cell(find_entry(group.scores, name)),
    )


def brevity_table(results: Results, test: TestResult) -> Table:
    """Return the parts of BLEU by length."""

    def cell(score: SystemScore | None) -> Cell:
        if score is None:
            return Cell("")
        return Cell(
            f"{score.brevity_penalty:.2f}", f"{score.precision:.1f}, {score.length_ratio:.2f}"
        )

    return table_by_length(
        results,
        test,
        nonempty_groups(test),
        system_names(results),
        lambda group, name: cell(find_entry(group.scores, name)),
        note="Brevity penalty (precision, length ratio).",
    )


def table_by_length(
    results: Results,
    test: TestResult,
    groups: Sequence[SentenceGroup],
    names: Sequence[str],
    cell: Callable[[SentenceGroup, str], Cell],
    note: str = "",
) -> Table:
    """Return a row for each group of sentences and a column for each system."""
    rows: list[list[Cell | str]] = [
        [group.label, f"{group.sentences:,}", *(cell(group, name) for name in names)]
        for group in groups
    ]
    small = frozenset(number for number, group in enumerate(groups) if is_small(group))
    header = [f"{test.length.by} {test.length.unit}", "sentences", *column_titles(results, names)]
    return Table(header, rows, small_rows=small, note=note)


def length_label(test: TestResult) -> str:
    """Return the label of the axis of a chart by length."""
    return f"{test.length.by} length in {test.length.unit}; below it the number of sentences"


def _chart(
    results: Results,
    test: TestResult,
    name: str,
    title: str,
    y_label: str,
    point: Callable[[int, SentenceGroup, SystemScore], Point],
) -> LineChart | None:
    groups, lines = nonempty_buckets(test), []
    for system in system_names(results):
        scores = [find_entry(group.scores, system) for group in groups]
        points = [
            point(x, group, score)
            for x, (group, score) in enumerate(zip(groups, scores, strict=True))
            if score is not None
        ]
        if points:
            lines.append(system_line(results, system, points))
    if not lines:
        return None
    suffix = "" if test is headline_test(results) else f"-{test.name}"
    described = describe_test(test, results)
    return LineChart(
        name + suffix,
        f"{title}, {described}" if described else title,
        length_label(test),
        y_label,
        lines,
        categories=[group.label for group in groups],
        counts=[f"{group.sentences:,}" for group in groups],
        small=frozenset(x for x, group in enumerate(groups) if is_small(group)),
    )
