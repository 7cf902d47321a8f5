"""The tables beside the scores: cost, curves, words, attention, and how it was all made."""

from __future__ import annotations

from collections.abc import Callable
from statistics import mean
from typing import Any

from mt.comparison.report.chart import Chart, ForestPlot
from mt.comparison.report.charts import few
from mt.comparison.report.lookups import (
    Results,
    flags,
    label,
    large,
    plain,
    signed_span,
    span,
    titles,
)
from mt.comparison.table import Cell, Table


def cost_table(results: Results) -> Table:
    """Means over runs: what each system took to train and to use."""
    rows = []
    for system in results["systems"]:
        cost = system.get("cost")
        if cost is None:
            continue
        memory = cost.get("peak_memory")
        rows.append(
            [
                label(system),
                large(system.get("parameters") or cost.get("parameters")),
                plain(cost.get("minutes")),
                large(cost.get("steps")),
                large(cost.get("target_tokens")),
                large(cost.get("flops")),
                plain(cost.get("tokens_per_second"), 0),
                plain(None if memory is None else memory / 2**20, 0),
                plain(cost.get("sentences_per_second")),
            ]
        )
    header = [
        "system",
        "parameters",
        "minutes",
        "steps",
        "target tokens",
        "FLOPs",
        "tokens/s",
        "peak memory, MiB",
        "sentences/s",
    ]
    note = "Tokens/s: target tokens in training. Sentences/s: in translation." if rows else ""
    return Table(header, rows, note=note).compact()


def reach_table(results: Results) -> Table:
    """Best validation BLEU, and minutes until it first came to each value: means over the runs that came to it, and how many did."""
    goals: dict[str, None] = {}
    rows: list[list[Cell | str]] = []
    for system in results["systems"]:
        for run in system["runs"]:
            goals |= dict.fromkeys(run.get("reaches") or {})
    for system in results["systems"]:
        runs = [run for run in system["runs"] if run.get("curve")]
        best = [
            max(each["bleu"] for each in run["curve"] if each.get("bleu") is not None)
            for run in runs
        ]
        if not runs:
            continue
        cells: list[Cell] = [
            Cell(f"{mean(best):.1f}", span(min(best), max(best)) if len(best) > 1 else "")
        ]
        for goal in goals:
            took = [
                minutes
                for run in runs
                if (minutes := (run.get("reaches") or {}).get(goal)) is not None
            ]
            some = f"{len(took)} of {len(runs)} runs" if 0 < len(took) < len(runs) else ""
            cells.append(Cell(plain(mean(took)), some) if took else Cell("-"))
        rows.append([label(system), *cells])
    return Table(
        ["system", "best BLEU (range of runs)", *(f"minutes to {goal}" for goal in goals)], rows
    )


def frequency_table(results: Results) -> Table:
    """F1 of words by how often the training text has them, with precision and recall."""
    known = [words for words in results.get("words") or [] if words["bands"]]
    if not known:
        return Table([], [])
    rows: list[list[Cell | str]] = []
    for at, band in enumerate(known[0]["bands"]):
        cells = []
        for own in (words["bands"][at] for words in known):
            f1, precision, recall = (
                plain(own[part]["value"]) or "-" for part in ("f1", "precision", "recall")
            )
            cells.append(Cell(f1, f"{precision} / {recall}"))
        rows.append([band["label"], f"{band['words']:,}", *cells])
    faint = frozenset(at for at, band in enumerate(known[0]["bands"]) if few(band))
    note = "F1 in per cent (precision / recall), of words matched sentence by sentence; -: a run has no such words."
    return Table(
        ["times in training", "words", *titles(results, [words["system"] for words in known])],
        rows,
        faint=faint,
        note=note,
    )


WORDS = {
    "repeated": "repeated bigrams, % of words",
    "immediate": "words said twice in a row, % of words",
    "missing": "content words missing, %",
    "dropped": "content words dropped, %",
    "untranslated": "source words left untranslated, %",
    "numbers": "numbers kept, %",
    "names": "names kept, %",
}


def words_table(results: Results) -> Table:
    """What is repeated, dropped, left untranslated and kept: a row for each, a column for each system."""

    def cell(figure: dict[str, Any]) -> Cell:
        aside = span(*figure["interval"]) if figure["interval"] else ""
        return Cell(plain(figure["value"]), aside)

    return _words(results, [words["system"] for words in results.get("words") or []], cell)


