"""The sentences of a report: conclusions, verdicts and warnings."""

from __future__ import annotations

import re

import pytest

from helpers.report_results import results, results_of_files
from mt.comparison.report.blocks import Paragraph
from mt.comparison.report.conclusions import conclusions, verdicts, warnings
from mt.comparison.report.markdown import markdown_report
from mt.comparison.report.page import report_page
from mt.comparison.report.queries import IGNORES_SOURCE, STILL_IMPROVING
from mt.comparison.report.sections.differences import differences_table
from mt.comparison.report.sections.scores import scores_table
from mt.comparison.report.sections.tuning import choice_table, tuning
from mt.comparison.schema.scores import SentenceGroup, SystemScore
from mt.comparison.schema.tuning import TrialResult, TuningResult


def bleu_scores(group: SentenceGroup) -> list[SystemScore]:
    return [score for score in group.scores if score.metric == "bleu"]


def test_conclusions_rank_systems_and_state_length_and_certainty() -> None:
    first, groups, length, certainty = conclusions(results())
    assert first.startswith(
        "By BLEU on 785 sentences, with this budget, `luong` (+16.0) and `transformer` (+22.5) are "
        "better than the baseline `none` (14.0); "
    )
    assert first.endswith("; `bahdanau` (+0.2) is not distinguishable from it.")
    apart = "Not to be told apart: `bahdanau` and `none`. Every other pair differs significantly."
    assert groups == apart
    assert length == (
        "On sentences of more than 20 words, `none` keeps 47 % (41 - 53) of its BLEU on shorter "
        "ones, less than `bahdanau` (82 %), `luong` (90 %) and `transformer` (94 %); p < 0.001."
    )
    assert certainty == (
        "Intervals cover sentences and 3 seeds of each system; p-values are corrected for all 6 "
        "pairs."
    )


def test_an_order_by_length_needs_a_significant_pair() -> None:
    comparison = results(("one", "other"))
    retention = comparison.tests[0].retention
    assert retention is not None
    retention.pairs[0].verdict = "not distinguishable"
    assert conclusions(comparison)[1] == (
        "On sentences of more than 20 words, no two systems differ significantly in how much of "
        "their BLEU on shorter ones they keep: `one` 47 % (41 - 53) and `other` 82 % (76 - 88)."
    )
    comparison.tests[0].retention = None
    assert len(conclusions(comparison)) == 2


def test_an_order_by_length_is_not_denied_of_systems_that_are_left_out() -> None:
    comparison = results(("none", "one", "other"))
    comparison.systems[0].ignores_source = True
    retention = comparison.tests[0].retention
    assert retention is not None
    for pair in retention.pairs:
        if "none" not in (pair.system, pair.other):
            pair.verdict = "not distinguishable"
    assert conclusions(comparison)[2].startswith(
        "On sentences of more than 20 words, no two of these systems differ significantly in"
    )


def test_results_of_one_run_each_are_about_these_runs() -> None:
    comparison = results(seeds=1)
    first, _, length = conclusions(comparison)
    assert "these runs of `luong` (+16.0) and `transformer` (+22.5) are better than those" in first
    assert length.startswith("In these runs, on sentences")
    assert "so they are about these runs" in " ".join(warnings(comparison))
    table = differences_table(comparison, comparison.tests[0])
    assert {row[2] for row in table.rows} == {"better (these runs)", "not distinguishable"}
    table = differences_table(results(), results().tests[0])
    assert {row[2] for row in table.rows} == {"better", "not distinguishable"}


def test_a_p_value_at_the_floor_of_the_resamples_is_a_bound() -> None:
    comparison = results()
    for pair in comparison.tests[0].pairs:
        pair.p_holm = 0.012
    table = differences_table(comparison, comparison.tests[0])
    assert {row[5] for row in table.rows} == {"<= 0.012", "0.012"}
    assert "p <= 0.012" in markdown_report(comparison)
    assert "p \u2264 0.012" in report_page(comparison)


def test_a_difference_between_systems_that_ignore_their_source_is_qualified() -> None:
    comparison = results(("one", "other"))
    for system in comparison.systems:
        system.ignores_source = True
    assert "`one` and `other` ignore their source" in warnings(comparison)[1]
    assert "Both systems ignore their source" in verdicts(comparison)[0][1]
    assert "their results by length" in " ".join(warnings(comparison))
    assert conclusions(comparison)[0] == (
        "By BLEU on 785 sentences, `other` (+0.2) and the baseline `one` (14.0) ignore their "
        "source: no conclusion."
    )
    comparison.systems[0].ignores_source = False
    assert "`other` ignores its source" in warnings(comparison)[1]
    assert "Both" not in verdicts(comparison)[0][1]
    assert "no conclusion" not in conclusions(comparison)[0]


def test_no_order_is_stated_among_systems_that_ignore_their_source() -> None:
    comparison = results()
    for system in comparison.systems[:3]:
        system.ignores_source = True
    first, groups, *_ = conclusions(comparison)
    assert first == (
        "By BLEU on 785 sentences, with this budget, `transformer` (+22.5) is better than the "
        "baseline `none` (14.0); `bahdanau` (+0.2), `luong` (+16.0) and it ignore their source: no "
        "conclusion."
    )
    assert groups.endswith(
        " Every other pair differs significantly. Among `none`, `bahdanau` and `luong`, which "
        "ignore their source, this means nothing."
    )


