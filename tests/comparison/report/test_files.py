"""The report of a comparison as files: what it says, that its forms agree, that it is made of the results alone."""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import io
import json
import math
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.report_results import EVIL, LABELS, SYSTEMS, results
from mt.comparison.report.answer import answer, clauses, warnings
from mt.comparison.report.chart import LineChart, dash, marker, tick_labels, ticks
from mt.comparison.report.charts import figures, length_chart
from mt.comparison.report.csv_rows import csv_text
from mt.comparison.report.details import cost_table, figure_table, reach_table
from mt.comparison.report.lookups import large, listed, styles
from mt.comparison.report.markdown import markdown, summary
from mt.comparison.report.page import SCRIPTS, STYLES, report_page
from mt.comparison.report.sentences import difference
from mt.comparison.report.svg import FILE_COLOURS, WIDE, page_svg, svg_file
from mt.comparison.report.tables import differences_table, scores_table
from mt.comparison.report.write import NO_PNG, write_report
from mt.comparison.table import Cell, Table, markdown_table
from mt.errors import MTError
from mt.inspection.page import style

SVG = "{http://www.w3.org/2000/svg}"

needs_resvg = pytest.mark.skipif(
    importlib.util.find_spec("resvg_py") is None, reason="resvg-py is not installed"
)


def of_files() -> dict[str, Any]:
    """Results of files of translations: without seeds, costs, curves, words, maps."""
    made = results(seeds=1, tests=("test",))
    made |= {
        "title": "",
        "question": "",
        "failed": [],
        "words": [],
        "attention": [],
        "made": {"command": ["mt-compare"], "versions": {}},
    }
    for system in made["systems"]:
        system |= {"cost": None, "parameters": None, "settings": {}, "unfinished": False}
        for run in system["runs"]:
            run |= {"seed": None, "cost": None, "curve": [], "reaches": {}, "unfinished": False}
    for sentence in made["sentences"]:
        sentence |= {"source": None, "attention": None}
    return made


# What it says


def test_the_answer_in_three_sentences() -> None:
    first, second, third = answer(results())
    assert first.startswith(
        "By BLEU on 785 sentences, `luong` (+16.0) and `transformer` (+22.5) are better than the baseline `none` (14.0); "
    )
    assert first.endswith("; `bahdanau` (+0.2) is not distinguishable from it.")
    loses = "From sentences of up to 20 words to longer ones `none` keeps the smallest share of its BLEU (17.0 to 8.0 BLEU, mostly because it"
    assert second.startswith(loses)
    assert second.endswith("`transformer` the largest (37.2 to 35.0).")
    assert "3 seeds of each" in third and "`transformer` had not finished learning" in third


def test_the_poorest_system_is_not_said_to_lose_least() -> None:
    made = results(("weak", "strong"))
    for group, weak, strong in (("short", 8.6, 69.7), ("long", 1.5, 23.1)):
        for entry, mean in zip(
            [s for s in made["tests"][0][group]["scores"] if s["metric"] == "bleu"],
            (weak, strong),
            strict=True,
        ):
            entry["mean"] = mean
    assert "`weak` keeps the smallest share" in answer(made)[1]


def test_equal_systems_are_not_said_to_keep_more_and_less() -> None:
    made = results(("one", "other"))
    for group, mean in (("short", 20.0), ("long", 10.0)):
        for entry in [s for s in made["tests"][0][group]["scores"] if s["metric"] == "bleu"]:
            entry |= {"mean": mean, "precision": mean, "brevity_penalty": 1.0}
    assert "`one` and `other` keep the same share of their BLEU (20.0 to 10.0" in answer(made)[1]


def test_a_difference_of_two_systems_on_the_floor_is_none() -> None:
    made = results(("one", "other"))
    for system in made["systems"]:
        system["floor"] = True
    assert "`one` and `other` have not learned to translate at all" in answer(made)[-1]
    assert "Neither left the floor" in clauses(made)[0][
        1
    ] and "what they do with length" in " ".join(warnings(made))
    made["systems"][0]["floor"] = False
    assert "`other` has not learned" in answer(made)[-1] and "Neither" not in clauses(made)[0][1]


def test_a_system_that_stops_early_is_said_to() -> None:
    made = results()
    for group, precision, brevity in (("short", 20.0, 1.0), ("long", 19.0, 0.4)):
        made["tests"][0][group]["scores"][0] |= {"precision": precision, "brevity_penalty": brevity}
    assert "mostly because it stops early: brevity penalty 0.40" in answer(made)[1]


