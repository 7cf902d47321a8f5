"""Equal tuning: the same trials for every variant, chosen by validation, without the test set."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from statistics import mean

import pytest

from helpers.training_runs import NARROW_MODEL
from helpers.tuned_comparisons import plan_tuning, tuning_arguments
from mt.compare import run
from mt.comparison.planning.arguments import parse_arguments
from mt.comparison.planning.jobs import STOPPED
from mt.comparison.planning.plan import Plan, plan_outcome
from mt.comparison.planning.trial_settings import trial_settings
from mt.comparison.planning.tuning import expected_best
from mt.comparison.schema.results import Results
from mt.comparison.schema.systems import FailedRun
from mt.errors import MTError, UsageError
from mt.run_folder import RunFolder


def plan(folder: Path, *more: str, **keys: object) -> Plan:
    return plan_tuning(tuning_arguments(folder, *more, **keys))


def test_every_variant_has_the_same_trials_without_a_test(tmp_path: Path) -> None:
    planned = plan(tmp_path)
    assert planned.runs() == [] and len(planned.missing_trials()) == 8
    for variant in planned.variants:
        values = [
            (trial.run.config.optim.lr, trial.run.config.model.dropout) for trial in variant.trials
        ]
        assert values == list(itertools.product([1e-3, 3e-3], [0.0, 0.1]))
        for trial in variant.trials:
            assert not trial.run.config.trainer.test and trial.run.config.seed == 0
            assert trial.run.config.trainer.max_steps == 3
    assert [run.variant for run in planned.missing_trials()] == ["rnn", "tr"] * 4


def test_random_trials_are_drawn_without_repetition_by_their_seed() -> None:
    tune = {"a": [str(i) for i in range(5)], "b": [str(i) for i in range(4)]}
    everything = trial_settings(tune, 0, 0)
    assert len(everything) == len(set(everything)) == 20 and everything[1] == ("a=0", "b=1")
    drawn = trial_settings(tune, 7, 3)
    assert drawn == trial_settings(tune, 7, 3) != trial_settings(tune, 7, 4)
    assert drawn == random.Random(3).sample(everything, 7)


def test_random_trials_of_a_huge_grid_are_drawn_without_building_it() -> None:
    tune = {f"key{i}": ["1", "2", "3", "4"] for i in range(30)}  # 10^18 combinations
    drawn = trial_settings(tune, 5, 0)
    assert len(set(drawn)) == 5 and all(len(settings) == 30 for settings in drawn)


@pytest.mark.parametrize(
    ("more", "keys", "message"),
    [
        (["optim.lr=1e-2"], {}, "the command line sets optim.lr, which is tuned"),
        ([], {"variants": {"a": ["model=rnn", "optim.lr=1"]}}, "variant a sets optim.lr"),
        ([], {"tune": {"optim.lr": "1e-3"}}, "tune.optim.lr must be a list of two"),
        ([], {"tune": {"optim.lr": ["1e-3", "1e-3"]}}, "two or more different values"),
        ([], {"tune": {"optim.rate": ["1", "2"]}}, "optim.rate"),
        ([], {"tune": {"optim.lr": ["1e-3", "fast"]}}, "variant rnn, optim.lr=fast"),
        ([], {"tune": {"data.train.limit": ["1", "2"]}}, "models on other text are variants"),
        ([], {"tune": {"trainer.max_steps": ["3", "6"]}}, "tune: .* would make budgets unequal"),
        ([], {"tune": {"trainer.until": ["budget", "plateau"]}}, "tune: trainer.until is chosen"),
        ([], {"tune": {"seed": ["1", "2"]}}, "tune: seed is chosen by mt-compare"),
        ([], {"tune": {"trainer.val_metric": ["bleu", "loss"]}}, "validation could not choose"),
        (
            [],
            {"tune": {"optim.lr": ["1e-3", "0.001"]}},
            "lr=1e-3 and .*0.001 are the same training",
        ),
        ([], {"tune": {"trainer.log_every": ["1", "2"]}}, "are the same training"),
        (["trainer.test=false"], {}, "the command line: trainer.test is chosen by mt-compare"),
        (["trials=5"], {}, "trials must be >= 0 and <= 4"),
        (["trials=2"], {"tune": {}}, "trials=2 needs tune"),
        (["trial_seed=1"], {}, "trial_seed=1 is a seed of the runs"),
        (["trial_seed=-1"], {}, "trial_seed must be >= 0, got -1"),
        (
            ["match_parameters=true"],
            {"tune": {"model.rnn.hidden": ["32", "64"]}},
            r"model.rnn.hidden=32, rnn has -\d.* undoes match_parameters=true",
        ),
    ],
)
def test_tuning_that_is_not_fair_or_not_possible_is_refused(
    more: list[str], keys: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        plan(tmp_path, *more, **keys)


def test_tune_on_the_command_line_replaces_that_of_the_file(tmp_path: Path) -> None:
    planned = plan(tmp_path, "tune={optim.lr: [1e-3,2e-3,4e-3]}", "trials=2", "trial_seed=9")
    (rnn, _) = planned.variants
    assert len(rnn.trials) == 2 and rnn.trials[0].run.config.seed == 9


def test_settings_that_keep_the_size_are_tuned_with_matched_parameters(tmp_path: Path) -> None:
    planned = plan(tmp_path, "match_parameters=true", "tune={model.rnn.hidden: [128,132]}")
    wanted, _ = (variant.parameters for variant in planned.variants)  # of the baseline
    for variant in planned.variants:
        for trial in variant.trials:
            assert variant.count(trial.run.config.model) == pytest.approx(wanted, rel=0.05)


def test_expected_best_is_the_mean_of_random_draws() -> None:
    scores = [3.0, 10.0, 10.5, 40.0]
    expected = expected_best(scores)
    assert expected[0] == pytest.approx(mean(scores)) and len(expected) == 4
    for n in (2, 4):  # all draws with replacement
        draws = [max(draw) for draw in itertools.product(scores, repeat=n)]
        assert expected[n - 1] == pytest.approx(mean(draws))
    assert expected_best(random.Random(1).sample(scores, 4)) == expected


@pytest.mark.medium
def test_validation_chooses_the_settings_and_no_trial_sees_the_test(
    tmp_path: Path, batches: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The rate of 1e-9 learns nothing within the budget, so the other one must be chosen."""
    given = tuning_arguments(
        tmp_path,
        *NARROW_MODEL,
        "data.tokenizer.vocab_size=0",
        "data.tokenizer.max_vocab_size=400",
        variants={"tr": ["model=transformer"]},
        tune={"optim.lr": ["1e-9", "3e-3"]},
        budget={"steps": 8},
    )
    results = run(parse_arguments(given))
    assert isinstance(results, Results)
    (tuned,) = results.tuning
    facts = [
        RunFolder.at(trial.path).read_tensors(RunFolder.at(trial.path).model)[1]
        for trial in tuned.trials
    ]
    assert [(trial.bleu, trial.loss) for trial in tuned.trials] == [
        (each["bleu"], each["loss"]) for each in facts
    ]
    assert [trial.chosen for trial in tuned.trials] == [False, True]
    assert tuned.trials[0].loss > tuned.trials[1].loss
    for trial in tuned.trials:
        folder = RunFolder.at(trial.path)
        assert not folder.scores.exists() and not folder.test_file("hypotheses").exists()
    (system,) = results.systems
    assert RunFolder.at(system.runs[0].path).read_config().optim.lr == 3e-3
    assert "chosen for tr: optim.lr=3e-3" in capsys.readouterr().err
    page = (tmp_path / "out" / "report.md").read_text("utf-8")
    assert "Expected best" in page or "expected best" in page
    # The same command trains nothing.
    batches.clear()
    again = run(parse_arguments(given))
    assert isinstance(again, Results) and again.tuning == results.tuning
    assert not any(batches)
    # A best model that was lost and replaced has no validation.
    folder = RunFolder.at(tuned.trials[0].path)
    tensors, facts = folder.read_tensors(folder.model)
    folder.write_tensors(folder.model, tensors, facts | {"best": None})
    with pytest.raises(MTError, match=f"{folder} has lost its best model.*: delete the folder"):
        run(parse_arguments(given))


