"""Tuning: the trials of every system, and the settings that validation chose."""

from __future__ import annotations

from collections.abc import Sequence

from mt.comparison.report.blocks import Block, Details, Figure, Paragraph, Section
from mt.comparison.report.chart import LineChart, Point
from mt.comparison.report.chart_table import chart_table
from mt.comparison.report.queries import has_different_choices, system_line
from mt.comparison.report.text import count_noun, format_number, join_words
from mt.comparison.schema.results import Results
from mt.comparison.schema.tuning import RungValidation, TrialResult, format_share
from mt.comparison.table import Cell, Table

DIFFERENT_CHOICES = (
    " Systems have different settings. This is partly chance, as validations vary with the seed, "
    "and intervals and p-values do not cover it: repeat the comparison with another trial_seed, "
    "and rely on the differences that both find."
)
STOPPED_EARLY = (
    " Settings that learn slowly and win late, such as small learning rates or dropout, may have "
    "been stopped too early."
)


def tuning(results: Results) -> Section:
    """Show what was tuned, what was chosen, and how the best score grows with the trials."""
    if not results.tuning:
        return Section("tuning", "Tuning", [])
    text = describe_rungs(results)
    if has_different_choices(results):
        text += DIFFERENT_CHOICES
    shown: list[Block] = [Paragraph(text), choice_table(results)]
    if has_one_rung(results):
        chart = expected_best_chart(results)
        shown.append(Figure(chart, chart_table(chart), table_in="page"))
    return Section("tuning", "Tuning", [*shown, Details("All trials", [trial_table(results)])])


def describe_rungs(results: Results) -> str:
    """Say how far the trials were trained, and what the section shows."""
    begin = f"All systems had the same {count_noun(len(results.tuning[0].trials), 'trial')}"
    shares = rung_shares(results)
    if has_one_rung(results):
        share = "" if shares == [1] else f"{format_share(shares[0])} of "
        return (
            f"{begin}, each with {share}the budget of a run. Validation chose among them; no trial "
            "was tested. The curve shows the expected best validation BLEU of a number of random "
            "trials (Dodge et al. 2019): a system whose curve still rises would gain from more "
            f"trials.{STOPPED_EARLY * (shares != [1])}"
        )
    sizes = [
        max(sum(share in rungs_of(trial) for trial in tuned.trials) for tuned in results.tuning)
        for share in shares
    ]
    rungs = [
        f"{size} with {format_share(share)}" for size, share in zip(sizes, shares, strict=True)
    ]
    return (
        f"{begin}. Successive halving (Jamieson and Talwalkar 2016) trained {join_words(rungs)} of "
        "the budget of a run: validation promoted the best of each rung, and chose among the last. "
        f"No trial was tested.{STOPPED_EARLY} The expected best validation of a number of trials "
        "is not defined here, because most trials have no score at the last rung: the table of all "
        "trials shows their validations at each rung instead."
    )


def has_one_rung(results: Results) -> bool:
    """Return whether all trials had the same share of the budget."""
    return any(tuned.expected_best for tuned in results.tuning)


def rung_shares(results: Results) -> list[float]:
    """Return the shares of the budget at which trials were validated, in order; [1] if none was."""
    trials = [trial for tuned in results.tuning for trial in tuned.trials]
    return sorted({share for trial in trials for share in rungs_of(trial)}) or [1.0]


def rungs_of(trial: TrialResult) -> dict[float, RungValidation]:
    """Return the validations of a trial by the share of the budget."""
    return {rung.share: rung for rung in trial.rungs}


def choice_table(results: Results) -> Table:
    """Return the chosen settings of each system, and their validation."""
    rows: list[list[Cell | str]] = []
    note = ""
    for system in results.tuning:
        chosen = next((trial for trial in system.trials if trial.chosen), None)
        settings = ", ".join(chosen.settings) if chosen else "none: every trial failed"
        extremes = ", ".join(extreme_choices(system.trials, chosen)) if chosen else ""
        bleu, loss = (chosen.bleu, chosen.loss) if chosen else (None, None)
        cell = Cell(settings, extremes)
        rows.append([system.system, cell, format_number(bleu), format_number(loss, 3)])
        if extremes:
            note = "The largest or smallest value that was tried may not be the best: try others."
    return Table(["system", "chosen", "validation BLEU", "loss"], rows, text_columns=2, note=note)


def extreme_choices(trials: Sequence[TrialResult], chosen: TrialResult) -> list[str]:
    """Name the chosen numbers that are the largest or smallest of three or more tried."""
    extremes = []
    for setting in chosen.settings:
        key = setting.partition("=")[0]
        values = {
            number
            for trial in trials
            for each in trial.settings
            if each.startswith(f"{key}=") and (number := to_number(each)) is not None
        }
        number = to_number(setting)
        if number is not None and len(values) > 2 and number in (min(values), max(values)):
            extremes.append(f"{'largest' if number == max(values) else 'smallest'} {key} tried")
    return extremes


def to_number(setting: str) -> float | None:
    """Return the value of key=value as a number; None if it is none."""
    try:
        return float(setting.partition("=")[2])
    except ValueError:
        return None


def trial_table(results: Results) -> Table:
    """Return every trial, and with successive halving its validation at each rung."""
    shares = rung_shares(results)
    rows: list[list[Cell | str]] = [
        [
            system.system,
            ", ".join(trial.settings),
            "failed: " + trial.failure if trial.failure else "chosen" if trial.chosen else "",
            *validation_cells(trial, shares),
        ]
        for system in results.tuning
        for trial in system.trials
    ]
    header = ["system", "settings", ""]
    for share in shares:
        at = "" if shares == [1] else f" with {format_share(share)}"
        header += [f"validation BLEU{at}", f"loss{at}"]
    return Table(header, rows, text_columns=3)


def validation_cells(trial: TrialResult, shares: Sequence[float]) -> list[str]:
    """Return BLEU and loss at each share of the budget; empty where it was not trained so far."""
    rungs = rungs_of(trial)
    reached = [rungs.get(share, RungValidation(share, None, None)) for share in shares]
    pairs = [(format_number(rung.bleu), format_number(rung.loss, 3)) for rung in reached]
    return [text for pair in pairs for text in pair]


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
