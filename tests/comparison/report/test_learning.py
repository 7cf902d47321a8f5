"""Speed of learning, at equal target tokens, beside the result of training."""

from __future__ import annotations

from operator import attrgetter

import numpy as np
import pytest

from helpers.report_results import results, results_of_files
from mt.comparison.report.blocks import Note
from mt.comparison.report.contents import build_sections
from mt.comparison.report.sections.learning import (
    VOCABULARY_NOTE,
    compare_orders,
    learning,
    learning_table,
    token_levels,
    value_at,
)
from mt.comparison.schema.results import Results
from mt.comparison.schema.systems import RunResult, ValidationPoint

# Target tokens, BLEU and loss; the decay lifts BLEU from 20 to 30 at once.
FAST = [(100, 2.0, 4.0), (200, 12.0, 2.0), (400, 20.0, 1.0), (440, 30.0, 0.5)]
SLOW = [(50, 0.0, 5.0), (300, 10.0, 3.0), (600, 18.0, 1.5), (900, 22.0, 1.0), (990, 40.0, 0.4)]


def learned(run: RunResult, points: list[tuple], plateau: bool = True) -> None:
    """Give a run a curve, a step for each token; the last validation is after the decay."""
    run.curve = [
        ValidationPoint(tokens, tokens / 100, tokens, bleu, loss) for tokens, bleu, loss in points
    ]
    run.plateau_step = points[-2][0] if plateau else None
    run.decay_step = points[-2][0] + 1


def comparison(slow: str = "none", fast: str = "luong") -> Results:
    """Return results of two systems with three seeds; `luong` has 6 BLEU more on the test set."""
    made = results(("none", "luong"), tests=("test",))
    for pair in made.tests[0].pairs:
        pair.verdict = "better"
    for system in made.systems:
        for run in system.runs:
            learned(run, {slow: SLOW, fast: FAST}[system.name])
    return made


def cells(made: Results) -> list[list[tuple[str, str]]]:
    table = learning_table(made, token_levels(made))
    return [[(cell.text, cell.detail) for cell in row[1:]] for row in table.cells]


def test_validations_are_compared_at_the_tokens_that_all_runs_reached_before_their_decay() -> None:
    made = comparison()
    levels = token_levels(made)
    assert levels == [100, 200, 400]  # not 440, where the fast runs have decayed
    for system, points in zip(made.systems, (SLOW, FAST), strict=True):
        stable = np.array(points[:-1])
        for level in levels:
            for column, name in ((1, "bleu"), (2, "loss")):
                value = value_at(system.runs[0], level, attrgetter(name))
                assert value == pytest.approx(np.interp(level, stable[:, 0], stable[:, column]))
    slow, fast = cells(made)
    assert fast[:3] == [("2.0", "4.000"), ("12.0", "2.000"), ("20.0", "1.000")]
    assert slow[0] == ("2.0", "4.600") and slow[2] == ("12.7", "2.500")


def test_the_cost_of_a_plateau_is_that_of_the_runs_that_saw_it() -> None:
    made = comparison()
    slow = made.systems[0].runs
    learned(slow[1], [*SLOW[:-1], (1100, 22.1, 1.0), (1200, 40.0, 0.4)])
    slow[2].plateau_step = None
    rows = cells(made)
    assert rows[0][3:6] == [("1,000", "2 of 3 runs"), ("1,000", ""), ("10.0", "")]
    assert rows[1][3:6] == [("400", ""), ("400", ""), ("4.0", "")]
    for system in made.systems:
        for run in system.runs:
            run.plateau_step = None
    table = learning_table(made, token_levels(made))
    assert "tokens to plateau" not in table.header and table.header[-1] == "test BLEU, in the end"


def test_the_report_says_whether_the_faster_learner_is_better_in_the_end() -> None:
    text, reversals = compare_orders(comparison(), 400)
    assert text.startswith("The orders agree: 1 pair of systems") and not reversals
    made = comparison(slow="luong", fast="none")
    text, (reversal,) = compare_orders(made, 400)
    gap = "at least 0.5 points of validation BLEU at 400 target tokens"
    assert f"1 in the opposite order by {gap}" in text
    ahead = "`none` is ahead of `luong` at 400 target tokens (validation BLEU 20.0 and 12.7)"
    assert reversal.startswith(ahead) and "behind it in the end" in reversal
    for lead, orders in ((0.4, "agree"), (0.6, "disagree")):
        for system, bleu in zip(made.systems, (20 + lead, 20), strict=True):
            for run in system.runs:
                learned(run, [(400, bleu, 1.0), (440, 30.0, 0.5)])
        assert compare_orders(made, 400)[0].startswith(f"The orders {orders}")
    # Whatever is ahead, an order is stated only if the test finds one.
    for pair in made.tests[0].pairs:
        pair.verdict = "not distinguishable"
    text, reversals = compare_orders(made, 400)
    assert text.startswith("No two systems differ significantly in test BLEU") and not reversals


def test_the_section_is_left_out_without_curves_or_if_they_cannot_be_compared() -> None:
    assert "learning" in [section.name for section in build_sections(comparison())]
    assert not learning(results_of_files()).blocks
    made = comparison()
    made.provenance.settings["optim.schedule"] = "cosine"
    assert not token_levels(made)  # at equal tokens, the longer runs have the higher rate
    for system in made.systems:
        for run in system.runs:
            learned(run, FAST)
    assert token_levels(made) == [100, 200, 400]
    made.systems[1].runs[0].curve = []
    assert not token_levels(made)


def test_a_run_whose_first_validation_is_late_has_fewer_levels() -> None:
    made = comparison()
    for run in made.systems[0].runs:
        learned(run, SLOW[1:])
    assert token_levels(made) == [400]


@pytest.mark.parametrize(
    ("key", "given", "levels", "notes"),
    [
        ("optim.lr", {}, 3, 0),
        ("data.val.limit", {}, 0, 0),
        ("trainer.val_beam", {}, 0, 0),
        ("data.train.limit", {}, 0, 0),  # of which the validation set is held out
        ("data.train.limit", {"data.val.demo": 500}, 3, 1),
        ("data.tokenizer.vocab_size", {}, 3, 1),
    ],
)
def test_systems_with_other_validations_or_vocabularies_are_not_compared_as_if_they_had_the_same(
    key: str, given: dict[str, int], levels: int, notes: int
) -> None:
    made = comparison()
    made.provenance.settings |= given
    for number, system in enumerate(made.systems):
        system.settings[key] = number
    assert len(token_levels(made)) == levels
    assert learning(made).blocks.count(Note(VOCABULARY_NOTE)) == notes
