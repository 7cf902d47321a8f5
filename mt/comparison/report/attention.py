"""What attention is like, in tables and figures: alignment error, evenness and coverage by length, every layer."""

from __future__ import annotations

from statistics import mean
from typing import Any

from mt.comparison.report.chart import Line, LineChart, Point
from mt.comparison.report.lookups import Results, caveat, headline, plain, signed_span, span, styles
from mt.comparison.table import Cell, Table
from mt.evaluation.lengths import MIN_SENTENCES

# Of attention to the source, a chart each: figure -> title, and what its axis says
# (docs/diagnostics.md defines them).
BY_LENGTH = {
    "evenness": (
        "Evenness of attention to the source, by length",
        "evenness: 0 one word, 1 all alike",
    ),
    "under": ("Source pieces hardly looked at, by length", "share with less than 0.2 of attention"),
}
COLUMNS = {
    "evenness": "layer",
    "distance": "layer",
    "special": "layer",
    "punctuation": "layer",
    "under": "mean_map",
    "over": "mean_map",
}


def aer_table(results: Results) -> Table:
    """Alignment error against gold links, of all, short and long sentences, and the difference from the baseline of all."""
    rows: list[list[Cell | str]] = []
    for entry in results.get("attention") or []:
        if not entry["aer"]:
            continue
        overall = entry["aer"]["overall"] or {}
        found = overall.get("difference")
        gap: list[Cell | str] = [Cell(""), ""]
        if found:
            low, high = found["interval"]
            gap = [Cell(f"{found['effect']:+.1f}", signed_span(low, high, 1)), found["verdict"]]
        rows.append(
            [
                entry["system"],
                *(_figure(entry["aer"][group]) for group in ("overall", "short", "long")),
                *gap,
            ]
        )
    note = (
        "Alignment error rate, %: links read from the attention against gold links; 0 is best."
        if rows
        else ""
    )
    return Table(
        ["system", "AER, all", "short", "long", f"against {results['baseline']}", "verdict"],
        rows,
        note=note,
    ).compact()


def attention_charts(results: Results) -> list[LineChart]:
    """Figures of attention to the source in each bucket of lengths, means over layers and heads."""
    known = [
        entry
        for entry in results.get("attention") or []
        if entry["diagnostics"] and "cross" in entry["diagnostics"]["kinds"]
    ]
    if not known:
        return []
    buckets = [
        at for at, each in enumerate(known[0]["diagnostics"]["by_length"]) if each["sentences"]
    ]
    shown = [known[0]["diagnostics"]["by_length"][at] for at in buckets]
    labels, counts = [each["label"] for each in shown], [f"{each['sentences']:,}" for each in shown]
    faint = frozenset(at for at, each in enumerate(shown) if each["sentences"] < MIN_SENTENCES)
    how, made = headline(results)["length"], []
    for figure, (title, y_label) in BY_LENGTH.items():
        lines = []
        for entry in known:
            points = []
            for at, bucket in enumerate(buckets):
                each = entry["diagnostics"]["by_length"][bucket]
                values = [
                    value
                    for value in each["kinds"].get("cross", {}).get(figure) or []
                    if value is not None
                ]
                if values:
                    said = f"{entry['system']}, {each['label']}: {figure} {mean(values):.2f}, {each['sentences']:,} sentences"
                    points.append(Point(at, mean(values), text=said, small=at in faint))
            if points:
                lines.append(
                    Line(
                        entry["system"],
                        styles(results)[entry["system"]],
                        points,
                        caveat(results, entry["system"]),
                    )
                )
        if lines:
            x_label = f"{how['by']} length in {how['unit']}; below it the number of sentences"
            made.append(
                LineChart(
                    f"attention-{figure}-by-length",
                    title,
                    x_label,
                    y_label,
                    lines,
                    labels,
                    counts,
                    faint,
                )
            )
    return made


def layers_table(results: Results) -> Table:
    """Every layer of every kind of attention, its heads averaged."""
    rows: list[list[Cell | str]] = []
    for entry in results.get("attention") or []:
        for kind, found in (entry["diagnostics"] or {"kinds": {}})["kinds"].items():
            for layer in range(found["layers"]):
                cells = [
                    _of_layer(found["figures"].get(figure), part, layer)
                    for figure, part in COLUMNS.items()
                ]
                rows.append([entry["system"], kind, str(layer + 1), *cells])
    titles = [
        "evenness",
        "distance",
        "on EOS or BOS",
        "on punctuation",
        "pieces under 0.2",
        "pieces over 2",
    ]
    return Table(
        ["system", "kind", "layer", *titles],
        rows,
        labels=2,
        note="docs/diagnostics.md says what these are." if rows else "",
    )


def findings(results: Results) -> list[str]:
    """What stands out, system by system."""
    return [
        f"`{entry['system']}`: {text}"
        for entry in results.get("attention") or []
        for text in (entry["diagnostics"] or {"findings": []})["findings"]
    ]


def _figure(figure: dict[str, Any] | None) -> Cell:
    if figure is None or figure["value"] is None:
        return Cell("")
    return Cell(plain(figure["value"]), span(*figure["interval"]) if figure["interval"] else "")


def _of_layer(figure: dict[str, Any] | None, part: str, layer: int) -> Cell:
    """The mean, and that of short and of long sentences."""
    if figure is None or part not in figure:
        return Cell("")
    value, short, long = (figure[part][name][layer] for name in ("mean", "short", "long"))
    aside = f"{short:.2f} / {long:.2f}" if short is not None and long is not None else ""
    return Cell(plain(value, 2), aside)