def test_what_a_reader_is_warned_of() -> None:
    made = results(seeds=1)
    made["systems"][1]["floor"] = True
    said = warnings(made)
    assert (
        "1 run failed" in said[0] and "`transformer` (seed 9): the loss is not a number" in said[0]
    )
    assert said[1].startswith("`bahdanau` never left the floor")
    assert said[2].startswith("`transformer` was still improving when the budget ended")
    assert said[3].startswith("Seeds were not tested for every system")
    assert "31-40 and 41-50 of the test set" in said[4] and len(said) == 5
    assert "One run of each" in answer(made)[-1]
    # Wherever a system is shown, so is what to think of it.
    assert {row[0] for row in scores_table(made, made["tests"][0]).rows} >= {
        "bahdanau (never left the floor)",
        "transformer (still improving)",
    }
    for form in (report_page(made), markdown(made)):
        assert form.count("never left the floor") >= 3 and form.count("still improving") >= 4
    quiet = of_files()
    quiet["tests"][0] |= {"buckets": [], "short": quiet["tests"][0]["overall"]}
    assert len(warnings(quiet)) == 1


def test_metrics_that_disagree_are_named() -> None:
    made = results()
    entry = next(
        d
        for d in made["tests"][0]["overall"]["differences"]
        if (d["system"], d["metric"]) == ("luong", "chrf")
    )
    entry["verdict"] = "worse"
    assert "But chrF2 says the opposite." in dict(clauses(made))["luong"]


def test_one_system_alone_and_systems_from_files() -> None:
    alone = results(("only",), tests=("test",))
    assert "nothing to compare it with" in answer(alone)[0] and clauses(alone) == []
    assert 'id="differences"' not in report_page(alone)
    files = of_files()
    page = report_page(files)
    ids = re.findall(r'<section id="(\w+)"', page)
    assert ids == ["scores", "differences", "length", "sentences", "made"]
    assert re.findall(r'<a href="#(\w+)">', page) == ids
    assert "<h1>Comparison</h1>" in page and "# Comparison" in markdown(files)
    assert cost_table(files).rows == [] and reach_table(files).rows == []


# Its forms agree


def test_csv_has_every_score_and_reads_back() -> None:
    made = results()
    rows = list(csv.DictReader(io.StringIO(csv_text(made))))
    assert len(rows) == 2 * len(SYSTEMS) * 2 * (3 + len(LABELS))  # tests, systems, metrics, groups
    for row in rows:
        test = next(test for test in made["tests"] if test["name"] == row["test"])
        group = next(
            g
            for g in (test["overall"], test["short"], test["long"], *test["buckets"])
            if g["label"] == row["group"]
        )
        score = next(
            s
            for s in group["scores"]
            if (s["system"], s["metric"]) == (row["system"], row["metric"])
        )
        assert [float(row["mean"]), float(row["low"]), float(row["high"])] == [
            score["mean"],
            *score["interval"],
        ]
        assert (row["small"], row["still_improving"]) == (
            str(int(group["sentences"] < 100)),
            str(int(row["system"] == "transformer")),
        )
        assert (row["difference"] == "") == (row["system"] == made["baseline"])
        assert (row["precision"] == "") == (row["metric"] == "chrf")


def test_every_figure_has_its_numbers_and_they_are_in_the_page() -> None:
    made = results()
    page = report_page(made)
    for figure in figures(made):
        part = page[page.index(f'<figure id="{figure.name}"') :]
        part = part[: part.index("</figure>")]
        assert part.count('<svg class="chart') == 2
        numbers = Counter(
            re.findall(
                r"(?<=class=num>)[+-]?[\d.,]+", part[part.index("<table") :].replace("\u2212", "-")
            )
        )
        if isinstance(figure, LineChart):
            digits = 2 if figure.name.startswith(("brevity", "attention")) else 1
            values = Counter(
                f"{point.y:.{digits}f}" for line in figure.lines for point in line.points
            )
        else:
            values = Counter(f"{effect.value:+.1f}" for effect in figure.effects)
        assert values <= numbers
        own = figure_table(figure)
        assert {len(row) for row in own.rows} == {len(own.header)}


