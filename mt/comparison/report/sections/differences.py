"""Differences of all pairs and from the baseline, with their significance."""

from __future__ import annotations

from mt.comparison.report.blocks import Block, Bullets, Details, Figure, Note, Section
from mt.comparison.report.chart import Effect, ForestPlot
from mt.comparison.report.conclusions import verdict_words, verdicts
from mt.comparison.report.queries import (
    by_score,
    describe_test,
    find_entry,
    find_pair,
    headline_test,
    is_distinguishable,
    is_small,
    metric_title,
    name_cell,
    nonempty_buckets,
    system_names,
    system_styles,
)
from mt.comparison.report.sections.lengths import table_by_length
from mt.comparison.report.text import format_p, format_signed_interval, in_brackets, quote_name
from mt.comparison.schema.results import Results
from mt.comparison.schema.scores import ScoreDifference, TestResult
from mt.comparison.table import Cell, Table

NOTE = (
    "p (Holm): paired bootstrap over sentences and seeds, corrected for all pairs of systems. "
    "<=: no resample is on the other side of 0, so more resamples could give a lower p."
)
NEEDED_NOTE = " Needed: sample size that would show a difference of the observed size."


def differences(results: Results) -> Section:
    """Compare all pairs, and every variant with the baseline in detail."""
    plot = differences_plot(results)
    if plot is None:
        return Section("differences", "", [])
    in_words = Bullets([f"{quote_name(name)}: {text}" for name, text in verdicts(results)])
    blocks: list[Block] = [
        pairs_table(results),
        Figure(plot, differences_by_length_table(results)),
        Details(f"Each system against {results.baseline} in words", [in_words]),
    ]
    note = NOTE
    for test in results.tests:
        table = differences_table(results, test)
        if "needed" in table.header and NEEDED_NOTE not in note:
            note += NEEDED_NOTE
        if test is headline_test(results):
            blocks.append(table)
        else:
            blocks.append(Details(f"The same on the {describe_test(test, results)}", [table]))
    return Section(
        "differences",
        "Differences",
        [*blocks, Note(note)],
        printed=True,
    )


def pairs_table(results: Results) -> Table:
    """Return the difference in BLEU of each pair on the first test set; none for two systems."""
    test = headline_test(results)
    names = [system.name for system in by_score(results, test)]
    if len(names) < 3:
        return Table([], [])
    rows: list[list[Cell | str]] = []
    for number, name in enumerate(names[:-1]):
        cells: list[Cell | str] = [Cell("")] * number
        for other in names[number + 1 :]:
            pair = find_pair(test.pairs, name, other)
            cells.append(_pair_cell(pair, name) if pair else "")
        rows.append([name_cell(name), *cells])
    note = (
        "BLEU of the row minus BLEU of the column, with p (Holm, all pairs); bold: significant. "
        "Systems are in the order of their BLEU."
    )
    return Table(["BLEU minus that of", *names[1:]], rows, note=note)


def _pair_cell(pair: ScoreDifference, row: str) -> Cell:
    effect = pair.effect if pair.system == row else -pair.effect
    p = format_p(pair.p_holm, pair.p_is_bound)
    text = f"p {p}" if p[0] == "<" else f"p = {p}"
    return Cell(f"{effect:+.1f}", text, strong=is_distinguishable(pair))


def differences_plot(results: Results) -> ForestPlot | None:
    """Plot the differences in BLEU for all, short and long sentences of the first test set."""
    test, effects = headline_test(results), []
    for name in system_names(results):
        for group in (test.overall, test.short, test.long):
            difference = find_entry(group.differences, name)
            if difference is None:
                continue
            interval = in_brackets(format_signed_interval(difference.interval, 1))
            effects.append(
                Effect(
                    system=name,
                    label=group.label,
                    value=difference.effect,
                    low=difference.interval[0],
                    high=difference.interval[1],
                    style=system_styles(results)[name],
                    text=f"{name}, {group.label}: {difference.effect:+.1f}"
                    f"{interval}, {difference.verdict}",
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
                    verdict_words(difference),
                    f"{difference.effect:+.2f}",
                    format_signed_interval(difference.interval),
                    format_p(difference.p_holm, difference.p_is_bound),
                    needed_sample(difference),
                ]
            )
    header = [f"against {results.baseline}", "metric", "verdict", "difference", "95 % interval"]
    header += ["p (Holm)", "needed"]
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