def test_failed_trials_are_named() -> None:
    comparison = results(("none", "luong"))
    trials = [
        TrialResult(["optim.lr=1e-3"], 20.0, 1.5, True, "a", ""),
        TrialResult(["optim.lr=1", "optim.clip=0"], None, None, False, "b", "killed by SIGKILL"),
    ]
    comparison.tuning = [TuningResult("luong", trials, [10.0, 15.0])]
    (warning,) = [text for text in warnings(comparison) if "trial" in text]
    assert warning == (
        "1 trial failed, so that validation chose among fewer settings: "
        "`luong` (optim.lr=1, optim.clip=0): killed by SIGKILL."
    )


def test_different_choices_are_said_to_be_partly_chance() -> None:
    comparison = results(("none", "luong"))
    for second in ("2", "1"):
        comparison.tuning = [
            TuningResult(name, [TrialResult([f"a={value}"], 20.0, 1.5, True, "", "")], [20.0])
            for name, value in (("none", "1"), ("luong", second))
        ]
        (text,) = [b.text for b in tuning(comparison).blocks if isinstance(b, Paragraph)]
        assert ("another trial_seed" in text) == (second == "2")
        assert ("partly chance" in " ".join(warnings(comparison))) == (second == "2")


@pytest.mark.parametrize(
    ("tried", "chosen", "remark"),
    [
        (["1e-3", "2e-3", "1e-2"], "1e-2", "largest optim.lr tried"),
        (["2e-3", "1e-3", "1e-2"], "1e-3", "smallest optim.lr tried"),
        (["1e-3", "2e-3", "1e-2"], "2e-3", ""),
        (["1e-3", "1e-2"], "1e-2", ""),  # one of two is always at the end
        (["none", "linear", "1-sqrt"], "none", ""),
    ],
)
def test_choices_at_the_end_of_the_values_tried_are_marked(
    tried: list[str], chosen: str, remark: str
) -> None:
    comparison = results(("none", "luong"))
    trials = [
        TrialResult([f"optim.lr={each}", "a=1"], 20.0, 1.5, each == chosen, each, "")
        for each in tried
    ]
    comparison.tuning = [TuningResult("luong", trials, [20.0])]
    table = choice_table(comparison)
    assert table.cells[0][1] == (f"optim.lr={chosen}, a=1", remark, False, False)
    assert bool(table.note) == bool(remark)


def test_warnings_begin_with_the_most_serious() -> None:
    comparison = results(seeds=1)
    comparison.systems[1].ignores_source = True
    failed, ignoring, improving, single, small = warnings(comparison)
    assert "1 run failed" in failed
    assert "`transformer` (seed 9): the loss is not a number" in failed
    assert ignoring.startswith("\u2021 `bahdanau` ignores its source")
    assert improving.startswith("\u2020 `transformer` was still improving when the budget ended")
    assert single.startswith("Only one run of every system")
    assert "31-40 and 41-50 of the test set" in small
    quiet = results_of_files()
    quiet.tests[0].buckets, quiet.tests[0].short = [], quiet.tests[0].overall
    assert len(warnings(quiet)) == 1


def test_flags_are_shown_wherever_a_system_is() -> None:
    comparison = results(seeds=1)
    comparison.systems[1].ignores_source = True
    cells = {row[0] for row in scores_table(comparison, comparison.tests[0]).cells}
    assert {cell[:2] for cell in cells} >= {
        ("bahdanau", IGNORES_SOURCE),
        ("transformer", STILL_IMPROVING),
    }
    for text in (report_page(comparison), markdown_report(comparison)):
        assert text.count(IGNORES_SOURCE) >= 4 and text.count(STILL_IMPROVING) >= 4
        before_runs = text[: text.index("How to reproduce")]
        assert before_runs.count("still improving") == 1 == before_runs.count("ignores its source")


def test_metrics_that_disagree_are_named() -> None:
    comparison = results()
    differences = comparison.tests[0].overall.differences
    chrf = next(d for d in differences if (d.system, d.metric) == ("luong", "chrf"))
    chrf.verdict = "worse"
    assert "But chrF2 says the opposite." in dict(verdicts(comparison))["luong"]
    first, groups, *_ = conclusions(comparison)
    assert "`luong` (+16.0, but worse by chrF2) and `transformer` (+22.5) are better than" in first
    assert groups.endswith(" Another metric says the opposite of `luong` and `none`.")


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
    assert "variant" not in markdown_report(files)
    title = "Comparison of none, bahdanau, luong and transformer"
    assert f"<h1>{title}</h1>" in page and f"# {title}\n" in markdown_report(files)


def test_the_question_is_the_heading_unless_there_is_a_title() -> None:
    comparison = results()
    assert f'<p class="question">{comparison.question}' in report_page(comparison)
    comparison.title = ""
    assert f"<h1>{comparison.question}</h1>" in report_page(comparison)
    assert markdown_report(comparison).count(comparison.question) == 1