def test_markdown_tables_line_up_and_star_what_is_small() -> None:
    made = markdown(results())
    for block in re.findall(r"(?:^\|.*\n?)+", made, re.M):
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in block.strip().split("\n")}) == 1
    assert re.search(r"^\| 31-40\*\s+\| 61 ", made, re.M) and "| 21-30 " in made
    assert summary(results()).splitlines()[0] in made
    table = Table(["a", "b"], [["x|y", Cell("1", "0 - 2")]], faint=frozenset([0]))
    assert markdown_table(table).splitlines() == [
        "| a     | b         |",
        "|-------|----------:|",
        "| x\\|y* | 1 (0 - 2) |",
    ]


def test_differences_say_what_would_tell() -> None:
    made = results()
    table = differences_table(made, made["tests"][0])
    assert len(table.rows) == 6 and table.rows[0][-1] == "14 seeds" and table.rows[2][-1] == ""
    assert table.rows[2][5] == "< 0.001"


def test_columns_without_a_number_are_left_out() -> None:
    made = of_files()
    assert "sd of runs" not in scores_table(made, made["tests"][0]).header
    assert "sd of runs" in scores_table(results(), results()["tests"][0]).header
    table = Table(["a", "b", "c"], [["x", "", Cell("")], ["y", "", "1"]]).compact()
    assert (table.header, table.rows) == (["a", "c"], [["x", Cell("")], ["y", "1"]])


# Drawings


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_round_and_hold_the_values(low: float, size: float) -> None:
    found = ticks(low, low + size)
    assert found[0] <= low + 1e-6 * size and found[-1] >= low + size - 1e-6 * size
    assert 2 <= len(found) <= 14
    steps = [b - a for a, b in pairwise(found)]
    assert max(steps) - min(steps) < 1e-6 * max(abs(found[0]), abs(found[-1]), size)
    assert any(
        math.isclose(steps[0] / 10 ** math.floor(math.log10(steps[0]) + 1e-9), factor, rel_tol=1e-3)
        for factor in (1, 2, 2.5, 5, 10)
    )


def test_numbers_as_people_write_them() -> None:
    assert tick_labels([0.0, 0.25, 0.5]) == ["0.00", "0.25", "0.50"] and tick_labels(
        [0.0, 50_000.0, 100_000.0]
    ) == ["0", "50 k", "100 k"]
    assert [large(n) for n in (7, 1000, 12_345, 5_904_000, 99_960_000, 4.2e15, None)] == [
        "7",
        "1,000",
        "12.3 k",
        "5.90 M",
        "100 M",
        "4.20 P",
        "",
    ]
    assert [listed(list(words)) for words in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]


@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_points_are_where_their_values_are(size: str) -> None:
    made = results()
    chart = length_chart(made, made["tests"][0])
    assert isinstance(chart, LineChart)
    both = ElementTree.fromstring(f'<p xmlns="{SVG[1:-1]}">{page_svg(chart)}</p>')
    (drawn,) = (svg for svg in both if svg.get("class") == f"chart {size}")
    labels = {
        text.text: float(text.get("y")) - 4
        for text in drawn.iter(f"{SVG}text")
        if text.get("text-anchor") == "end"
    }
    places = {
        text.text: float(text.get("x"))
        for text in drawn.iter(f"{SVG}text")
        if text.get("text-anchor") == "middle"
    }
    unit = (labels["0"] - labels["40"]) / 40
    for line, group in zip(
        chart.lines,
        [g for g in drawn.iter(f"{SVG}g") if g.get("class", "").startswith("line")],
        strict=True,
    ):
        found = json.loads(group.get("data-points"))
        for (x, y, text), point, label in zip(found, line.points, chart.categories, strict=True):
            assert labels["0"] - y == pytest.approx(
                unit * point.y, abs=0.11
            ) and x == pytest.approx(places[label], abs=0.11)
            assert f"{line.name}, {label}: {point.y:.1f} BLEU" in text
    assert len([r for r in drawn.iter(f"{SVG}rect") if r.get("class") == "small"]) == 2


def test_systems_are_told_apart_without_colour() -> None:
    found = styles(results(("b", "a", "c"), tests=("test",)) | {"baseline": "c"})
    assert found == {"c": 0, "b": 1, "a": 2}
    looks = [(dash(style), marker(style)) for style in range(49)]
    assert len(set(looks)) == 49 and all(a[0] != b[0] and a[1] != b[1] for a, b in pairwise(looks))


# Files


