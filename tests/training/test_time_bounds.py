"""The time of validation and test: samples, models that are not trained, and the budget."""

from __future__ import annotations

import functools
import json
import math
import re
import types

import pytest

from helpers.training_runs import read_records, run_training
from mt.config.schema import TrainerConfig
from mt.run_folder import RunFolder
from mt.training import testing, untrained
from mt.training import validation as module
from mt.training.budget import TrainingBudget
from mt.training.checkpoint import TrainingState
from mt.training.untrained import is_untrained, sample_pairs


@pytest.mark.parametrize("count", [1, 12, 100, 101, 499, 500, 501, 3000])
def test_validation_translates_a_sample_that_is_spread_over_the_set(count):
    rest, probe = sample_pairs(count)
    indices = sorted([*rest, *probe])
    assert len(set(indices)) == len(indices) == min(count, 500)
    assert len(probe) == min(count, 100)
    for part in (indices, probe):
        gaps = [b - a for a, b in zip(part, part[1:], strict=False)]
        assert part[0] == 0 and part[-1] < count
        assert not gaps or max(gaps) - min(gaps) <= 2


def test_a_model_is_untrained_if_most_outputs_do_not_end():
    assert is_untrained(101, 200) and not is_untrained(100, 200) and not is_untrained(0, 0)


def test_minutes_are_kept_for_the_last_validation():
    budget = TrainingBudget.from_config(TrainerConfig(max_minutes=10))
    for minutes, validation, spent in (
        (4.0, 2.0, 0.5),
        (8.0, 2.0, 1.0),
        (9.5, 0.0, 1.0),  # not known yet: 5 %
        (5.0, 30.0, 1.0),  # at most half
    ):
        state = TrainingState(minutes=minutes, validation_minutes=validation)
        assert budget.fraction_spent(state) == pytest.approx(spent)
    assert budget.limit_reached(TrainingState(minutes=9.5)) == "reached trainer.max_minutes=10"


def test_a_validation_has_the_time_that_is_kept_for_it_and_some_more():
    budget = TrainingBudget.from_config(TrainerConfig(max_minutes=10))
    for minutes, validation, allowed in (
        (4.0, 2.0, 6.0),
        (8.0, 2.0, 3.0),
        (9.5, 0.0, 0.75),
        (12.0, 2.0, 3.0),  # interrupted in the last validation
    ):
        state = TrainingState(step=1, minutes=minutes, validation_minutes=validation)
        assert budget.validation_minutes(state) == pytest.approx(allowed)
    assert budget.validation_minutes(TrainingState()) == math.inf  # of weights to fine-tune
    steps = TrainingBudget.from_config(TrainerConfig(max_steps=10))
    assert steps.validation_minutes(TrainingState()) == math.inf


@pytest.mark.parametrize(
    ("batches", "summary"),
    [
        (0, r"no BLEU \(out of time: the loss decides\)"),
        (3, r"BLEU [\d.]+ \(out of time, of 4 pairs only: the loss decides\)"),
        (99, r"BLEU [\d.]+ "),
    ],
)
def test_a_validation_that_is_out_of_time_is_scored_by_its_loss(
    batches, summary, tiny_run, tmp_path, monkeypatch
):
    """The clock of the validation stands still for some batches, and then the time is over."""
    monkeypatch.setattr(untrained, "PROBE_PAIRS", 4)
    monkeypatch.setattr(module, "is_untrained", lambda *_: False)
    monkeypatch.setattr(TrainingBudget, "validation_minutes", lambda *_: 1.0)
    one_by_one = functools.partial(module.Translator, batch_tokens=1)
    monkeypatch.setattr(module, "Translator", one_by_one)
    times = iter([0.0] * (1 + batches) + [61.0] * 99)
    clock = types.SimpleNamespace(monotonic=lambda: next(times))
    monkeypatch.setattr(module, "time", clock)
    train_once(tiny_run)
    folder = RunFolder.at(tmp_path / "runs" / "tiny")
    assert re.search(f"validation at step 1: {summary}", folder.log.read_text())
    (record,) = read_records(folder.path, "val")
    assert (record["bleu"] is None) == (batches < 99) and record["loss"] > 0
    assert folder.read_tensors(folder.model)[1]["bleu"] == pytest.approx(record["bleu"])


def train_once(tiny_run):
    run_training([*tiny_run(60), "model/size=tiny", "trainer.max_steps=1", "trainer.test=false"])


def test_an_untrained_model_is_validated_and_tested_on_a_few_pairs(tiny_run, tmp_path, monkeypatch):
    monkeypatch.setattr(untrained, "PROBE_PAIRS", 4)
    monkeypatch.setattr(untrained, "MAX_VALIDATION_PAIRS", 5)
    monkeypatch.setattr(testing, "PROBE_PAIRS", 8)
    base = [*tiny_run(60), "model/size=tiny", "trainer.max_steps=1"]
    for side in ("src", "tgt"):
        path = tmp_path / f"test.{side}"
        path.write_text(2 * path.read_text())
    run_training(base)
    folder = RunFolder.at(tmp_path / "runs" / "tiny")
    log = folder.log.read_text()
    assert "note: BLEU in validation is that of 5 of 6 pairs" in log
    assert "the model is not trained, most of its outputs do not end: testing on the first 8" in log
    assert json.loads(folder.scores.read_text())["sentences"] == 8
    for name in ("sources", "references", "hypotheses"):
        assert len(folder.test_file(name).read_text().splitlines()) == 8
    assert len(read_records(folder.path, "val")) == 1
