"""Diagnostics of attention as plain text, as findings in words, and as JSON.

Layers and heads count from 1 in text and from 0 in JSON.
"""

from __future__ import annotations

import textwrap
from dataclasses import fields
from typing import Any

import numpy as np

from mt.evaluation.tables import TEXT_WIDTH
from mt.inspection.diagnostics.map_statistics import (
    OVER_COVERAGE,
    SIMILARITY,
    SPECIAL_KEYS,
    UNDER_COVERAGE,
    head_pairs,
)
from mt.inspection.diagnostics.summary import Diagnostics, StatisticSummary, Summary

LABEL_WIDTH, COLUMN_WIDTH = 12, 18

# Thresholds of findings.
# Normalised entropy: of 20 keys, the head spreads over more than 17 (20 to the power of 0.95).
MIN_UNIFORM_ENTROPY = 0.95
# Similarity of two sharp heads that agree in 19 of 20 rows, so that one of them adds little.
MIN_REDUNDANT_SIMILARITY = 0.95
# Weight of keys without content, which is more than that of all others together (a "no-op" head in
# Clark et al. 2019).
MIN_NO_OP_WEIGHT = 0.5


def diagnostics_table(diagnostics: Diagnostics) -> str:
    """Format diagnostics as text, without a newline at the end.

    The text has a block for each kind of attention, coverage, correlations with length and loss,
    and findings.
    """
    d = diagnostics
    left_out = f" ({d.left_out:,} blank or too long left out)" if d.left_out else ""
    lines = [
        f"attention in {d.sentences:,} pairs of source and reference{left_out}",
        "mean of the heads (lowest - highest head); entropy is normalised: 0 one key, 1 uniform",
    ]
    for kind, statistics in d.kinds.items():
        lines += ["", *_kind(kind, statistics)]
    if "cross" in d.kinds:
        lines += ["", *_coverage(d.kinds["cross"])]
    lines += ["", *_correlations(d)]
    if sentences := findings(d):
        lines += ["", "findings"]
        for sentence in sentences:
            lines += textwrap.wrap(f"- {sentence}", TEXT_WIDTH, subsequent_indent="  ")
    return "\n".join(lines)


def findings(diagnostics: Diagnostics) -> list[str]:
    """Return a sentence for each layer, head or pair of heads that exceeds a threshold above."""
    sentences = []
    for kind, statistics in diagnostics.kinds.items():
        heads = diagnostics.heads[kind]
        rules = {
            "close to uniform": ("evenness", MIN_UNIFORM_ENTROPY, "normalised entropy"),
            f"mostly on {SPECIAL_KEYS[kind]}": ("special", MIN_NO_OP_WEIGHT, "of the weight"),
            "mostly on punctuation": ("punctuation", MIN_NO_OP_WEIGHT, "of the weight"),
        }
        for layer in range(len(statistics["evenness"].layer.mean)):
            place = f"{kind} layer {layer + 1}"
            for property_, (name, threshold, unit) in rules.items():
                means = statistics[name].heads.mean[layer]
                exceeding = np.flatnonzero(means >= threshold)
                if not len(exceeding):
                    continue
                lowest, highest = f"{means[exceeding].min():.2f}", f"{means[exceeding].max():.2f}"
                value = lowest if lowest == highest else f"{lowest} to {highest}"
                verb = "are" if len(exceeding) > 1 else "is"
                subject = f"{place}: {_head_list(exceeding)} {verb}"
                if len(exceeding) == heads:
                    subject = f"{place} is"
                sentences.append(f"{subject} {property_} ({value} {unit})")
            if SIMILARITY in statistics:
                sentences += _redundancy(place, statistics[SIMILARITY].heads.mean[layer], heads)
    return sentences


def diagnostics_dict(diagnostics: Diagnostics) -> dict[str, Any]:
    """Convert diagnostics to JSON types (docs/diagnostics.md); undefined values are null."""
    d = diagnostics
    kinds: dict[str, Any] = {}
    for kind, statistics in d.kinds.items():
        kinds[kind] = {
            "layers": len(statistics["evenness"].layer.mean),
            "heads": d.heads[kind],
            "special": SPECIAL_KEYS[kind],
            "pairs": [list(pair) for pair in head_pairs(d.heads[kind])],
            "figures": {name: _statistic_dict(summary) for name, summary in statistics.items()},
        }
    counts = ("sentences", "short", "long", "threshold", "unit")
    names = (*counts, "loss", "rho_loss_length", "left_out")
    values = {name: _json(getattr(d, name)) for name in names}
    return values | {"kinds": kinds, "findings": findings(d)}


def _kind(kind: str, statistics: dict[str, StatisticSummary]) -> list[str]:
    """Format the statistics that every kind has, by layer."""
    titles = {
        "entropy": "evenness",
        "distance": "distance",
        SPECIAL_KEYS[kind]: "special",
        "punctuation": "punctuation",
        "similarity": SIMILARITY,
    }
    columns = {title: statistics[name] for title, name in titles.items() if name in statistics}
    lines = [_line(kind, columns)]
    for layer in range(len(statistics["evenness"].layer.mean)):
        cells = [_range_over_heads(summary, layer) for summary in columns.values()]
        lines.append(_line(f"  {layer + 1}", cells))
    uniform = [column.uniform for column in columns.values()]
    cells = ["" if value is None else f"{value:.2f}" for value in uniform]
    return [*lines, _line("  uniform", cells)]


