"""Attention: alignment error, diagnostics by length and by layer, and maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import mean

from mt.comparison.report.blocks import AttentionMaps, Block, Bullets, Details, Figure, Section
from mt.comparison.report.chart import LineChart, Point
from mt.comparison.report.chart_table import chart_table
from mt.comparison.report.queries import headline_test, name_cell, system_line, system_names
from mt.comparison.report.sections.lengths import length_label
from mt.comparison.report.sections.measure_cells import value_cell
from mt.comparison.report.text import (
    count_noun,
    format_number,
    format_signed_interval,
    quote_name,
)
from mt.comparison.schema.attention import (
    AttentionByLength,
    AttentionDiagnostics,
    AttentionMetric,
    LayerSummary,
)
from mt.comparison.schema.results import AttentionMap, Results
from mt.comparison.schema.scores import MeasureValue
from mt.comparison.table import Cell, Table
from mt.evaluation.lengths import MIN_SENTENCES

# Metrics of cross-attention with a chart: metric -> title, label of the y axis. They are defined in
# docs/diagnostics.md.
BY_LENGTH = {
    "evenness": (
        "Evenness of attention to the source, by length",
        "evenness: 0 for a single word, 1 for uniform attention",
    ),
    "under": (
        "Source tokens with little attention, by length",
        "share with a total attention below 0.2",
    ),
}
# Metrics in the table of layers: metric -> title, field of AttentionMetric.
BY_LAYER = {
    "evenness": ("evenness", "layer"),
    "distance": ("distance", "layer"),
    "special": ("on EOS or BOS", "layer"),
    "punctuation": ("on punctuation", "layer"),
    "under": ("tokens below 0.2", "mean_map"),
    "over": ("tokens above 2", "mean_map"),
}


def attention(results: Results) -> Section:
    """Show how well attention aligns, what it is like, and maps of single sentences."""
    findings = attention_findings(results)
    maps = attention_maps(results)
    readings = "Alignment error rate by layer, at the step that predicts a word or reads it"
    title = "Every layer: mean over sentences, and over short / long sentences"
    blocks: list[Block] = [
        alignment_table(results),
        Details(readings, [layer_alignment_table(results)]),
        *(Figure(chart, chart_table(chart)) for chart in attention_charts(results)),
        Details(title, [layers_table(results)]),
        Details(f"Notable: {count_noun(len(findings), 'finding')}", [Bullets(findings)]),
        *([AttentionMaps(maps)] if maps else []),
    ]
    return Section("attention", "Attention", blocks)


def alignment_table(results: Results) -> Table:
    """Return alignment error rates, and the differences from the baseline on all sentences."""
    rows: list[list[Cell | str]] = []
    for system in results.attention:
        if system.aer is None:
            continue
        cells = _difference_cells(system.aer.overall)
        measures = (system.aer.overall, system.aer.short, system.aer.long)
        layer = f"{system.aer_layer} of {system.layers}" if system.aer_layer else ""
        rows.append([name_cell(system.system), layer, *map(_measure_cell, measures), *cells])
    header = [
        "system",
        "layer",
        "AER, all",
        "short",
        "long",
        f"against {results.baseline}",
        "verdict",
    ]
    note = (
        "Alignment error rate in per cent against gold links; 0 is best. Links are read from the "
        "mean over heads of one layer, the last but one, or the only one (Garg et al. 2019), at "
        "the step that predicts the word."
    )
    return Table(header, rows, text_columns=2, note=note).without_empty_columns()


def layer_alignment_table(results: Results) -> Table:
    """Return alignment error rates by layer and reading; empty if no system has several."""
    header = ["system", "layer", "AER, predicting", "AER, reading", "difference", "verdict"]
    note = (
        "Alignment error rate in per cent on all sentences, by the mean over the heads of a layer, "
        "at the step that predicts the word and at the step that reads it (Chen et al. 2020). "
        "Decoders that attend before they read have only the first. Differences are paired by "
        "run; better means that the step that reads the word aligns it better. p-values are "
        "corrected over the layers of a system."
    )
    rows: list[list[Cell | str]] = []
    for system in results.attention:
        for each in system.aer_by_layer:
            rows.append(
                [
                    name_cell(system.system),
                    f"{each.layer} of {system.layers}",
                    _measure_cell(each.output),
                    _measure_cell(each.input),
                    *_difference_cells(each.input),
                ]
            )
    several = any(
        layer.layer > 1 or layer.input for s in results.attention for layer in s.aer_by_layer
    )
    table = Table(header, rows if several else [], text_columns=2, note=note)
    return table.without_empty_columns()


def attention_charts(results: Results) -> list[LineChart]:
    """Plot metrics of cross-attention over length buckets, as means over layers and heads."""
    systems = _diagnostics(results)
    by_length = {
        name: diagnostics.by_length
        for name, diagnostics in systems.items()
        if "cross" in diagnostics.kinds
    }
    if not by_length:
        return []
    all_buckets = next(iter(by_length.values()))
    numbers = [number for number, bucket in enumerate(all_buckets) if bucket.sentences]
    buckets = [all_buckets[number] for number in numbers]
    charts = []
    for metric, (title, y_label) in BY_LENGTH.items():
        lines = []
        for name, system_buckets in by_length.items():
            points = [
                point
                for x, number in enumerate(numbers)
                if (point := _bucket_point(x, name, metric, system_buckets[number]))
            ]
            if points:
                lines.append(system_line(results, name, points))
        if lines:
            charts.append(
                LineChart(
                    f"attention-{metric}-by-length",
                    title,
                    length_label(headline_test(results)),
                    y_label,
                    lines,
                    categories=[bucket.label for bucket in buckets],
                    counts=[f"{bucket.sentences:,}" for bucket in buckets],
                    small=frozenset(
                        x for x, b in enumerate(buckets) if b.sentences < MIN_SENTENCES
                    ),
                )
            )
    return charts


def _bucket_point(x: int, system: str, metric: str, bucket: AttentionByLength) -> Point | None:
    layers = bucket.kinds.get("cross", {}).get(metric, [])
    values = [value for value in layers if value is not None]
    if not values:
        return None
    text = f"{system}, {bucket.label}: {metric} {mean(values):.2f}, {bucket.sentences:,} sentences"
    return Point(x, mean(values), text=text, small=bucket.sentences < MIN_SENTENCES)


def layers_table(results: Results) -> Table:
    """Return a row for each layer of each kind of attention, as means over its heads."""
    rows: list[list[Cell | str]] = []
    for name, diagnostics in _diagnostics(results).items():
        for kind_name, kind in diagnostics.kinds.items():
            for layer in range(kind.layers):
                cells = [
                    _layer_cell(kind.figures.get(metric), field, layer)
                    for metric, (_, field) in BY_LAYER.items()
                ]
                rows.append([name_cell(name), kind_name, str(layer + 1), *cells])
    header = ["system", "kind", "layer", *(title for title, _ in BY_LAYER.values())]
    return Table(header, rows, text_columns=2, note="docs/diagnostics.md defines these metrics.")


def attention_findings(results: Results) -> list[str]:
    """Return what the diagnostics found notable."""
    return [
        f"{quote_name(name)}: {finding}"
        for name, diagnostics in _diagnostics(results).items()
        for finding in diagnostics.findings
    ]


def attention_maps(results: Results) -> dict[str, list[AttentionMap]]:
    """Return the maps of the sentences of which all systems with cross-attention have one."""
    shown = [(s.index, s.attention) for s in results.sentences if s.attention]
    systems = [name for name in system_names(results) if any(maps.get(name) for _, maps in shown)]
    maps: dict[str, list[AttentionMap]] = {name: [] for name in systems}
    for index, sentence_maps in shown:
        found = {name: m for name in systems if (m := sentence_maps.get(name))}
        if len(found) == len(systems):
            for name, sentence_map in found.items():
                maps[name].append(replace(sentence_map, name=str(index + 1)))
    return maps if any(maps.values()) else {}


def _diagnostics(results: Results) -> Mapping[str, AttentionDiagnostics]:
    return {s.system: s.diagnostics for s in results.attention if s.diagnostics is not None}


def _measure_cell(measure: MeasureValue | None) -> Cell:
    return Cell("") if measure is None else value_cell(measure)


def _difference_cells(measure: MeasureValue | None) -> list[Cell]:
    """Return the difference of a measure, with its interval, and the verdict."""
    difference = measure.difference if measure else None
    if difference is None:
        return [Cell(""), Cell("")]
    interval = format_signed_interval(difference.interval, 1)
    return [Cell(f"{difference.effect:+.1f}", interval), Cell(difference.verdict)]


def _layer_cell(metric: AttentionMetric | None, field: str, layer: int) -> Cell:
    """Return the mean over all sentences, then over short and over long ones."""
    summary: LayerSummary | None = getattr(metric, field, None)
    if summary is None:
        return Cell("")
    short, long = summary.short[layer], summary.long[layer]
    detail = "" if short is None or long is None else f"{short:.2f} / {long:.2f}"
    return Cell(format_number(summary.mean[layer], 2), detail)
