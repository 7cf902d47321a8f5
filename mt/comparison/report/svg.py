"""Figures as SVG that stands in the page, whose style sheet gives the colours (classes s0, s1, ...). Needs nothing installed.

A line carries its points as data, [x, y, text], which charts.js shows when one is pointed at.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from mt.comparison.report.chart import (
    Bar,
    Chart,
    Figure,
    Forest,
    Line,
    colour,
    dash,
    marker,
    tick_text,
)

_Scale = Callable[[float], float]


@dataclass(frozen=True)
class Size:
    """Of a drawing, in units of about a CSS pixel."""

    name: str
    width: int
    height: int
    left: int


WIDE = Size("wide", 760, 350, 56)
NARROW = Size("narrow", 348, 290, 40)
TOP, RIGHT, BOTTOM = 12, 22, 62
ROW, HEAD = 23, 27  # of a forest: heights of an effect and of a name


def inline(figure: Figure) -> str:
    """The figure twice, for wide and for narrow screens; the style sheet shows one. The numbers belong in a table beside it."""
    return "".join(
        forest(figure, size) if isinstance(figure, Forest) else lines(figure, size)
        for size in (WIDE, NARROW)
    )


def swatch(style: int) -> str:
    """A piece of line with its marker, for a legend."""
    return (
        f'<svg class="swatch s{colour(style)}" viewBox="0 0 34 14" width="34" height="14" aria-hidden="true">'
        f'<path class="stroke" d="M1 7H33"{_dash(style)}/>{_marker(style, 17, 7, 3.6, "dot")}</svg>'
    )


def lines(chart: Chart, size: Size) -> str:
    """Lines with bands over categories or a scale from 0."""
    y_ticks = chart.y_ticks()
    x_ticks = [] if chart.categories else chart.x_ticks()
    count = len(chart.categories)
    height = size.height - (0 if chart.under else 16)
    bottom, right = height - (BOTTOM if chart.under else BOTTOM - 16), size.width - RIGHT

    def at_x(x: float) -> float:
        share = (x + 0.5) / count if count else x / x_ticks[-1]
        return size.left + share * (right - size.left)

    def at_y(y: float) -> float:
        return bottom - (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (bottom - TOP)

    parts = []
    for at in sorted(chart.faint):
        left = at_x(at - 0.5)
        parts.append(
            f'<rect class="few" x="{left:.1f}" y="{TOP}" width="{at_x(at + 0.5) - left:.1f}" height="{bottom - TOP}"/>'
        )
    for value, text in zip(y_ticks, tick_text(y_ticks), strict=True):
        y = at_y(value)
        parts.append(
            f'<path class="grid" d="M{size.left} {y:.1f}H{right}"/>'
            + _text(size.left - 7, y + 4, text, "end")
        )
    if count:
        for at, text in enumerate(chart.categories):
            parts.append(
                _text(
                    at_x(at), bottom + 17, text, "middle", " few-text" if at in chart.faint else ""
                )
            )
            if chart.under:
                parts.append(_text(at_x(at), bottom + 32, chart.under[at], "middle", " under"))
    else:
        texts = tick_text(x_ticks)
        step = 1 if size is WIDE or len(texts) < 7 else 2
        parts += [
            _text(at_x(value), bottom + 17, text, "middle")
            for value, text in list(zip(x_ticks, texts, strict=True))[::step]
        ]
    label = chart.x_label if size is WIDE else chart.x_label.split(";")[0]
    parts.append(_text((size.left + right) / 2, height - 8, label, "middle", " axis"))
    for line in chart.lines:
        parts.append(_band(line, at_x, at_y))
    for line in chart.lines:
        parts.append(_line(line, chart, at_x, at_y))
    return _svg(size.name, size.width, height, chart.title, parts)


def forest(figure: Forest, size: Size) -> str:
    """Names with their effects below, each a mark on its interval; the line of no difference goes through all."""
    values = figure.x_ticks()
    left, right = (150, size.width - 60) if size is WIDE else (92, size.width - 44)
    names = list(dict.fromkeys(bar.group for bar in figure.bars))
    height = TOP + len(names) * HEAD + len(figure.bars) * ROW + 48

    def at_x(x: float) -> float:
        return left + (x - values[0]) / (values[-1] - values[0]) * (right - left)

    bottom, y, parts = height - 44, float(TOP), []
    texts = tick_text(values)
    for number, (value, text) in enumerate(zip(values, texts, strict=True)):
        zero = " zero" if value == 0 else ""
        parts.append(f'<path class="grid{zero}" d="M{at_x(value):.1f} {TOP}V{bottom}"/>')
        if size is WIDE or len(texts) < 7 or number % 2 == 0:
            parts.append(_text(at_x(value), bottom + 17, text.replace("-", "\u2212"), "middle"))
    for name in names:
        y += HEAD
        parts.append(_text(4, y - 8, name, "start", " name"))
        for bar in (bar for bar in figure.bars if bar.group == name):
            y += ROW
            parts.append(_bar(bar, at_x, y - ROW / 2, left, right))
    parts.append(_text((left + right) / 2, height - 6, figure.x_label, "middle", " axis"))
    return _svg(size.name, size.width, height, figure.title, parts)


def _bar(bar: Bar, at_x: _Scale, y: float, left: float, right: float) -> str:
    point = bar.point
    low, high = (at_x(point.x if end is None else end) for end in (point.low, point.high))
    x, faint = at_x(point.x), " faint" if point.faint else ""
    mark = f'<path class="stroke" d="M{low:.1f} {y}H{high:.1f}M{low:.1f} {y - 4}v8M{high:.1f} {y - 4}v8"/>'
    mark += _marker(bar.style, x, y, 4.6, "dot")
    texts = _text(left - 12, y + 4, bar.label, "end") + _text(
        right + 8, y + 4, f"{point.x:+.1f}".replace("-", "\u2212"), "start", " value"
    )
    return f'<g class="line s{colour(bar.style)}{faint}" {_data([(x, y, point.text)])}>{mark}</g>{texts}'


def _band(line: Line, at_x: _Scale, at_y: _Scale) -> str:
    known = [point for point in line.points if point.low is not None and point.high is not None]
    if len(known) < 2:
        return ""
    top = [(at_x(point.x), at_y(point.high or 0.0)) for point in known]
    below = [(at_x(point.x), at_y(point.low or 0.0)) for point in reversed(known)]
    return f'<path class="band s{colour(line.style)}" d="{_path(top + below)}Z"/>'


def _line(line: Line, chart: Chart, at_x: _Scale, at_y: _Scale) -> str:
    at = [(at_x(point.x), at_y(point.y)) for point in line.points]
    marked = range(len(at)) if chart.markers == "all" else [len(at) - 1]
    marks = "".join(
        _marker(line.style, *at[i], 4.2, "dot" + (" faint" if line.points[i].faint else ""))
        for i in marked
    )
    data = _data([(x, y, point.text) for (x, y), point in zip(at, line.points, strict=True)])
    thin = "" if chart.markers == "all" else " thin"
    return (
        f'<g class="line s{colour(line.style)}{thin}" data-name="{escape(line.name)}" {data}>'
        f'<path class="stroke" d="{_path(at)}"{_dash(line.style)}/>{marks}</g>'
    )


def _marker(style: int, x: float, y: float, r: float, names: str) -> str:
    """In the shape of a style, of about the size of a circle of radius `r`."""
    shape = marker(style)
    if shape == "circle":
        return f'<circle class="{names}" cx="{x:.1f}" cy="{y:.1f}" r="{r}"/>'
    corners = {
        "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        "triangle": [(0, -1.2), (1.15, 0.85), (-1.15, 0.85)],
        "diamond": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
        "down": [(0, 1.2), (1.15, -0.85), (-1.15, -0.85)],
        "cross": [
            *((-1, -0.6), (-0.6, -1), (0, -0.4), (0.6, -1), (1, -0.6), (0.4, 0)),
            *((1, 0.6), (0.6, 1), (0, 0.4), (-0.6, 1), (-1, 0.6), (-0.4, 0)),
        ],
        "plus": [
            *((-0.3, -1.2), (0.3, -1.2), (0.3, -0.3), (1.2, -0.3), (1.2, 0.3), (0.3, 0.3)),
            *((0.3, 1.2), (-0.3, 1.2), (-0.3, 0.3), (-1.2, 0.3), (-1.2, -0.3), (-0.3, -0.3)),
        ],
    }[shape]
    return f'<path class="{names}" d="{_path([(x + r * dx, y + r * dy) for dx, dy in corners])}Z"/>'


def _dash(style: int) -> str:
    pattern = dash(style)
    return f' stroke-dasharray="{pattern}"' if pattern else ""


def _path(at: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in at)


def _data(points: Sequence[tuple[float, float, str]]) -> str:
    """As an attribute that charts.js reads."""
    rounded = [[round(x, 1), round(y, 1), text] for x, y, text in points]
    return f'data-points="{escape(json.dumps(rounded, ensure_ascii=False, separators=(",", ":")))}"'


def _text(x: float, y: float, text: str, anchor: str, names: str = "") -> str:
    return f'<text class="label{names}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(name: str, width: float, height: float, title: str, parts: Iterable[str]) -> str:
    """`role` and label are for those who hear the page; the keys of charts.js need the focus."""
    return (
        f'<svg class="chart {name}" viewBox="0 0 {width} {height}" role="img" tabindex="0" '
        f'aria-label="{escape(title)}; arrow keys read its points">'
        f"{''.join(parts)}</svg>"
    )
