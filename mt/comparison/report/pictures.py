"""The figures as PNG and SVG files, by matplotlib: for papers and for report.md."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from mt.comparison.report.chart import (
    COLOURS,
    Chart,
    Figure,
    Forest,
    Line,
    colour,
    dash,
    marker,
    tick_text,
)
from mt.inspection.picture import PLAIN, settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = ("png", "svg")
SHAPES = {
    "circle": "o",
    "square": "s",
    "triangle": "^",
    "diamond": "D",
    "down": "v",
    "cross": "X",
    "plus": "P",
}
DPI = 150
DIM, LIGHT = "#5d6875", "#d5dbe2"


def pictures(figure: Figure) -> dict[str, bytes]:
    """format -> file. The same figure gives the same bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Drawing

    words = (
        [figure.title, *(line.name for line in figure.lines)]
        if isinstance(figure, Chart)
        else [bar.group for bar in figure.bars]
    )
    made = {}
    with settings(words):
        high = (
            4.0
            if isinstance(figure, Chart)
            else 1.1 + 0.3 * len(figure.bars) + 0.3 * len({bar.group for bar in figure.bars})
        )
        drawing = Drawing(figsize=(7.4, high), dpi=DPI, layout="constrained", facecolor="white")
        FigureCanvasAgg(drawing)
        axes = drawing.add_subplot()
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(LIGHT)
        axes.tick_params(length=0, colors=DIM, labelsize=9)
        axes.set_title(figure.title, loc="left", fontsize=11, weight="bold", pad=12)
        if isinstance(figure, Forest):
            _forest(axes, figure)
        else:
            _chart(axes, figure)
        for form in FORMATS:
            file = io.BytesIO()
            drawing.savefig(file, format=form, metadata={"Date": None} if form == "svg" else {})
            made[form] = file.getvalue()
    font = f"font-family: '{PLAIN}'"
    made["svg"] = made["svg"].replace(font.encode(), f"{font}, sans-serif".encode())
    return made


def _chart(axes: Axes, chart: Chart) -> None:
    for line in chart.lines:
        _line(axes, chart, line)
    if chart.categories:
        for at in chart.faint:
            axes.axvspan(at - 0.5, at + 0.5, color="#eef2f7", zorder=0, linewidth=0)
        counts = [f"\n{text}" for text in chart.under] or [""] * len(chart.categories)
        axes.set_xticks(
            range(len(chart.categories)),
            [name + count for name, count in zip(chart.categories, counts, strict=True)],
        )
        axes.set_xlim(-0.5, len(chart.categories) - 0.5)
    else:
        values = chart.x_ticks()
        axes.set_xticks(values, tick_text(values))
        axes.set_xlim(values[0], values[-1])
    values = chart.y_ticks()
    axes.set_yticks(values, tick_text(values))
    axes.set_ylim(values[0], values[-1])
    axes.grid(axis="y", color=LIGHT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel(chart.x_label, color=DIM, fontsize=9)
    axes.set_ylabel(chart.y_label, color=DIM, fontsize=9)
    handles = {line.name: handle for handle, line in zip(axes.lines, chart.lines, strict=True)}
    labels = [line.name + (f" ({line.caveat})" if line.caveat else "") for line in chart.legend]
    shown = [handles[line.name] for line in chart.legend]
    _legend(axes.figure, shown, labels)


def _legend(drawing: Any, handles: list[Any], labels: list[str]) -> None:
    """Below the chart, in as many columns as fit beside each other."""
    for columns in range(min(4, len(labels)), 0, -1):
        legend = drawing.legend(
            handles,
            labels,
            loc="outside lower left",
            ncols=columns,
            frameon=False,
            fontsize=9,
            handlelength=3.4,
        )
        if columns == 1 or legend.get_window_extent().width <= drawing.bbox.width:
            return
        legend.remove()


def _line(axes: Axes, chart: Chart, line: Line) -> None:
    xs, ys = [point.x for point in line.points], [point.y for point in line.points]
    every = None if chart.markers == "all" else [len(xs) - 1]
    pattern = tuple(0.55 * float(length) for length in dash(line.style).split())
    style: Any = (0, pattern) if pattern else "-"
    shape, ink = SHAPES[marker(line.style)], COLOURS[colour(line.style)]
    axes.plot(
        xs,
        ys,
        color=ink,
        linewidth=1.8 if every is None else 1.1,
        linestyle=style,
        marker=shape,
        markersize=6,
        markeredgecolor="white",
        markevery=every,
        clip_on=False,
    )
    few = [point for point in line.points if point.faint]
    axes.scatter(
        [p.x for p in few],
        [p.y for p in few],
        marker=shape,
        s=36,
        facecolor="white",
        edgecolor=ink,
        zorder=3,
        clip_on=False,
    )
    known = [
        (point.x, point.low, point.high)
        for point in line.points
        if point.low is not None and point.high is not None
    ]
    if known:
        places, lows, highs = zip(*known, strict=True)
        axes.fill_between(places, lows, highs, color=ink, alpha=0.13, linewidth=0)


def _forest(axes: Axes, forest: Forest) -> None:
    y, places, labels = 0.0, [], []
    for name in dict.fromkeys(bar.group for bar in forest.bars):
        places.append(y)
        labels.append(name)
        y += 1
        for bar in (bar for bar in forest.bars if bar.group == name):
            point, ink = bar.point, COLOURS[colour(bar.style)]
            if point.low is not None and point.high is not None:
                axes.plot(
                    [point.low, point.high],
                    [y, y],
                    color=ink,
                    linewidth=1.8,
                    alpha=0.5 if point.faint else 1,
                )
            axes.plot(
                [point.x],
                [y],
                color=ink,
                marker=SHAPES[marker(bar.style)],
                markersize=7,
                markeredgecolor="white",
            )
            axes.text(
                1.01,
                y,
                f"{point.x:+.1f}".replace("-", "\u2212"),
                transform=axes.get_yaxis_transform(),
                va="center",
                fontsize=9,
            )
            places.append(y)
            labels.append(bar.label)
            y += 1
    values = forest.x_ticks()
    axes.set_xticks(values, tick_text(values))
    axes.set_xlim(values[0], values[-1])
    axes.set_yticks(places, labels)
    for tick in axes.get_yticklabels():
        if tick.get_text() in {bar.group for bar in forest.bars}:
            tick.set_fontweight("bold")
    axes.set_ylim(y - 0.4, -0.6)
    axes.axvline(0, color=COLOURS[0], linewidth=1, zorder=0)
    axes.grid(axis="x", color=LIGHT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel(forest.x_label, color=DIM, fontsize=9)
