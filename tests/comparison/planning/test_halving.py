"""Successive halving: rungs, promotion, and trials that continue their runs."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from helpers.training_runs import NARROW_MODEL
from helpers.tuned_comparisons import plan_tuning, tuning_arguments
from mt.compare import run
from mt.comparison.planning.arguments import parse_arguments
from mt.comparison.planning.halving import Rung, choose, cost_share, plan_rungs, promoted
from mt.comparison.planning.overview import format_plan
from mt.comparison.planning.trials import TrialValidation
from mt.comparison.schema.results import Results
from mt.errors import UsageError
from mt.run_folder import RunFolder


@dataclass(eq=False)
class FakeTrial:
    """A trial with given validations; None: it failed there."""

    ranks: list[float | None]
    seen: set[int] = field(default_factory=set)  # rungs whose validation was asked for

    def validation(self, rung: int) -> TrialValidation | None:
        self.seen.add(rung)
        value = self.ranks[rung]
        return None if value is None else TrialValidation(value, None, (value, 0.0))


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_rungs_are_those_of_the_paper(factor: int) -> None:
    for trials in range(factor, 100):
        rungs = plan_rungs(trials, factor)
        last = len(rungs) - 1 + (trials // factor ** len(rungs) == 1)  # a rung of 1 is left out
        assert factor**last <= trials < factor ** (last + 1) and rungs[-1].trials > 1
        for number, rung in enumerate(rungs):
            assert rung.trials == int(trials / factor**number)
            assert rung.share == pytest.approx(factor ** (number - last))
    assert plan_rungs(5, 0) == [Rung(5, 1.0)]


def test_the_cost_is_that_of_the_steps_that_are_trained() -> None:
    # 9 trials, 900 steps: 9 x 100, then 3 continue to 300. 9 trials: to 225, then 2 to 900.
    assert cost_share(plan_rungs(9, 3)) == pytest.approx((900 + 3 * 200) / (9 * 900))
    assert cost_share(plan_rungs(9, 4)) == pytest.approx((9 * 225 + 2 * 675) / (9 * 900))
    assert cost_share(plan_rungs(9, 0)) == 1


def test_the_best_of_each_rung_are_promoted_and_the_best_of_the_last_is_chosen() -> None:
    draw = random.Random(0)
    for _ in range(50):
        trials = [FakeTrial([draw.randint(0, 5) for _ in range(3)]) for _ in range(18)]
        rungs = plan_rungs(18, 3)
        groups = [promoted(trials, rungs, number) for number in range(3)]
        assert groups[0] == trials
        for number in (1, 2):  # nobody who was left behind was better, or equal and earlier
            before, group = groups[number - 1], groups[number]
            assert len(group) == rungs[number].trials and set(group) <= set(before)
            for left in set(before) - set(group):
                for one in group:
                    mine, theirs = (each.ranks[number - 1] for each in (one, left))
                    assert mine > theirs or (
                        mine == theirs and before.index(one) < before.index(left)
                    )
                assert number not in left.seen, "a trial that stopped has no such validation"
        assert choose(trials, rungs) is max(groups[2], key=lambda trial: trial.ranks[2])


def test_a_late_bloomer_is_missed_and_a_failed_survivor_is_replaced() -> None:
    rungs = [Rung(4, 1 / 4), Rung(2, 1 / 2), Rung(1, 1)]
    late = FakeTrial([1, 99, 99])
    first, second, third = FakeTrial([4, 6, None]), FakeTrial([3, 5, 8]), FakeTrial([2, 0, 0])
    trials = [late, first, second, third]
    assert promoted(trials, rungs, 1) == [first, second]
    assert choose(trials, rungs) is second, "the only trial of the last rung failed"
    second.ranks[1] = None
    assert choose(trials, rungs) is third, "all of the second rung failed"
    for trial in trials:
        trial.ranks[0] = None
    assert choose(trials, rungs) is None


@pytest.mark.parametrize(
    ("more", "keys", "message"),
    [
        (["halving=1"], {}, "halving must be 0 or >= 2, got 1"),
        (["halving=-2"], {}, "halving must be 0 or >= 2, got -2"),
        (["halving=5"], {}, "halving=5 needs as many trials, and there are 4: set"),
        (["halving=3", "trials=2"], {}, "halving=3 needs as many trials, and there are 2: set"),
        (["halving=2"], {"tune": {}}, "halving=2 needs tune.*; without tuning, set halving=0"),
        (["trainer.pause_at=0.5"], {}, "trainer.pause_at is chosen by mt-compare"),
    ],
)
def test_halving_that_is_not_possible_is_refused(
    more: list[str], keys: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        plan_tuning(tuning_arguments(tmp_path, *more, **keys))


@pytest.mark.medium
def test_the_plan_says_how_many_trials_have_which_budget(tmp_path: Path) -> None:
    plan = plan_tuning(tuning_arguments(tmp_path, "halving=2", budget={"steps": 8}))
    assert {trial.config.trainer.pause_at for trial in plan.missing_trials()} == {0.25}
    for variant in plan.variants:
        for trial in variant.trials:
            assert len({each.folder for each in trial.runs}) == 1
            assert [each.overrides[-4] for each in trial.runs] == [
                f"trainer.pause_at={share}" for share in (0.25, 0.5)
            ]
    text = format_plan(plan)
    assert "4 trials of each variant with 1/4 of the budget of a run" in text
    assert "the best 2 with 1/2 of it (38 % of the cost" in text
    assert "0 of 4 with 1/4, 0 of 2 with 1/2" in text
    assert "8 trials to train before the next promotion" in text
    assert plan.trial_budgets() == pytest.approx(2 * (4 / 4 + 2 / 4))
    whole = plan_tuning(tuning_arguments(tmp_path, budget={"steps": 8}))
    assert not {each.folder for each in whole.missing_trials()} & {
        each.folder for each in plan.missing_trials()
    }, "its trials have other validations"


@pytest.mark.slow
def test_the_last_of_the_trials_is_chosen_without_training_it_further(
    tmp_path: Path, batches: list[list[str]]
) -> None:
    given = tuning_arguments(
        tmp_path,
        *NARROW_MODEL,
        variants={"tr": ["model=transformer"]},
        tune={"optim.lr": ["1e-9", "3e-3"]},
        budget={"steps": 8},
        halving=2,
    )
    results = run(parse_arguments(given))
    assert isinstance(results, Results)
    assert [len(batch) for batch in batches] == [2, 1]
    (tuned,) = results.tuning
    assert [[rung.share for rung in trial.rungs] for trial in tuned.trials] == [[0.5], [0.5]]
    assert [trial.chosen for trial in tuned.trials] == [False, True]
    assert len(tuned.expected_best) == 2, "both have the same share of the budget"
    page = (tmp_path / "out" / "report.md").read_text("utf-8")
    assert "2 trials, each with 1/2 of the budget of a run." in page
    assert "may have been stopped too early" in page and "Expected best" in page


@pytest.mark.medium
def test_promoted_trials_continue_and_the_others_stop(
    tmp_path: Path, batches: list[list[str]]
) -> None:
    """The rates of 1e-9 and 2e-9 learn nothing, so the others are promoted."""
    given = tuning_arguments(
        tmp_path,
        *NARROW_MODEL,
        variants={"tr": ["model=transformer"]},
        tune={"optim.lr": ["1e-9", "3e-3", "2e-9", "1e-4"]},
        budget={"steps": 8},
        halving=2,
    )
    results = run(parse_arguments(given))
    assert isinstance(results, Results)
    assert [len(batch) for batch in batches] == [4, 2, 1]
    assert batches[1] == [f"tr optim.lr={lr}, 1/2 of the budget" for lr in ("3e-3", "1e-4")]
    (tuned,) = results.tuning
    reached = [[rung.share for rung in trial.rungs] for trial in tuned.trials]
    assert reached == [[0.25], [0.25, 0.5], [0.25], [0.25, 0.5]]
    assert [trial.chosen for trial in tuned.trials] == [False, True, False, False]
    assert tuned.expected_best == []
    for trial, shares in zip(tuned.trials, reached, strict=True):
        folder = RunFolder.at(trial.path)
        assert folder.read_cost()["steps"] == 8 * shares[-1] and not folder.scores.exists()
        losses = {each["step"]: each["loss"] for each in folder.read_metrics() if "bleu" in each}
        assert [rung.loss for rung in trial.rungs] == pytest.approx(
            [min(losses[step] for step in losses if step <= 8 * share) for share in shares]
        )
    (system,) = results.systems
    assert RunFolder.at(system.runs[0].path).read_config().optim.lr == 3e-3
    page = (tmp_path / "out" / "report.md").read_text("utf-8")
    assert (
        "Successive halving" in page and "trained 4 with 1/4 and 2 with 1/2 of the budget" in page
    )
    assert "validation BLEU with 1/4" in page and "Expected best" not in page
    # The same command trains nothing, and one that was interrupted continues with the next rung.
    batches.clear()
    again = run(parse_arguments(given))
    assert isinstance(again, Results) and again.tuning == results.tuning
    assert batches == [[]] * 3
    RunFolder.at(tuned.trials[1].path).checkpoint.unlink()
    plan = plan_tuning(given)
    assert [each.label for each in plan.missing_trials()] == ["tr optim.lr=3e-3, 1/4 of the budget"]