def _range_over_heads(summary: StatisticSummary, layer: int) -> str:
    """Format the mean over heads (or pairs), and the range if there are several."""
    values = summary.heads.mean[layer]
    form = ".2f" if values.max() < 9.995 else ".1f"  # so that distances fit into the column
    mean, lowest, highest = (f"{v:{form}}" for v in (values.mean(), values.min(), values.max()))
    return f"{mean} ({lowest}-{highest})" if len(values) > 1 else mean


def _coverage(statistics: dict[str, StatisticSummary]) -> list[str]:
    """Format the coverage of the mean of the heads of a layer, which share the source pieces."""
    columns = {
        "mean": "coverage",
        "deviation": "coverage_sd",
        f"under {UNDER_COVERAGE:g}": "under",
        f"over {OVER_COVERAGE:g}": "over",
    }
    lines = [
        "coverage: total weight of a source piece, heads averaged; share of pieces under and over",
        _line("cross", columns),
    ]
    for layer in range(len(statistics["evenness"].layer.mean)):
        cells = []
        for name in columns.values():
            summary = statistics[name].mean_map
            assert summary is not None  # it is None for similarity only
            format_value = _percent if name in ("under", "over") else _number
            cells.append(format_value(summary.mean[layer]))
        lines.append(_line(f"  {layer + 1}", cells))
    return lines


def _correlations(d: Diagnostics) -> list[str]:
    """Format the normalised entropy by layer: short and long sentences, and rank correlations."""
    short, long = f"short 1-{d.threshold}", f"long {d.threshold + 1}+"
    noise = 1.96 / np.sqrt(max(1, d.sentences - 1))  # 95 % bound of rho without a correlation
    lines = [
        f"normalised entropy in {d.short:,} short, {d.long:,} long sentences (source {d.unit})",
        f"{'':{LABEL_WIDTH}}{'':26}rank correlation with",
        f"{'':{LABEL_WIDTH}}{short:13}{long:13}length    loss      loss given length",
    ]
    for kind, statistics in d.kinds.items():
        summary = statistics["evenness"].layer
        for layer in range(len(summary.mean)):
            cells = f"{_number(summary.short[layer]):13}{_number(summary.long[layer]):13}"
            rhos = (summary.rho_length, summary.rho_loss, summary.rho_loss_given_length)
            cells += "".join(f"{_number(rho[layer], '+.2f'):10}" for rho in rhos)
            lines.append(f"{f'{kind} {layer + 1}':{LABEL_WIDTH}}{cells}".rstrip())
    loss_length = _number(d.rho_loss_length, "+.2f")
    note = f"correlations within {noise:.2f} of 0 may be chance; loss and length: {loss_length}"
    return [*lines, note]


def _redundancy(place: str, values: np.ndarray, heads: int) -> list[str]:
    """Return the findings about similarities [P] of the heads of a layer."""
    redundant = values >= MIN_REDUNDANT_SIMILARITY
    if heads > 2 and redundant.all():
        return [f"{place}: all heads are nearly identical (similarity {values.min():.2f} or more)"]
    return [
        f"{place}: {_head_list(pair)} are nearly identical (similarity {value:.2f})"
        for pair, value, found in zip(head_pairs(heads), values, redundant, strict=True)
        if found
    ]


def _head_list(indices: Any) -> str:
    """Format indices from 0 as "head 2" or "heads 1, 2 and 4"."""
    names = [str(index + 1) for index in indices]
    if len(names) == 1:
        return f"head {names[0]}"
    return f"heads {', '.join(names[:-1])} and {names[-1]}"


def _line(label: str, cells: Any) -> str:
    return f"{label:{LABEL_WIDTH}}{''.join(f'{cell:{COLUMN_WIDTH}}' for cell in cells)}".rstrip()


def _number(value: float, form: str = ".2f") -> str:
    return "-" if np.isnan(value) else f"{value:{form}}"


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.0f} %"


def _statistic_dict(statistic: StatisticSummary) -> dict[str, Any]:
    parts = {"heads": statistic.heads, "layer": statistic.layer, "mean_map": statistic.mean_map}
    result = {name: _summary_dict(part) for name, part in parts.items() if part}
    return result | ({} if statistic.uniform is None else {"even": _json(statistic.uniform)})


def _summary_dict(summary: Summary) -> dict[str, Any]:
    return {field.name: _json(getattr(summary, field.name)) for field in fields(summary)}


def _json(value: Any) -> Any:
    """Convert arrays to lists, NaN to null, and floats to six significant digits."""
    if isinstance(value, np.ndarray):
        return [_json(item) for item in value.tolist()] if value.ndim else _json(value.item())
    if isinstance(value, list):
        return [_json(item) for item in value]
    if isinstance(value, float):
        return None if np.isnan(value) else float(f"{value:.6g}")
    return value
