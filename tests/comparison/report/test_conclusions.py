"""The sentences of a report: conclusions, verdicts and warnings."""

from __future__ import annotations

import re

from helpers.report_results import results, results_of_files
from mt.comparison.report.conclusions import conclusions, verdicts, warnings
from mt.comparison.report.markdown import markdown_report
from mt.comparison.report.page import report_page
from mt.comparison.report.sections.scores import scores_table
from mt.comparison.schema.scores import SentenceGroup, SystemScore


def bleu_scores(group: SentenceGroup) -> list[SystemScore]:
    return [score for score in group.scores if score.metric == "bleu"]


def test_conclusions_rank_systems_and_state_length_and_certainty() -> None:
    first, second, third = conclusions(results())
    assert first.startswith(
        "By BLEU on 785 sentences, `luong` (+16.0) and `transformer` (+22.5) are better than the "
        "baseline `none` (14.0); "
    )
    assert first.endswith("; `bahdanau` (+0.2) is not distinguishable from it.")
    assert second.startswith(
        "From sentences of up to 20 words to longer ones, `none` retains the smallest fraction of "
        "its BLEU (17.0 to 8.0 BLEU, mostly because precision drops"
    )
    assert second.endswith("`transformer` the largest (37.2 to 35.0).")
    assert "3 seeds of each" in third and "`transformer` was still improving" in third


def test_the_weakest_system_is_not_said_to_lose_least() -> None:
    comparison = results(("weak", "strong"))
    test = comparison.tests[0]
    for group, means in ((test.short, (8.6, 69.7)), (test.long, (1.5, 23.1))):
        for score, mean in zip(bleu_scores(group), means, strict=True):
            score.mean = mean
    assert "`weak` retains the smallest fraction" in conclusions(comparison)[1]


def test_equal_systems_are_said_to_retain_the_same_fraction() -> None:
    comparison = results(("one", "other"))
    test = comparison.tests[0]
    for group, mean in ((test.short, 20.0), (test.long, 10.0)):
        for score in bleu_scores(group):
            score.mean, score.details = mean, {"precision": mean, "brevity_penalty": 1.0}
    expected = "`one` and `other` retain the same fraction of their BLEU (20.0 to 10.0"
    assert expected in conclusions(comparison)[1]


def test_a_difference_between_systems_that_ignore_their_source_is_qualified() -> None:
    comparison = results(("one", "other"))
    for system in comparison.systems:
        system.ignores_source = True
    assert "`one` and `other` ignore their source" in conclusions(comparison)[-1]
    assert "Both systems ignore their source" in verdicts(comparison)[0][1]
    assert "their results by length" in " ".join(warnings(comparison))
    comparison.systems[0].ignores_source = False
    assert "`other` ignores its source" in conclusions(comparison)[-1]
    assert "Both" not in verdicts(comparison)[0][1]


def test_short_translations_are_named_as_the_cause_of_a_loss() -> None:
    comparison = results()
    test = comparison.tests[0]
    for group, precision, brevity in ((test.short, 20.0, 1.0), (test.long, 19.0, 0.4)):
        group.scores[0].details |= {"precision": precision, "brevity_penalty": brevity}
    expected = "mostly because translations are too short: brevity penalty 0.40"
    assert expected in conclusions(comparison)[1]


def test_warnings_begin_with_the_most_serious() -> None:
    comparison = results(seeds=1)
    comparison.systems[1].ignores_source = True
    failed, ignoring, improving, single, small = warnings(comparison)
    assert "1 run failed" in failed
    assert "`transformer` (seed 9): the loss is not a number" in failed
    assert ignoring.startswith("`bahdanau` ignores its source")
    assert improving.startswith("`transformer` was still improving when the budget ended")
    assert single.startswith("Only one run of every system")
    assert "31-40 and 41-50 of the test set" in small
    assert "Each system has one run" in conclusions(comparison)[-1]
    quiet = results_of_files()
    quiet.tests[0].buckets, quiet.tests[0].short = [], quiet.tests[0].overall
    assert len(warnings(quiet)) == 1


def test_flags_are_shown_wherever_a_system_is() -> None:
    comparison = results(seeds=1)
    comparison.systems[1].ignores_source = True
    cells = {row[0] for row in scores_table(comparison, comparison.tests[0]).cells}
    assert {cell[:2] for cell in cells} >= {
        ("bahdanau", "ignores its source"),
        ("transformer", "still improving"),
    }
    for text in (report_page(comparison), markdown_report(comparison)):
        assert text.count("ignores its source") >= 3 and text.count("still improving") >= 4


def test_metrics_that_disagree_are_named() -> None:
    comparison = results()
    differences = comparison.tests[0].overall.differences
    chrf = next(d for d in differences if (d.system, d.metric) == ("luong", "chrf"))
    chrf.verdict = "worse"
    assert "But chrF2 says the opposite." in dict(verdicts(comparison))["luong"]


def test_a_single_system_is_compared_with_nothing() -> None:
    alone = results(("only",), tests=("test",))
    assert "nothing to compare it with" in conclusions(alone)[0] and verdicts(alone) == []
    assert 'id="differences"' not in report_page(alone)


def test_results_of_files_have_fewer_sections() -> None:
    files = results_of_files()
    page = report_page(files)
    names = re.findall(r'<section id="(\w+)"', page)
    assert names == ["scores", "differences", "length", "sentences", "reproduction"]
    assert re.findall(r'<a href="#(\w+)">', page) == names
    assert "<h1>Comparison</h1>" in page and "# Comparison" in markdown_report(files)
