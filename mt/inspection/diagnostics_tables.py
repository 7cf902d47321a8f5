"""Diagnostics of attention as plain text, as findings in words, and as JSON. Layers and heads count from 1 in text, from 0 in JSON."""

from __future__ import annotations

import textwrap
from dataclasses import fields
from typing import Any

import numpy as np

from mt.evaluation.tables import TEXT_WIDTH
from mt.inspection.diagnostics import (
    OVER,
    SPECIAL,
    UNDER,
    Diagnostics,
    FigureSummary,
    Summary,
    head_pairs,
)

LABEL, COLUMN = 12, 18  # widths
EVEN = 0.95  # evenness: of 20 keys, the head spreads over more than 17 (20 to the power of 0.95)
# Similarity: as of two sharp heads that agree on 19 of 20 rows. A head that is a copy in 19 rows
# adds next to nothing.
ALIKE = 0.95
PARKED = 0.5  # of a head's attention: more on a key that says nothing than on all others together (Clark et al. 2019: "no-op")


def diagnostics_table(diagnostics: Diagnostics) -> str:
    """A block for each kind of attention, coverage, relations to length and loss, and findings; ends without a newline."""
    d = diagnostics
    left_out = f" ({d.left_out:,} blank or too long left out)" if d.left_out else ""
    lines = [
        f"attention in {d.sentences:,} pairs of source and reference{left_out}",
        "mean of the heads (lowest - highest head); even: a head that looks at all it may look at alike",
    ]
    for kind in d.kinds:
        lines += ["", *_kind(kind, d.kinds[kind])]
    if "cross" in d.kinds:
        lines += ["", *_coverage(d.kinds["cross"])]
    lines += ["", *_relations(d)]
    if found := findings(d):
        lines += ["", "what stands out"]
        for each in found:
            lines += textwrap.wrap(f"- {each}", TEXT_WIDTH, subsequent_indent="  ")
    return "\n".join(lines)


def findings(diagnostics: Diagnostics) -> list[str]:
    """What passes the thresholds above, in words."""
    found = []
    for kind, figures in diagnostics.kinds.items():
        heads = diagnostics.heads[kind]
        flags = {
            "close to uniform": (figures["evenness"], EVEN, "evenness"),
            f"parked on {SPECIAL[kind]}": (figures["special"], PARKED, "of the attention"),
            "parked on punctuation": (figures["punctuation"], PARKED, "of the attention"),
        }
        for layer in range(len(figures["evenness"].layer.mean)):
            place = f"{kind} layer {layer + 1}"
            for what, (figure, limit, unit) in flags.items():
                means = figure.heads.mean[layer]
                passed = np.flatnonzero(means >= limit)
                if not len(passed):
                    continue
                lowest, highest = f"{means[passed].min():.2f}", f"{means[passed].max():.2f}"
                value = lowest if lowest == highest else f"{lowest} to {highest}"
                subject = (
                    f"{place} is"
                    if len(passed) == heads
                    else f"{place}: {_heads(passed)} {'are' if len(passed) > 1 else 'is'}"
                )
                found.append(f"{subject} {what} ({value} {unit})")
            if "alike" in figures:
                found += _alike(place, figures["alike"].heads.mean[layer], heads)
    return found


def diagnostics_dict(diagnostics: Diagnostics) -> dict[str, Any]:
    """Everything as JSON types, as docs/diagnostics.md lists it; what is not defined is null."""
    d = diagnostics
    plain = (
        "sentences",
        "short",
        "long",
        "threshold",
        "unit",
        "loss",
        "rho_loss_length",
        "left_out",
    )
    kinds: dict[str, Any] = {}
    for kind, figures in d.kinds.items():
        kinds[kind] = {
            "layers": len(figures["evenness"].layer.mean),
            "heads": d.heads[kind],
            "special": SPECIAL[kind],
            "pairs": [list(pair) for pair in head_pairs(d.heads[kind])],
            "figures": {name: _figure_dict(figure) for name, figure in figures.items()},
        }
    return {name: _json(getattr(d, name)) for name in plain} | {
        "kinds": kinds,
        "findings": findings(d),
    }


def _kind(kind: str, figures: dict[str, FigureSummary]) -> list[str]:
    """Layer by layer, the figures that every kind has."""
    titles = {
        "evenness": "evenness",
        "distance": "distance",
        "special": SPECIAL[kind],
        "punctuation": "punctuation",
        "alike": "alike",
    }
    shown = {title: figures[name] for name, title in titles.items() if name in figures}
    lines = [f"{kind:{LABEL}}" + "".join(f"{title:{COLUMN}}" for title in shown)]
    for layer in range(len(figures["evenness"].layer.mean)):
        lines.append(
            f"  {layer + 1:<{LABEL - 2}}"
            + "".join(f"{_spread(figure, layer):{COLUMN}}" for figure in shown.values())
        )
    even = "".join(
        f"{'' if figure.even is None else f'{figure.even:.2f}':{COLUMN}}"
        for figure in shown.values()
    )
    return [line.rstrip() for line in [*lines, f"{'  even':{LABEL}}{even}"]]