def test_a_trial_that_diverged_is_a_result_and_one_that_crashed_is_not(tmp_path: Path) -> None:
    planned = plan(tmp_path)
    diverged, crashed = planned.missing_trials()[:2]
    for trial, kinds in ((diverged, ["train", "diverged"]), (crashed, ["diverged", "train"])):
        records = [{"kind": kind, "step": 3, "reason": "not finite"} for kind in kinds]
        trial.folder.append_to_log([])
        trial.folder.metrics.write_text("\n".join(map(json.dumps, records)) + "\n", "utf-8")
    assert planned.missing_trials()[0] == crashed and len(planned.missing_trials()) == 7
    outcome = plan_outcome(planned, [], [])
    failures = [trial.failure for trial in outcome.tuning[0].trials]
    assert failures == ["not finite", *["not trained"] * 3]
    assert [run.path for run in outcome.failed] == [str(diverged.folder)]


def test_no_settings_are_chosen_while_a_trial_has_yet_to_continue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = FailedRun("rnn", 0, "runs/x", STOPPED)
    monkeypatch.setattr("mt.compare.train_all", lambda runs, launcher, jobs: [stopped])
    monkeypatch.setattr("mt.compare.plan_runs", lambda plan: pytest.fail("settings were chosen"))
    with pytest.raises(MTError, match="a trial was stopped by a signal.*the same command"):
        run(parse_arguments(tuning_arguments(tmp_path)))
