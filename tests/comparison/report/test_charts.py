"""Charts: ticks, places of points, styles, and their files."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.report_results import results
from mt.comparison.report.chart import LineChart, dash, marker, tick_labels, ticks
from mt.comparison.report.chart_table import chart_table
from mt.comparison.report.contents import charts
from mt.comparison.report.page import report_page
from mt.comparison.report.queries import system_styles
from mt.comparison.report.sections.lengths import bleu_chart
from mt.comparison.report.svg import FILE_COLOURS, LEGEND_CHARACTER, WIDE, page_svg, svg_file
from mt.inspection.maps.page import style

SVG = "{http://www.w3.org/2000/svg}"


def example_chart() -> LineChart:
    comparison = results()
    chart = bleu_chart(comparison, comparison.tests[0])
    assert chart is not None
    return chart


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_round_and_enclose_the_values(low: float, size: float) -> None:
    values = ticks(low, low + size)
    assert values[0] <= low + 1e-6 * size and values[-1] >= low + size - 1e-6 * size
    assert 2 <= len(values) <= 14
    steps = [b - a for a, b in pairwise(values)]
    assert max(steps) - min(steps) < 1e-6 * max(abs(values[0]), abs(values[-1]), size)
    power = 10 ** math.floor(math.log10(steps[0]) + 1e-9)
    assert any(
        math.isclose(steps[0] / power, factor, rel_tol=1e-3) for factor in (1, 2, 2.5, 5, 10)
    )


def test_tick_labels_have_as_many_decimals_as_needed() -> None:
    assert tick_labels([0.0, 0.25, 0.5]) == ["0.00", "0.25", "0.50"]
    assert tick_labels([0.0, 50_000.0, 100_000.0]) == ["0", "50 k", "100 k"]
    assert tick_labels([0.0, 5e15, 1e16, 1.5e16]) == ["0", "5 P", "10 P", "15 P"]
    assert tick_labels([0.0, 2e19, 4e19]) == ["0", "20 E", "40 E"]
    assert tick_labels([0.0, 5e8, 1e9]) == ["0.0", "0.5 G", "1.0 G"]


@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_points_are_where_their_values_are(size: str) -> None:
    chart = example_chart()
    sizes = ElementTree.fromstring(f'<p xmlns="{SVG[1:-1]}">{page_svg(chart)}</p>')
    (drawing,) = (svg for svg in sizes if svg.get("class") == f"chart {size}")
    texts = list(drawing.iter(f"{SVG}text"))
    y_of_label = {t.text: float(t.get("y")) - 4 for t in texts if t.get("text-anchor") == "end"}
    x_of_label = {t.text: float(t.get("x")) for t in texts if t.get("text-anchor") == "middle"}
    unit = (y_of_label["0"] - y_of_label["40"]) / 40
    groups = [g for g in drawing.iter(f"{SVG}g") if g.get("class", "").startswith("line")]
    for line, group in zip(chart.lines, groups, strict=True):
        points = json.loads(group.get("data-points"))
        for (x, y, text), point, label in zip(points, line.points, chart.categories, strict=True):
            assert y_of_label["0"] - y == pytest.approx(unit * point.y, abs=0.11)
            assert x == pytest.approx(x_of_label[label], abs=0.11)
            assert f"{line.name}, {label}: {point.y:.1f} BLEU" in text
    assert len([r for r in drawing.iter(f"{SVG}rect") if r.get("class") == "small"]) == 2


def test_systems_are_told_apart_without_colour() -> None:
    comparison = dataclasses.replace(results(("b", "a", "c"), tests=("test",)), baseline="c")
    assert system_styles(comparison) == {"c": 0, "b": 1, "a": 2}
    looks = [(dash(style), marker(style)) for style in range(49)]
    assert len(set(looks)) == 49 and all(a[0] != b[0] and a[1] != b[1] for a, b in pairwise(looks))


def test_every_chart_is_in_the_page_with_its_values() -> None:
    comparison = results()
    page = report_page(comparison)
    for chart in charts(comparison):
        part = page[page.index(f'<figure id="{chart.name}"') :]
        part = part[: part.index("</figure>")]
        assert part.count('<svg class="chart') == 2
        table = part[part.index("<table") :].replace("\u2212", "-")
        shown = Counter(re.findall(r'(?<=class="num">)[+-]?[\d.,]+', table))
        if isinstance(chart, LineChart):
            digits = 2 if chart.name.startswith(("brevity", "attention")) else 1
            points = [point for line in chart.lines for point in line.points]
            values = Counter(f"{point.y:.{digits}f}" for point in points)
        else:
            values = Counter(f"{effect.value:+.1f}" for effect in chart.effects)
        assert values <= shown
        own = chart_table(chart)
        assert {len(row) for row in own.rows} == {len(own.header)}


def test_a_long_legend_stays_within_its_file() -> None:
    chart = example_chart()
    names = [f"system {number} (still improving)" for number in range(5)]
    lines = [dataclasses.replace(chart.lines[0], name=name) for name in names]
    drawing = ElementTree.fromstring(svg_file(dataclasses.replace(chart, lines=lines)))
    texts = {text.text: text for text in drawing.iter(f"{SVG}text")}
    x = [float(texts[name].get("x")) for name in names]
    y = [float(texts[name].get("y")) for name in names]
    assert max(x) + LEGEND_CHARACTER * len(names[0]) <= WIDE.width - 8
    assert x[:2] == x[2:4] and y[0] == y[1] < y[2] == y[3] < y[4]
    assert float(drawing.get("height")) > y[4]


def test_a_chart_file_needs_no_other_style_sheet() -> None:
    for chart in charts(results()):
        svg = svg_file(chart)
        assert "var(--" not in svg and chart.title in svg
        used = set(re.findall(r'class="(?:[\w ]*\s)?(s\d)', svg))
        assert used <= set(re.findall(r"^\.(s\d) \{ color: #", svg, re.M))


def test_colours_of_files_are_those_of_the_light_page() -> None:
    light = style().partition("}")[0]
    assert dict(re.findall(r"--(\w+): (#\w+)", light)).items() >= FILE_COLOURS.items()
