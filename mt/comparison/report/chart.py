"""Descriptions of charts, independent of how they are drawn (`svg.py`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

# The palette of Okabe and Ito, safe for every kind of colour vision; the baseline is neutral.
# Dashes and markers tell systems apart without colour.
COLOURS = ("#1d2530", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES = ("", "7 4", "2 3", "10 3 2 3", "14 4", "5 2", "1 4")  # lengths of dash and gap
MARKERS = ("circle", "square", "triangle", "diamond", "down", "cross", "plus")

TICK_UNITS = ((1e18, " E"), (1e15, " P"), (1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"))


def colour_index(style: int) -> int:
    """Return the index in COLOURS; colours repeat after seven styles."""
    return style % len(COLOURS)


def dash(style: int) -> str:
    """Return a pattern that differs from those of the neighbours and of the same colour."""
    return DASHES[(style + style // len(COLOURS)) % len(DASHES)]


def marker(style: int) -> str:
    """Return the name of a shape; like `dash`, it changes when the colours repeat."""
    return MARKERS[(style + 2 * (style // len(COLOURS))) % len(MARKERS)]


@dataclass(frozen=True)
class Point:
    """A point of a line, with its confidence interval if it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    text: str = ""  # tooltip
    small: bool = False  # too few cases to mean much


@dataclass(frozen=True)
class Line:
    """The values of one system or of one run."""

    name: str
    style: int  # colour, dash and marker: the same for a system in every chart
    points: Sequence[Point]
    flags: str = ""  # shown beside the name


@dataclass(frozen=True)
class LineChart:
    """Lines over a numeric axis from 0 or, with `categories`, over positions 0, 1, 2, ..."""

    name: str  # of its files
    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    categories: Sequence[str] = ()
    counts: Sequence[str] = ()  # number of cases in each category
    small: frozenset[int] = frozenset()  # categories with too few cases to mean much
    markers: str = "all"  # points with a marker: "all" or "last"
    # Points that no other is better than, in the order of x: the steps through them are drawn.
    front: Sequence[Point] = ()

    @property
    def legend(self) -> list[Line]:
        """The first line of each name."""
        return list({line.name: line for line in reversed(self.lines)}.values())[::-1]

    def y_ticks(self) -> list[float]:
        points = [point for line in self.lines for point in line.points]
        return _ticks_for(value for p in points for value in (p.y, p.low, p.high))

    def x_ticks(self) -> list[float]:
        """Return ticks from 0 to at least the greatest x."""
        return ticks(0.0, max(point.x for line in self.lines for point in line.points))


@dataclass(frozen=True)
class Effect:
    """A difference from the baseline with its confidence interval."""

    system: str
    label: str  # of the sentences
    value: float
    low: float
    high: float
    style: int
    text: str = ""  # tooltip
    small: bool = False  # too few sentences to mean much


@dataclass(frozen=True)
class ForestPlot:
    """Effects one below the other, grouped by system, on an axis that includes 0."""

    name: str  # of its files
    title: str
    x_label: str
    effects: Sequence[Effect]

    @property
    def systems(self) -> list[str]:
        """Names in the order of the plot."""
        return list(dict.fromkeys(effect.system for effect in self.effects))

    def x_ticks(self) -> list[float]:
        return _ticks_for([0.0, *(v for e in self.effects for v in (e.value, e.low, e.high))])


Chart = LineChart | ForestPlot


def _ticks_for(values: Iterable[float | None]) -> list[float]:
    defined = [value for value in values if value is not None]
    return ticks(min(defined), max(defined))


def ticks(low: float, high: float, max_intervals: int = 6) -> list[float]:
    """Return round numbers at equal distances that enclose `low` and `high`.

    They begin at 0 if that takes less than half of the axis.
    """
    if 0 < low < 0.5 * high:
        low = 0.0
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    min_step = (high - low) / max_intervals
    power = 10.0 ** math.floor(math.log10(min_step))
    factors = (1, 2, 2.5, 5, 10)
    step = next(factor * power for factor in factors if factor * power >= min_step * 0.999)
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    return [round(number * step, 10) for number in range(first, last + 1)]


def tick_labels(values: Sequence[float]) -> list[str]:
    """Format ticks with as many decimals as their distance needs, large ones in k, M, G, T, P."""
    greatest = max(map(abs, values))
    if greatest >= 10_000:
        unit, suffix = next(item for item in TICK_UNITS if greatest >= item[0])
        scaled = tick_labels([value / unit for value in values])
        return [
            text + (suffix if value else "") for value, text in zip(values, scaled, strict=True)
        ]
    step = min(b - a for a, b in pairwise(values))
    digits = next((digits for digits in range(6) if abs(round(step, digits) - step) < 1e-9), 6)
    return [f"{value:,.{digits}f}" for value in values]
