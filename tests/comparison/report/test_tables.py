"""The tables of a report, in CSV and Markdown."""

from __future__ import annotations

import copy
import csv
import io
import re
from dataclasses import replace

from helpers.report_attention import BUCKETS, SOURCES
from helpers.report_results import SYSTEMS, results, results_of_files
from mt.comparison.report.blocks import Details, Paragraph, Section
from mt.comparison.report.chart import Point
from mt.comparison.report.markdown import markdown_report, printed_report
from mt.comparison.report.queries import STILL_IMPROVING, column_titles
from mt.comparison.report.results_csv import csv_text
from mt.comparison.report.sections.attention import layer_alignment_table
from mt.comparison.report.sections.constructions import (
    bleu_table,
    constructions,
    kept_differences_table,
    kept_table,
)
from mt.comparison.report.sections.cost import (
    cost_table,
    front_table,
    pareto_front,
    quality_charts,
)
from mt.comparison.report.sections.decided_words import decided_words
from mt.comparison.report.sections.differences import differences_table
from mt.comparison.report.sections.lengths import bleu_chart
from mt.comparison.report.sections.lengths import bleu_table as bleu_by_length
from mt.comparison.report.sections.scores import scores_table
from mt.comparison.report.sections.sentences import sentences
from mt.comparison.report.sections.training import minutes_to_bleu_table
from mt.comparison.report.text import format_large, join_words
from mt.comparison.table import Cell, Table, markdown_table


def test_csv_has_every_score_and_reads_back() -> None:
    comparison = results()
    rows = list(csv.DictReader(io.StringIO(csv_text(comparison))))
    assert len(rows) == len(comparison.tests) * len(SYSTEMS) * 2 * (5 + len(BUCKETS))
    for row in rows:
        test = next(test for test in comparison.tests if test.name == row["test"])
        constructions = [each.group for each in test.constructions]
        groups = (test.overall, test.short, test.long, *test.buckets, *constructions)
        group = next(group for group in groups if group.label == row["group"])
        score = next(
            s for s in group.scores if (s.system, s.metric) == (row["system"], row["metric"])
        )
        values = [float(row["mean"]), float(row["low"]), float(row["high"])]
        assert values == [score.mean, *score.interval]
        assert row["small"] == str(int(group.sentences < 100))
        assert row["still_improving"] == str(int(row["system"] == "transformer"))
        assert (row["difference"] == "") == (row["system"] == comparison.baseline)
        assert (row["precision"] == "") == (row["metric"] == "chrf")


def test_csv_says_whether_the_seeds_of_both_sides_were_tested() -> None:
    comparison = results()
    for difference in comparison.tests[0].overall.differences:
        difference.seeds_tested = difference.system != "luong"  # the baseline has one run
    rows = [*csv.DictReader(io.StringIO(csv_text(comparison)))]
    whole = {row["system"]: row for row in rows if (row["test"], row["group"]) == ("test", "all")}
    assert [row["difference_seeds_tested"] for row in whole.values()] == ["", "1", "0", "1"]
    assert {row["seeds_tested"] for row in whole.values()} == {"1"}


def test_markdown_tables_are_aligned_and_star_small_groups() -> None:
    text = markdown_report(results())
    for block in re.findall(r"(?:^\|.*\n?)+", text, re.M):
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in block.strip().split("\n")}) == 1
    assert re.search(r"^\| 31-40\*\s+\| 61 ", text, re.M) and "| 21-30 " in text
    table = Table(["a", "b"], [["x|y", Cell("1", "0 - 2")]], small_rows=frozenset([0]))
    assert markdown_table(table).splitlines() == [
        "| a     | b         |",
        "|-------|----------:|",
        "| x\\|y* | 1 (0 - 2) |",
        "",
        "\\*: too few cases to mean much.",
    ]


def test_the_printed_report_has_tables_only() -> None:
    text = printed_report(results())
    assert text.splitlines()[0] in markdown_report(results())
    assert "## Differences" in text and "## By sentence length" in text
    assert "figures/" not in text and "## Cost" not in text


def test_differences_name_the_sample_that_would_be_needed() -> None:
    comparison = results()
    table = differences_table(comparison, comparison.tests[0])
    assert len(table.rows) == 6 and table.rows[0][-1] == "14 seeds" and table.rows[2][-1] == ""
    assert table.rows[2][5] == "< 0.001"


def test_constructions_are_ordered_by_the_share_kept_and_folded() -> None:
    comparison = results()
    test = comparison.tests[0]
    easy = copy.deepcopy(test.constructions[0])
    easy.group.label = "easy"
    for score in easy.retention.scores if easy.retention else ():
        score.mean += 5
    test.constructions.insert(0, easy)
    kept, bleu = kept_table(comparison, test), bleu_table(comparison, test)
    assert [row[0] for row in kept.rows] == ["passive", "easy"]
    assert [row[0] for row in bleu.rows] == ["passive", "easy", "imperative"]
    assert kept.rows[0][1:3] == ["217", "760"] and bleu.small_rows == {2} != kept.small_rows
    differences = kept_differences_table(comparison, test)
    assert differences.header[3:] == ["bahdanau", "luong", f"transformer ({STILL_IMPROVING})"]
    assert any(cell.strong for cell in differences.cells[0][3:])
    blocks = constructions(comparison).without_empty_blocks().blocks
    assert [type(block) for block in blocks] == [Paragraph] + 4 * [Details]
    for each in comparison.tests:
        each.constructions = []
    assert not constructions(comparison).without_empty_blocks().blocks


