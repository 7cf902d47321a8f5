"""A figure apart from how it is drawn: inline in the page, or by matplotlib."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

# Okabe and Ito's colours, which people of every colour vision tell apart; the baseline is neutral.
# Dashes and markers say the same again.
COLOURS = ("#1d2530", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES = ("", "7 4", "2 3", "10 3 2 3", "14 4", "5 2", "1 4")  # lengths of line and gap
MARKERS = ("circle", "square", "triangle", "diamond", "down", "cross", "plus")


def colour(style: int) -> int:
    """Which of the colours: they come again after seven."""
    return style % len(COLOURS)


def dash(style: int) -> str:
    """Another one when the colour comes again; none that is beside it in a list is the same."""
    return DASHES[(style + style // len(COLOURS)) % len(DASHES)]


def marker(style: int) -> str:
    return MARKERS[(style + 2 * (style // len(COLOURS))) % len(MARKERS)]


@dataclass(frozen=True)
class Point:
    """A value, its interval if it has one, and what is said of it when it is pointed at."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    text: str = ""
    faint: bool = False


@dataclass(frozen=True)
class Line:
    name: str
    style: int  # which colour, dash and marker: the same for a system in every figure
    points: Sequence[Point]
    caveat: str = ""  # said beside the name


@dataclass(frozen=True)
class Chart:
    """Lines over a scale or, with `categories`, over so many places from 0. `markers`: "all" points, or "last" ones only."""

    name: str  # of its files
    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    categories: Sequence[str] = ()
    under: Sequence[str] = ()  # how many there are in each category
    faint: frozenset[int] = frozenset()  # categories that mean little
    markers: str = "all"

    @property
    def legend(self) -> list[Line]:
        """One line for each name."""
        return list({line.name: line for line in reversed(self.lines)}.values())[::-1]

    def y_ticks(self) -> list[float]:
        values = [
            v
            for line in self.lines
            for p in line.points
            for v in (p.y, p.low, p.high)
            if v is not None
        ]
        return ticks(min(values), max(values))

    def x_ticks(self) -> list[float]:
        """Of a scale, which begins with 0."""
        return ticks(0.0, max(point.x for line in self.lines for point in line.points))


@dataclass(frozen=True)
class Bar:
    """An effect with its interval."""

    group: str
    label: str
    point: Point  # x is the effect
    style: int


@dataclass(frozen=True)
class Forest:
    """Effects one under the other, on a scale that has 0 in it."""

    name: str
    title: str
    x_label: str
    bars: Sequence[Bar]

    def x_ticks(self) -> list[float]:
        values = [
            v
            for bar in self.bars
            for v in (bar.point.x, bar.point.low, bar.point.high)
            if v is not None
        ]
        return ticks(min(0.0, *values), max(0.0, *values))


Figure = Chart | Forest


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers, evenly apart, the first at or below `low` and the last at or above `high`. From 0 where that costs little room."""
    if 0 < low < 0.5 * high:
        low = 0.0
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    least = (high - low) / most
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= least * 0.999)
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    return [round(number * step, 10) for number in range(first, last + 1)]


def tick_text(values: Sequence[float]) -> list[str]:
    """All with as many decimals as their distance needs; large ones with their unit."""
    if max(map(abs, values)) >= 10_000:
        unit, name = (1e6, " M") if max(map(abs, values)) >= 1e6 else (1e3, " k")
        return [
            text + (name if value else "")
            for value, text in zip(
                values, tick_text([value / unit for value in values]), strict=True
            )
        ]
    step = min(b - a for a, b in pairwise(values))
    digits = next((digits for digits in range(6) if abs(round(step, digits) - step) < 1e-9), 6)
    return [f"{value:,.{digits}f}" for value in values]