def word_gaps_table(results: Results) -> Table:
    """Each variant minus the baseline, in points of per cent, and what that means."""

    def cell(figure: dict[str, Any]) -> Cell:
        found = figure["difference"]
        if found is None:
            return Cell("")
        low, high = found["interval"]
        return Cell(f"{found['effect']:+.1f}", f"{signed_span(low, high, 1)}; {found['verdict']}")

    names = [
        words["system"]
        for words in results.get("words") or []
        if words["system"] != results["baseline"]
    ]
    return _words(results, names, cell)


def _words(results: Results, names: list[str], cell: Callable[[dict[str, Any]], Cell]) -> Table:
    known = [words for words in results.get("words") or [] if words["system"] in names]
    rows: list[list[Cell | str]] = []
    faint = []
    for key, title in WORDS.items():
        figures = [words.get(key) for words in known]
        if any(figure is not None and figure["value"] is not None for figure in figures):
            faint += (
                [len(rows)] if all(figure is None or figure["small"] for figure in figures) else []
            )
            rows.append(
                [title, *(Cell("") if figure is None else cell(figure) for figure in figures)]
            )
    return Table(
        ["", *titles(results, names)],
        rows,
        faint=frozenset(faint),
        note="Grey, or with a star: too few cases to mean much." if faint else "",
    )


def run_table(results: Results) -> Table:
    """Every run there is, failed ones too."""
    rows = []
    for system in results["systems"]:
        for run in system["runs"]:
            state = ", ".join(flags({**system, "unfinished": run["unfinished"]})) or "done"
            rows.append(
                [
                    system["name"],
                    "" if run["seed"] is None else str(run["seed"]),
                    state,
                    run["path"],
                ]
            )
    rows += [
        [run["system"], str(run["seed"]), f"failed: {run['reason']}", run["path"]]
        for run in results.get("failed") or []
    ]
    return Table(["system", "seed", "state", "path"], rows, labels=4)


def settings_table(results: Results) -> Table:
    """The settings in which systems differ."""
    systems = results["systems"]
    keys = list(dict.fromkeys(key for system in systems for key in system.get("settings") or {}))
    rows = [
        [key, *(str((system.get("settings") or {}).get(key, "-")) for system in systems)]
        for key in keys
    ]
    return Table(
        ["setting", *(system["name"] for system in systems)], rows, labels=1 + len(systems)
    )


def versions_table(results: Results) -> Table:
    """What made it: software, hardware, budget."""
    made: dict[str, Any] = results.get("made") or {}
    rows = [[name, str(version)] for name, version in (made.get("versions") or {}).items()]
    rows += [[name, str(value)] for name, value in (made.get("hardware") or {}).items()]
    for name in ("commit", "date", "budget"):
        if made.get(name):
            rows.append([name, str(made[name])])
    return Table(["", ""], rows, labels=2)


def figure_table(figure: Chart) -> Table:
    """The numbers of a figure, point by point."""
    rows: list[list[Cell | str]] = []
    if isinstance(figure, ForestPlot):
        for effect in figure.effects:
            interval = signed_span(effect.low, effect.high)
            rows.append([effect.system, effect.label, f"{effect.value:+.2f}", interval])
        return Table(["system", "sentences", "difference", "95 % interval"], rows, labels=2)
    if figure.categories:
        cells: dict[tuple[int, str], Cell] = {}
        for line in figure.lines:
            for point in line.points:
                digits = 2 if max(abs(p.y) for each in figure.lines for p in each.points) < 2 else 1
                aside = (
                    "" if point.low is None or point.high is None else span(point.low, point.high)
                )
                cells[int(point.x), line.name] = Cell(f"{point.y:.{digits}f}", aside)
        for at, name in enumerate(figure.categories):
            own = [cells.get((at, line.name), Cell("")) for line in figure.lines]
            rows.append([name, *([figure.counts[at]] if figure.counts else []), *own])
        count = ["number"] if figure.counts else []
        return Table(
            [figure.x_label.split(";")[0], *count, *(line.name for line in figure.lines)],
            rows,
            faint=figure.small,
        )
    for line in figure.lines:
        for point in line.points:
            rows.append(
                [
                    line.name,
                    plain(point.x) if point.x < 10_000 else large(point.x),
                    f"{point.y:.1f}",
                ]
            )
    return Table(["system", figure.x_label, figure.y_label], rows)