def test_alignment_errors_by_layer_are_shown_if_a_system_has_several() -> None:
    comparison = results()
    table = layer_alignment_table(comparison)
    assert [row[1] for row in table.rows] == ["1 of 1", "1 of 1", "1 of 2", "2 of 2"]
    first, last = (table.cells[number][2:] for number in (0, -1))
    assert first == [Cell("39.0", "38.0 - 40.0"), *[Cell("")] * 3]
    assert last[1:] == [Cell("27.5", "26.5 - 28.5"), Cell("-9.5", "-11.0 to -8.0"), Cell("better")]
    title = "Alignment error rate by layer"
    assert title in markdown_report(comparison)
    for system in comparison.attention:
        system.aer_by_layer = [
            replace(layer, input=None) for layer in system.aer_by_layer if layer.layer == 1
        ]
    assert not layer_alignment_table(comparison).rows
    assert title not in markdown_report(comparison)


def test_decided_words_are_in_a_row_for_each_kind_and_distance() -> None:
    comparison = results()
    (details,) = decided_words(comparison)
    assert isinstance(details, Details)
    _, shares, differences = details.blocks
    assert isinstance(shares, Table) and isinstance(differences, Table)
    assert [row[:3] for row in shares.rows] == [
        [kind, label, words]
        for kind in ("noun", "pronoun")
        for label, words in (("1-3", "300"), ("4-7", "60"))
    ]
    assert shares.small_rows == {1, 3} and shares.cells[1][4] == Cell(
        "84.0", "83.0 - 85.0; others 93.0"
    )
    assert differences.header[3:] == column_titles(comparison, SYSTEMS[1:])
    for system in comparison.words:
        system.decided = []
    assert not Section("", "", decided_words(comparison)).without_empty_blocks().blocks


def test_columns_without_values_are_left_out() -> None:
    files, runs = results_of_files(), results()
    assert "SD of runs" not in scores_table(files, files.tests[0]).header
    assert "SD of runs" in scores_table(runs, runs.tests[0]).header
    table = Table(["a", "b", "c"], [["x", "", Cell("")], ["y", "", "1"]]).without_empty_columns()
    assert (table.header, table.rows) == (["a", "c"], [["x", Cell("")], ["y", "1"]])


def test_files_have_no_cost_and_no_curves() -> None:
    files = results_of_files()
    assert cost_table(files).rows == [] and minutes_to_bleu_table(files).rows == []


def test_large_numbers_have_three_digits_and_a_unit() -> None:
    numbers = (7, 1000, 12_345, 5_904_000, 99_960_000, 4.2e15, None)
    expected = ["7", "1,000", "12.3 k", "5.90 M", "100 M", "4.20 P", ""]
    assert [format_large(number) for number in numbers] == expected


def test_words_are_joined_by_commas_and_and() -> None:
    assert [join_words(list(words)) for words in ("a", "ab", "abc")] == [
        "a",
        "a and b",
        "a, b and c",
    ]


def test_points_that_another_beats_are_not_on_the_pareto_front() -> None:
    points = [Point(x, y) for x, y in ((2, 5), (1, 3), (3, 4), (1, 2), (4, 6), (4, 5))]
    front = [
        (p.x, p.y)
        for p in points
        if not any(q.x <= p.x and q.y >= p.y and (q.x, q.y) != (p.x, p.y) for q in points)
    ]
    assert [(p.x, p.y) for p in pareto_front(points)] == sorted(front)


def test_quality_is_plotted_against_costs_that_differ() -> None:
    comparison = results()  # equal minutes
    names = [chart.name for chart in quality_charts(comparison)]
    assert names == [
        "bleu-by-flops-of-systems",
        "bleu-by-parameters-of-systems",
        "bleu-by-translation-time-of-systems",
    ]
    assert quality_charts(results_of_files()) == []
    chart = quality_charts(comparison)[0]
    assert [row[3] for row in front_table(comparison, chart).rows] == ["yes"] * 4


def test_minutes_of_a_chart_are_all_without_validation() -> None:
    comparison = results()
    for minutes, system in enumerate(comparison.systems):
        system.cost = system.cost and replace(
            system.cost, minutes=10.0 + minutes, training_minutes=1.0 + minutes if minutes else None
        )
    chart = quality_charts(comparison)[0]
    assert (chart.name, chart.x_label) == (
        "bleu-by-minutes-of-systems",
        "minutes without validation",
    )
    # The first run is of an earlier version, which did not record it.
    assert [line.points[0].x for line in chart.lines] == [2.0, 3.0, 4.0]


def test_sentences_without_spaces_are_sorted_by_their_characters() -> None:
    comparison = results()
    comparison.sentences[0].source = "我们今天去学校。"
    (browser,) = sentences(comparison).blocks
    assert [card.length for card in browser.cards[:2]] == [7, len(SOURCES[1].split())]


def test_an_interval_without_width_is_not_shown() -> None:
    comparison = results()
    test = comparison.tests[0]
    for score in test.buckets[0].scores:
        score.interval = (score.mean, score.mean)
    rows = {str(row[0].text): row for row in bleu_by_length(comparison, test).cells}
    label = test.buckets[0].label
    assert {cell.detail for cell in rows[label][1:]} == {""}
    assert all(cell.detail for cell in rows[test.buckets[1].label][-4:])
    chart = bleu_chart(comparison, test)
    assert chart is not None and " BLEU, " in chart.lines[0].points[0].text


def test_notes_explain_only_columns_that_are_shown() -> None:
    comparison = results(SYSTEMS[:2])
    for difference in comparison.tests[0].overall.differences:
        difference.verdict = "better"
    text = markdown_report(comparison)
    assert "Group: " not in text and "BP: " in text
    comparison.tests = comparison.tests[:1]
    assert "Needed: " not in markdown_report(comparison)
    text = markdown_report(results())
    assert "Group: " in text and "Needed: " in text
