"""Charts as SVG, in the page and as files of their own.

A line carries its points as data, [x, y, text], from which charts.js makes tooltips. Colours come
from style sheets, so that the page can be light or dark: `drawing.css` for everything inside a
chart, and a colour for each of the classes s0, s1, ... A file embeds both.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from mt.comparison.report.chart import (
    COLOURS,
    Chart,
    Effect,
    ForestPlot,
    Line,
    LineChart,
    colour_index,
    dash,
    tick_labels,
)
from mt.comparison.report.markers import marker_svg

Scale = Callable[[float], float]  # from data to drawing

DRAWING_CSS = (Path(__file__).parent / "assets" / "drawing.css").read_text("utf-8")
FILE_COLOURS = {"text": COLOURS[0], "dim": "#5d6875", "line": "#d5dbe2", "paper": "#ffffff"}
FILE_COLOURS |= {"mark": "#eef2f7"}


@dataclass(frozen=True)
class Size:
    """Size of a line chart, in units of about a CSS pixel."""

    name: str
    width: int
    height: int
    left: int  # of the plotting area


WIDE = Size("wide", 760, 350, 56)
NARROW = Size("narrow", 348, 290, 40)
TOP, RIGHT, BOTTOM = 12, 22, 62  # margins of the plotting area
Y_LABEL = 20  # height of the label of the y axis, above the plotting area
EFFECT_HEIGHT, SYSTEM_HEIGHT = 23, 27  # rows of a forest plot
TITLE_HEIGHT, LEGEND_HEIGHT, LEGEND_CHARACTER = 36, 24, 7.8  # of a file


def page_svg(chart: Chart) -> str:
    """Return the chart for wide and for narrow screens; the style sheet shows one of them."""
    parts = []
    for size in (WIDE, NARROW):
        height, content = _draw(chart, size)
        parts.append(
            f'<svg class="chart {size.name}" viewBox="0 0 {size.width} {height}" role="img" '
            f'tabindex="0" aria-label="{escape(chart.title)}; arrow keys read its points">'
            f"{content}</svg>"
        )
    return "".join(parts)


def svg_file(chart: Chart) -> str:
    """Return the chart with its title and legend as an SVG file, in light colours."""
    drawing_height, content = _draw(chart, WIDE)
    legend_height, legend = _legend(chart) if isinstance(chart, LineChart) else (0, "")
    height = TITLE_HEIGHT + drawing_height + legend_height
    style = DRAWING_CSS + style_colours()
    for name, value in FILE_COLOURS.items():
        style = style.replace(f"var(--{name})", value)
    size = f'viewBox="0 0 {WIDE.width} {height}" width="{WIDE.width}" height="{height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" {size}>\n<style>\n{style}'
        "text { font-family: sans-serif; }\n</style>\n"
        f'<rect width="100%" height="100%" fill="{FILE_COLOURS["paper"]}"/>'
        f"{_text(8, 22, chart.title, 'start', ' title')}"
        f'<g transform="translate(0 {TITLE_HEIGHT})">{content}</g>'
        f'<g transform="translate(8 {TITLE_HEIGHT + drawing_height})">{legend}</g></svg>\n'
    )


def style_colours() -> str:
    """Return the CSS rules that give each style its colour; the neutral one follows the text."""
    colours = ["var(--text)", *COLOURS[1:]]
    return "".join(f".s{i} {{ color: {colour}; }}\n" for i, colour in enumerate(colours))


def legend_key(style: int) -> str:
    """Return a piece of line with its marker."""
    return (
        f'<svg class="swatch s{colour_index(style)}" viewBox="0 0 34 14" width="34" height="14" '
        f'aria-hidden="true">{_key(style)}</svg>'
    )


def _draw(chart: Chart, size: Size) -> tuple[int, str]:
    """Return the height and the content of a chart."""
    if isinstance(chart, ForestPlot):
        return _draw_forest(chart, size)
    return _draw_lines(chart, size)


def _draw_lines(chart: LineChart, size: Size) -> tuple[int, str]:
    y_ticks = chart.y_ticks()
    x_ticks = [] if chart.categories else chart.x_ticks()
    top, height = TOP + Y_LABEL, size.height + Y_LABEL - (0 if chart.counts else 16)
    bottom, right = height - (BOTTOM if chart.counts else BOTTOM - 16), size.width - RIGHT
    number = len(chart.categories)

    def x_scale(x: float) -> float:
        share = (x + 0.5) / number if number else x / x_ticks[-1]
        return size.left + share * (right - size.left)

    def y_scale(y: float) -> float:
        return bottom - (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (bottom - top)

    parts = [_text(8, 18, chart.y_label, "start", " axis")]
    for position in sorted(chart.small):
        left, width = x_scale(position - 0.5), x_scale(position + 0.5) - x_scale(position - 0.5)
        parts.append(
            f'<rect class="small" x="{left:.1f}" y="{top}" width="{width:.1f}" '
            f'height="{bottom - top}"/>'
        )
    for value, label in zip(y_ticks, tick_labels(y_ticks), strict=True):
        y = y_scale(value)
        parts.append(f'<path class="grid" d="M{size.left} {y:.1f}H{right}"/>')
        parts.append(_text(size.left - 7, y + 4, label, "end"))
    for position, label in enumerate(chart.categories):
        x, small = x_scale(position), " small" if position in chart.small else ""
        parts.append(_text(x, bottom + 17, label, "middle", small))
        if chart.counts:
            parts.append(_text(x, bottom + 32, chart.counts[position], "middle", " cases"))
    if x_ticks:
        labels = list(zip(x_ticks, tick_labels(x_ticks), strict=True))
        step = 1 if size is WIDE or len(labels) < 7 else 2
        parts += [_text(x_scale(x), bottom + 17, label, "middle") for x, label in labels[::step]]
    x_label = chart.x_label if size is WIDE else chart.x_label.split(";")[0]
    parts.append(_text((size.left + right) / 2, height - 8, x_label, "middle", " axis"))
    if chart.front:
        first, *others = chart.front
        steps = "".join(f"H{x_scale(p.x):.1f}V{y_scale(p.y):.1f}" for p in others)
        start = f"M{x_scale(first.x):.1f} {y_scale(first.y):.1f}"
        parts.append(f'<path class="front" d="{start}{steps}H{right}"/>')
    parts += [_band(line, x_scale, y_scale) for line in chart.lines]
    parts += [_line(line, chart.markers, x_scale, y_scale) for line in chart.lines]
    return height, "".join(parts)


def _draw_forest(plot: ForestPlot, size: Size) -> tuple[int, str]:
    values = plot.x_ticks()
    left, right = (150, size.width - 60) if size is WIDE else (92, size.width - 44)
    rows = len(plot.systems) * SYSTEM_HEIGHT + len(plot.effects) * EFFECT_HEIGHT
    height, bottom, y, parts = TOP + rows + 48, TOP + rows + 4, float(TOP), []

    def x_scale(x: float) -> float:
        return left + (x - values[0]) / (values[-1] - values[0]) * (right - left)

    for number, (value, label) in enumerate(zip(values, tick_labels(values), strict=True)):
        zero = " zero" if value == 0 else ""
        parts.append(f'<path class="grid{zero}" d="M{x_scale(value):.1f} {TOP}V{bottom}"/>')
        if size is WIDE or len(values) < 7 or number % 2 == 0:
            parts.append(_text(x_scale(value), bottom + 17, _minus(label), "middle"))
    for system in plot.systems:
        y += SYSTEM_HEIGHT
        parts.append(_text(8, y - 8, system, "start", " name"))
        for effect in (effect for effect in plot.effects if effect.system == system):
            y += EFFECT_HEIGHT
            parts.append(_effect(effect, x_scale, y - EFFECT_HEIGHT / 2, left, right))
    parts.append(_text((left + right) / 2, height - 6, plot.x_label, "middle", " axis"))
    return height, "".join(parts)


def _effect(effect: Effect, x_scale: Scale, y: float, left: float, right: float) -> str:
    low, x, high = map(x_scale, (effect.low, effect.value, effect.high))
    small = " small" if effect.small else ""
    whiskers = f"M{low:.1f} {y}H{high:.1f}M{low:.1f} {y - 4}v8M{high:.1f} {y - 4}v8"
    return (
        f'<g class="line s{colour_index(effect.style)}{small}" {_data([(x, y, effect.text)])}>'
        f'<path class="stroke" d="{whiskers}"/>{marker_svg(effect.style, x, y, 4.6, "dot")}</g>'
        + _text(left - 12, y + 4, effect.label, "end")
        + _text(right + 8, y + 4, _minus(f"{effect.value:+.1f}"), "start", " value")
    )


def _band(line: Line, x_scale: Scale, y_scale: Scale) -> str:
    intervals = [
        (x_scale(point.x), y_scale(point.low), y_scale(point.high))
        for point in line.points
        if point.low is not None and point.high is not None
    ]
    if len(intervals) == 1 == len(line.points):  # a point of a scatter plot
        x, low, high = intervals[0]
        whiskers = f"M{x:.1f} {low:.1f}V{high:.1f}M{x - 4:.1f} {low:.1f}h8M{x - 4:.1f} {high:.1f}h8"
        return f'<path class="stroke s{colour_index(line.style)}" d="{whiskers}"/>'
    if len(intervals) < 2:
        return ""
    upper = [(x, high) for x, _, high in intervals]
    lower = [(x, low) for x, low, _ in reversed(intervals)]
    return f'<path class="band s{colour_index(line.style)}" d="{_path(upper + lower)}Z"/>'


def _line(line: Line, markers: str, x_scale: Scale, y_scale: Scale) -> str:
    places = [(x_scale(point.x), y_scale(point.y)) for point in line.points]
    shown = list(zip(line.points, places, strict=True))
    dots = "".join(
        marker_svg(line.style, x, y, 4.2, "dot small" if point.small else "dot")
        for point, (x, y) in (shown if markers == "all" else shown[-1:])
    )
    thin = "" if markers == "all" else " thin"
    return (
        f'<g class="line s{colour_index(line.style)}{thin}" data-name="{escape(line.name)}" '
        f"{_data([(x, y, point.text) for point, (x, y) in shown])}>"
        f'<path class="stroke" d="{_path(places)}"{_dash(line.style)}/>{dots}</g>'
    )


def _legend(chart: LineChart) -> tuple[int, str]:
    """Return the height and the content of a legend in rows as wide as a file."""
    parts, x, y = [], 0.0, 0
    for line in chart.legend:
        text = line.name + (f" ({line.flags})" if line.flags else "")
        wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
        width = 42 + LEGEND_CHARACTER * (len(text) + wide)
        if x and x + width > WIDE.width - 16:
            x, y = 0.0, y + LEGEND_HEIGHT
        key = f'<g class="s{colour_index(line.style)}" transform="translate({x:.1f} {y})">'
        parts.append(f"{key}{_key(line.style)}</g>{_text(x + 42, y + 11, text, 'start', ' value')}")
        x += width + 18
    return y + LEGEND_HEIGHT, "".join(parts)


def _key(style: int) -> str:
    line = f'<path class="stroke" d="M1 7H33"{_dash(style)}/>'
    return line + marker_svg(style, 17, 7, 3.6, "dot")


def _dash(style: int) -> str:
    return f' stroke-dasharray="{dash(style)}"' if dash(style) else ""


def _path(places: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)


def _data(points: Sequence[tuple[float, float, str]]) -> str:
    """Return the attribute that charts.js reads."""
    rounded = [[round(x, 1), round(y, 1), text] for x, y, text in points]
    return f'data-points="{escape(json.dumps(rounded, ensure_ascii=False, separators=(",", ":")))}"'


def _text(x: float, y: float, text: str, anchor: str, classes: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="label{classes}" {place}>{escape(text)}</text>'


def _minus(number: str) -> str:
    return number.replace("-", "\u2212")