def _spread(figure: FigureSummary, layer: int) -> str:
    """The mean over heads (pairs), and the range where there are several."""
    values = figure.heads.mean[layer]
    form = (
        ".2f" if values.max() < 9.995 else ".1f"
    )  # distances in pieces: all three in the width of a column
    return f"{values.mean():{form}}" + (
        f" ({values.min():{form}}-{values.max():{form}})" if len(values) > 1 else ""
    )


def _coverage(figures: dict[str, FigureSummary]) -> list[str]:
    """Of the mean of a layer's heads: of single heads, which share the work, it says little."""
    columns = {
        "mean": "coverage",
        "deviation": "coverage_sd",
        f"under {UNDER:g}": "under",
        f"over {OVER:g}": "over",
    }
    lines = [
        "coverage: attention that a source piece gets from all steps, heads averaged; share of pieces under and over",
        f"{'cross':{LABEL}}" + "".join(f"{title:{COLUMN}}" for title in columns),
    ]
    for layer in range(len(figures["evenness"].layer.mean)):
        values = {name: figures[name].mean_map.mean[layer] for name in columns.values()}  # type: ignore[union-attr]  # not similarity
        cells = [
            _percent(value) if name in ("under", "over") else _number(value)
            for name, value in values.items()
        ]
        lines.append(f"  {layer + 1:<{LABEL - 2}}" + "".join(f"{cell:{COLUMN}}" for cell in cells))
    return [line.rstrip() for line in lines]


def _relations(d: Diagnostics) -> list[str]:
    """Evenness by layer: short against long, and its rank correlations."""
    short, long = f"short 1-{d.threshold}", f"long {d.threshold + 1}+"
    noise = 1.96 / np.sqrt(max(1, d.sentences - 1))  # the 95 % bound of rho without a relation
    lines = [
        f"evenness and the sentence: {d.short:,} short, {d.long:,} long ({d.unit} of the source)",
        f"{'':{LABEL}}{'':26}rank correlation with",
        f"{'':{LABEL}}{short:13}{long:13}length    loss      loss at equal length",
    ]
    for kind, figures in d.kinds.items():
        layers = figures["evenness"].layer
        for layer in range(len(layers.mean)):
            cells = f"{_number(layers.short[layer]):13}{_number(layers.long[layer]):13}"
            rhos = (layers.rho_length, layers.rho_loss, layers.rho_loss_given_length)
            cells += "".join(f"{_number(rho[layer], '+.2f'):10}" for rho in rhos)
            lines.append(f"{f'{kind} {layer + 1}':{LABEL}}{cells}".rstrip())
    return [
        *lines,
        f"correlations within {noise:.2f} of 0 may be chance; loss and length: {_number(d.rho_loss_length, '+.2f')}",
    ]


def _alike(place: str, values: np.ndarray, heads: int) -> list[str]:
    """values [P]"""
    if heads > 2 and (values >= ALIKE).all():
        return [f"{place}: all heads are nearly the same ({values.min():.2f} or more)"]
    pairs = zip(head_pairs(heads), values, strict=True)
    return [
        f"{place}: {_heads(pair)} are nearly the same ({value:.2f})"
        for pair, value in pairs
        if value >= ALIKE
    ]


def _heads(indices: Any) -> str:
    """head 2; heads 1, 2 and 4"""
    names = [str(index + 1) for index in indices]
    return (
        f"head {names[0]}" if len(names) == 1 else f"heads {', '.join(names[:-1])} and {names[-1]}"
    )


def _number(value: float, form: str = ".2f") -> str:
    return "-" if np.isnan(value) else f"{value:{form}}"


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.0f} %"


def _figure_dict(figure: FigureSummary) -> dict[str, Any]:
    parts = {"heads": figure.heads, "layer": figure.layer, "mean_map": figure.mean_map}
    return {name: _summary_dict(part) for name, part in parts.items() if part} | (
        {} if figure.even is None else {"even": _json(figure.even)}
    )


def _summary_dict(summary: Summary) -> dict[str, Any]:
    return {field.name: _json(getattr(summary, field.name)) for field in fields(summary)}


def _json(value: Any) -> Any:
    """Arrays as lists; NaN, which JSON has not, as null. Six significant digits are more than is known."""
    if isinstance(value, np.ndarray):
        return [_json(each) for each in value.tolist()] if value.ndim else _json(value.item())
    if isinstance(value, list):
        return [_json(each) for each in value]
    if isinstance(value, float):
        return None if np.isnan(value) else float(f"{value:.6g}")
    return value