def test_the_page_loads_nothing_and_lets_no_text_act() -> None:
    made = results((EVIL, "none", "b", f"{EVIL} & co"))
    for place in ("title", "question"):
        made[place] = EVIL
    made["failed"][0]["reason"] = EVIL
    made["sentences"][0]["outputs"]["none"] = EVIL
    made["made"] |= {"command": [EVIL], "versions": {EVIL: EVIL}, "match_parameters": [EVIL]}
    made["notes"], made["attention"][1]["diagnostics"]["findings"] = [EVIL], [EVIL]
    made["sentences"][0]["diff"]["none"] = [[False, EVIL, EVIL]]
    page = report_page(made)
    assert (
        not re.search(r"(?:src|href)=\"(?!#|data:)|@import|url\(", page)
        and "default-src 'none'" in page
    )
    assert "<script>alert" not in page and page.count("<script>") == 1
    assert "innerHTML" not in page and len(STYLES) + len(SCRIPTS) == 7
    assert difference(made["sentences"][0], "none").startswith(
        '<mark title="reference: &lt;/script&gt;'
    )


@needs_resvg
def test_a_report_is_made_of_the_results_alone(tmp_path: Path) -> None:
    made = results(("none", "transformer"), tests=("test",))
    frozen = json.dumps(made)
    one = write_report(made, tmp_path / "one")
    two = write_report(
        json.loads((tmp_path / "one" / "results.json").read_text("utf-8")), tmp_path / "two"
    )
    assert json.dumps(made) == frozen
    names = [str(path.relative_to(tmp_path / "one")) for path in one]
    assert names[:4] == ["report.html", "report.md", "results.json", "results.csv"]
    assert names[4:] == [
        f"figures/{figure.name}.{form}" for form in ("svg", "png") for figure in figures(made)
    ]
    for first, second in zip(one, two, strict=True):
        assert first.read_bytes() == second.read_bytes()
        if first.suffix == ".png":
            assert first.read_bytes().startswith(
                b"\x89PNG"
            ) and f"({first.relative_to(tmp_path / 'one')})" in one[1].read_text("utf-8")
        elif first.suffix == ".svg":
            texts = [e.text for e in ElementTree.fromstring(first.read_bytes()).iter(f"{SVG}text")]
            assert "transformer" in " ".join(filter(None, texts))


def test_a_long_legend_stays_within_its_file() -> None:
    made = results()
    chart = length_chart(made, made["tests"][0])
    assert chart is not None
    names = [f"system {number} (still improving)" for number in range(5)]
    lines = [dataclasses.replace(chart.lines[0], name=name) for name in names]
    drawn = ElementTree.fromstring(svg_file(dataclasses.replace(chart, lines=lines)))
    texts = {text.text: text for text in drawn.iter(f"{SVG}text")}
    x = [float(texts[name].get("x")) for name in names]
    y = [float(texts[name].get("y")) for name in names]
    assert max(x) + 7.8 * len(names[0]) <= WIDE.width - 8
    assert x[:2] == x[2:4] and y[0] == y[1] < y[2] == y[3] < y[4]
    assert float(drawn.get("height")) > y[4]


def test_a_chart_file_needs_no_style_sheet_but_its_own() -> None:
    for chart in figures(results()):
        svg = svg_file(chart)
        assert "var(--" not in svg and chart.title in svg
        assert set(re.findall(r'class="(?:[\w ]*\s)?(s\d)', svg)) <= set(
            re.findall(r"^\.(s\d) \{ color: #", svg, re.M)
        )


def test_colours_of_files_are_those_of_the_light_page() -> None:
    root = style().partition("}")[0]
    assert dict(re.findall(r"--(\w+): (#\w+)", root)).items() >= FILE_COLOURS.items()


def test_without_resvg_the_report_has_svg_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "resvg_py" else find_spec(name, *rest),
    )
    page, text, data, *others = write_report(results(), tmp_path)
    assert {path.suffix for path in others} == {".csv", ".svg"}
    assert NO_PNG.split(" (")[0] in page.read_text("utf-8")
    assert NO_PNG in text.read_text("utf-8") and ".svg)" in text.read_text("utf-8")
    assert page.read_text("utf-8").count('<svg class="chart') == 2 * len(figures(results()))
    assert json.loads(data.read_text("utf-8"))["notes"] == results()["notes"]


def test_results_of_another_version_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MTError, match="version 1 cannot be shown: .* version 2; compare again"):
        write_report({**results(), "version": 1}, tmp_path)
    assert list(tmp_path.iterdir()) == []
