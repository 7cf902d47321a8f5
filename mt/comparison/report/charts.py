"""The figures: differences, BLEU and brevity by length, BLEU over training, words by frequency."""

from __future__ import annotations

from typing import Any

from mt.comparison.report.attention import attention_charts
from mt.comparison.report.chart import Chart, Effect, ForestPlot, Line, LineChart, Point
from mt.comparison.report.lookups import (
    Results,
    buckets,
    caveat,
    find,
    headline,
    is_small,
    large,
    signed_span,
    span,
    styles,
    system_names,
    test_title,
)


def figures(results: Results) -> list[Chart]:
    """All that the results have data for, in the order of the report."""
    made: list[Chart | None] = [differences_chart(results)]
    for test in results["tests"]:
        made += [length_chart(results, test), brevity_chart(results, test)]
    made += [*curve_charts(results), *frequency_charts(results), *attention_charts(results)]
    return [figure for figure in made if figure is not None]


def differences_chart(results: Results) -> ForestPlot | None:
    """Of each variant, for all, short and long sentences of the headline test set."""
    test, effects = headline(results), []
    for name in system_names(results):
        for group in (test["overall"], test["short"], test["long"]):
            found = find(group["differences"], name) if group["sentences"] else None
            if found is not None:
                low, high = found["interval"]
                text = f"{name}, {group['label']}: {found['effect']:+.1f} ({signed_span(low, high, 1)}), {found['verdict']}"
                style, small = styles(results)[name], is_small(group)
                effects.append(
                    Effect(name, group["label"], found["effect"], low, high, style, text, small)
                )
    title = f"Difference from {results['baseline']} in BLEU, 95 % interval"
    x_label = f"BLEU minus that of {results['baseline']}"
    return ForestPlot("differences", title, x_label, effects) if effects else None


def length_chart(results: Results, test: dict[str, Any]) -> LineChart | None:
    """BLEU with its interval in each bucket of lengths."""

    def point(at: int, group: dict[str, Any], score: dict[str, Any]) -> Point:
        low, high = score["interval"]
        said = f"{score['system']}, {group['label']}: {score['mean']:.1f} BLEU ({span(low, high)}), {group['sentences']:,} sentences"
        return Point(at, score["mean"], low, high, said, is_small(group))

    return _by_length(results, test, "bleu-by-length", "BLEU by length", "BLEU", point)


def brevity_chart(results: Results, test: dict[str, Any]) -> LineChart | None:
    """The brevity penalty: which systems stop early?"""

    def point(at: int, group: dict[str, Any], score: dict[str, Any]) -> Point:
        said = f"{score['system']}, {group['label']}: brevity penalty {score['brevity_penalty']:.2f}, precision {score['precision']:.1f}"
        return Point(at, score["brevity_penalty"], text=said, small=is_small(group))

    return _by_length(
        results, test, "brevity-by-length", "Brevity penalty by length", "brevity penalty", point
    )


def curve_charts(results: Results) -> list[LineChart]:
    """BLEU on the validation set over minutes and over target tokens, a line for each run."""
    made = []
    for key, title, form in (
        ("minutes", "minutes of training", lambda value: f"{value:.1f} minutes"),
        ("target_tokens", "target tokens", lambda value: f"{large(value)} target tokens"),
    ):
        lines = []
        for system in results["systems"]:
            for run in system["runs"]:
                curve = [
                    each
                    for each in run.get("curve") or []
                    if each.get(key) is not None and each.get("bleu") is not None
                ]
                who = system["name"] + ("" if run["seed"] is None else f", seed {run['seed']}")
                points = [
                    Point(
                        each[key],
                        each["bleu"],
                        text=f"{who}: {each['bleu']:.1f} BLEU after {form(each[key])}",
                    )
                    for each in curve
                ]
                if points:
                    lines.append(
                        Line(
                            system["name"],
                            styles(results)[system["name"]],
                            points,
                            caveat(results, system["name"]),
                        )
                    )
        if lines:
            name = f"bleu-by-{key.replace('_', '-')}"
            made.append(
                LineChart(
                    name, f"BLEU over {title}", title, "validation BLEU", lines, markers="last"
                )
            )
    return made


def frequency_charts(results: Results) -> list[LineChart]:
    """F1 of words by how often the training text has them."""
    known = [words for words in results.get("words") or [] if words["bands"]]
    if not known:
        return []
    lines = []
    for words in known:
        points = []
        for at, band in enumerate(words["bands"]):
            f1 = band["f1"]
            if f1["value"] is None:
                continue
            said = f"{words['system']}, seen {band['label']} times: F1 {f1['value']:.1f} %"
            low = high = None
            if f1["interval"] is not None:
                low, high = f1["interval"]
                said += f" ({span(low, high)})"
            points.append(Point(at, f1["value"], low, high, said, few(band)))
        lines.append(
            Line(
                words["system"],
                styles(results)[words["system"]],
                points,
                caveat(results, words["system"]),
            )
        )
    bands = known[0]["bands"]
    faint = frozenset(at for at, band in enumerate(bands) if few(band))
    labels, counts = [band["label"] for band in bands], [f"{band['words']:,}" for band in bands]
    x_label = "times in the training text; below it the number of words in the references"
    return [
        LineChart(
            "words-by-frequency",
            "Words right, by frequency",
            x_label,
            "F1, %",
            lines,
            labels,
            counts,
            faint,
        )
    ]


def few(band: dict[str, Any]) -> bool:
    """Whether the references have too few words of a frequency band for its figures to mean much."""
    return band["recall"]["small"]


def _by_length(
    results: Results, test: dict[str, Any], name: str, title: str, y_label: str, point: Any
) -> LineChart | None:
    shown = buckets(test)
    lines = []
    for system in results["systems"]:
        scores = [
            (at, group, find(group["scores"], system["name"])) for at, group in enumerate(shown)
        ]
        points = [point(at, group, score) for at, group, score in scores if score is not None]
        if points:
            lines.append(
                Line(
                    system["name"],
                    styles(results)[system["name"]],
                    points,
                    caveat(results, system["name"]),
                )
            )
    if not lines:
        return None
    how, where = test["length"], test_title(test, results)
    faint = frozenset(at for at, group in enumerate(shown) if is_small(group))
    file = name + (f"-{test['name']}" if where and test is not headline(results) else "")
    labels, counts = (
        [group["label"] for group in shown],
        [f"{group['sentences']:,}" for group in shown],
    )
    x_label = f"{how['by']} length in {how['unit']}; below it the number of sentences"
    return LineChart(
        file,
        title + (f", {where}" if where else ""),
        x_label,
        y_label,
        lines,
        labels,
        counts,
        faint,
    )
