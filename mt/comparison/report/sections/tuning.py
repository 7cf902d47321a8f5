"""Tuning: the trials of every system, and the settings that validation chose."""

from __future__ import annotations

from mt.comparison.report.blocks import Block, Details, Figure, Paragraph, Section
from mt.comparison.report.chart import LineChart, Point
from mt.comparison.report.chart_table import chart_table
from mt.comparison.report.queries import system_line
from mt.comparison.report.text import count_noun, format_number
from mt.comparison.schema.results import Results
from mt.comparison.table import Cell, Table

DIFFERENT_CHOICES = (
    " Systems have different settings. This is partly chance, as validations vary with the seed, "
    "and intervals and p-values do not cover it: repeat the comparison with another trial_seed, "
    "and rely on the differences that both find."
)


def tuning(results: Results) -> Section:
    """Show what was tuned, what was chosen, and how the best score grows with the trials."""
    if not results.tuning:
        return Section("tuning", "Tuning", [])
    chart = expected_best_chart(results)
    trials = len(results.tuning[0].trials)
    text = (
        f"Each system had {count_noun(trials, 'trial')} with the same settings, each with the "
        "budget of a run. Validation chose among them; no trial was tested. The curve shows the "
        "expected best validation BLEU of a number of random trials (Dodge et al. 2019): a system "
        "whose curve still rises would gain from more trials."
    )
    choices = {tuple(t.settings) for tuned in results.tuning for t in tuned.trials if t.chosen}
    if len(choices) > 1:
        text += DIFFERENT_CHOICES
    blocks: list[Block] = [
        Paragraph(text),
        choice_table(results),
        Figure(chart, chart_table(chart), table_in="page"),
        Details("All trials", [trial_table(results)]),
    ]
    return Section("tuning", "Tuning", blocks)


def choice_table(results: Results) -> Table:
    """Return the chosen settings of each system, and their validation."""
    rows: list[list[Cell | str]] = []
    for system in results.tuning:
        chosen = next((trial for trial in system.trials if trial.chosen), None)
        settings = ", ".join(chosen.settings) if chosen else "none: every trial failed"
        bleu, loss = (chosen.bleu, chosen.loss) if chosen else (None, None)
        rows.append([system.system, settings, format_number(bleu), format_number(loss, 3)])
    return Table(["system", "chosen", "validation BLEU", "loss"], rows, text_columns=2)


def trial_table(results: Results) -> Table:
    """Return every trial."""
    rows: list[list[Cell | str]] = [
        [
            system.system,
            ", ".join(trial.settings),
            "failed: " + trial.failure if trial.failure else "chosen" if trial.chosen else "",
            format_number(trial.bleu),
            format_number(trial.loss, 3),
        ]
        for system in results.tuning
        for trial in system.trials
    ]
    return Table(["system", "settings", "", "validation BLEU", "loss"], rows, text_columns=3)


def expected_best_chart(results: Results) -> LineChart:
    """Plot the expected best validation BLEU over the number of trials."""
    lines = [
        system_line(
            results,
            system.system,
            [
                Point(n, bleu, text=f"{system.system}: {bleu:.1f} BLEU expected of {n} trials")
                for n, bleu in enumerate(system.expected_best, start=1)
            ],
        )
        for system in results.tuning
        if any(result.name == system.system for result in results.systems)
    ]
    title = "Expected best validation BLEU over the number of trials"
    return LineChart("bleu-by-trials", title, "trials", "validation BLEU", lines)
