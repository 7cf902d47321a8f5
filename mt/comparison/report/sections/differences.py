"""Differences from the baseline, with their significance."""

from __future__ import annotations

from mt.comparison.report.blocks import Block, Bullets, Details, Figure, Note, Section
from mt.comparison.report.chart import Effect, ForestPlot
from mt.comparison.report.conclusions import verdicts
from mt.comparison.report.queries import (
    describe_test,
    find_entry,
    headline_test,
    is_small,
    metric_title,
    name_cell,
    nonempty_buckets,
    system_names,
    system_styles,
)
from mt.comparison.report.sections.lengths import table_by_length
from mt.comparison.report.text import format_p, format_signed_interval, quote_name
from mt.comparison.schema.results import Results
from mt.comparison.schema.scores import ScoreDifference, TestResult
from mt.comparison.table import Cell, Table

NOTE = (
    "p (Holm): paired bootstrap over sentences and seeds, corrected for the number of variants. "
    "p (these runs): approximate randomisation, which says nothing about other seeds. Needed: "
    "sample size that would show a difference of the observed size."
)


def differences(results: Results) -> Section:
    """Compare every variant with the baseline."""
    plot = differences_plot(results)
    if plot is None:
        return Section("differences", "", [])
    blocks: list[Block] = [
        Figure(plot, differences_by_length_table(results)),
        Bullets([f"{quote_name(name)}: {text}" for name, text in verdicts(results)]),
    ]
    for test in results.tests:
        table = differences_table(results, test)
        if test is headline_test(results):
            blocks.append(table)
        else:
            blocks.append(Details(f"The same on the {describe_test(test, results)}", [table]))
    return Section(
        "differences",
        f"Differences from {results.baseline}",
        [*blocks, Note(NOTE)],
        short_title="Differences",
        printed=True,
    )


def differences_plot(results: Results) -> ForestPlot | None:
    """Plot the differences in BLEU for all, short and long sentences of the first test set."""
    test, effects = headline_test(results), []
    for name in system_names(results):
        for group in (test.overall, test.short, test.long):
            difference = find_entry(group.differences, name)
            if difference is None:
                continue
            effects.append(
                Effect(
                    system=name,
                    label=group.label,
                    value=difference.effect,
                    low=difference.interval[0],
                    high=difference.interval[1],
                    style=system_styles(results)[name],
                    text=f"{name}, {group.label}: {difference.effect:+.1f} "
                    f"({format_signed_interval(difference.interval, 1)}), {difference.verdict}",
                    small=is_small(group),
                )
            )
    title = f"Difference from {results.baseline} in BLEU, with 95 % intervals"
    x_label = f"BLEU minus that of {results.baseline}"
    return ForestPlot("differences", title, x_label, effects) if effects else None


def differences_by_length_table(results: Results) -> Table:
    """Return the differences in BLEU on the first test set by length."""

    def cell(difference: ScoreDifference | None) -> Cell:
        if difference is None:
            return Cell("")
        return Cell(f"{difference.effect:+.1f}", format_signed_interval(difference.interval, 1))

    test = headline_test(results)
    groups = [test.overall, test.short, test.long, *nonempty_buckets(test)]
    names = [name for name in system_names(results) if name != results.baseline]
    return table_by_length(
        results,
        test,
        [group for group in groups if group.sentences],
        names,
        lambda group, name: cell(find_entry(group.differences, name)),
    )


def differences_table(results: Results, test: TestResult) -> Table:
    """Return every variant's difference from the baseline by every metric."""
    rows: list[list[Cell | str]] = []
    for name in system_names(results):
        for difference in (d for d in test.overall.differences if d.system == name):
            rows.append(
                [
                    name_cell(name),
                    metric_title(difference.metric),
                    difference.verdict,
                    f"{difference.effect:+.2f}",
                    format_signed_interval(difference.interval),
                    format_p(difference.p_holm),
                    format_p(difference.p_randomisation),
                    needed_sample(difference),
                ]
            )
    header = [f"against {results.baseline}", "metric", "verdict", "difference", "95 % interval"]
    header += ["p (Holm)", "p (these runs)", "needed"]
    return Table(header, rows, text_columns=3).without_empty_columns()


def needed_sample(difference: ScoreDifference) -> str:
    """Return the sample that would show a difference of this size, if it is not yet significant."""
    needed = difference.needed
    if difference.verdict != "not distinguishable" or needed is None:
        return ""
    if needed.seeds is not None:
        return f"{needed.seeds} seeds"
    if needed.sentences is not None:
        return f"{needed.sentences:,} sentences"
    return "more than 1,000 seeds" if needed.seeds_tested else ""
