"""Training until a plateau, and the final decay of the learning rate."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from helpers.training_runs import (
    checkpoint_state,
    checkpoint_tensors,
    read_records,
    run_training,
)
from mt.config.checks import check_values
from mt.config.compose import load_config
from mt.config.schema import Config
from mt.config.yaml import config_from_yaml, config_to_yaml
from mt.errors import UsageError
from mt.run_folder import RunFolder
from mt.training.budget import TrainingBudget
from mt.training.checkpoint import TrainingState
from mt.training.schedules import learning_rate
from mt.training.stopping import StoppingRule
from mt.training.trainer import Trainer
from mt.training.validation import ValidationScores

# Validations 100 steps apart: BLEU and loss.
CURVES = {
    # A small RNN on 3,000 pairs of the embedded corpus, which it overfits.
    "recorded": [
        (0.03, 3.6269), (0.14, 3.2061), (0.14, 2.9553), (0.09, 2.8415), (0.18, 2.759),
        (0.28, 2.6802), (0.47, 2.5879), (0.38, 2.5374), (0.53, 2.5377), (0.46, 2.5295),
        (1.34, 2.5096), (0.52, 2.5788), (1.38, 2.604), (0.98, 2.5908), (1.69, 2.6291),
        (0.9, 2.6202), (3.08, 2.7509), (2.55, 2.7379), (2.01, 2.8414), (1.73, 2.8337),
        (2.8, 2.8738), (1.06, 2.9672), (2.27, 3.0341), (2.32, 3.0124), (2.87, 3.0268),
        (2.58, 3.0893), (2.09, 3.1739), (2.08, 3.2259),
    ],
    "converged": [
        (0.1, 3.61), (2.8, 2.42), (5.9, 2.01), (9.9, 1.62), (14.6, 1.34), (20.5, 1.12),
        (24.8, 0.98), (27.1, 0.93), (28.2, 0.905), (28.4, 0.899), (28.4, 0.898), (28.4, 0.898),
        (28.5, 0.898), (28.4, 0.898), (28.4, 0.898), (28.5, 0.898), (28.4, 0.898), (28.4, 0.898),
    ],
    "stuck": [
        (0.02, 3.67), (0.42, 2.83), (0.82, 2.62), (1.1, 2.5), (1.2, 2.49), (1.4, 2.5),
        (1.3, 2.48), (1.5, 2.49), (1.3, 2.5), (1.4, 2.52), (1.5, 2.49), (1.4, 2.6),
    ],
    "overfitted": [(5.0, 2.0), (20.0, 1.5), (30.5, 1.4), (31.0, 1.5), (30.5, 1.6), (30.7, 1.7)],
    "without loss": [(5.0, None), (20.0, None), (20.2, None), (20.3, None)],
    "still improving": [(step / 3, 4 - step / 10) for step in range(1, 30)],
}  # fmt: skip


def slow_plateau(curve: list[tuple], warmup: int) -> int:
    """Return the step of the first validation that sees the plateau, 0 if none does.

    That is the first one, from twice the warm-up on, before which no validation of the second half
    of the steps is better than all of the first half by 1 % of loss, or by 0.5 and 3 % of BLEU.
    """
    for number in range(3, len(curve) + 1):
        now = curve[number - 1][0]
        first = [point for point in curve[:number] if point[0] <= now / 2]
        second = [point for point in curve[:number] if point[0] > now / 2]
        if now < 2 * warmup or not first:
            continue
        bleu = max(point[1] for point in first)
        losses = [point[2] for point in first if point[2] is not None]
        better = False
        for _, later_bleu, later_loss in second:
            better |= later_bleu - bleu >= 0.5 and later_bleu - bleu >= 0.03 * bleu
            better |= bool(losses) and min(losses) - later_loss >= 0.01 * min(losses)
        if not better:
            return now
    return 0


def settings(**values) -> Config:
    config = Config()
    for name, value in values.items():
        section = config.optim if hasattr(config.optim, name) else config.trainer
        setattr(section, name, value)
    return config


def rule(config: Config) -> StoppingRule:
    return StoppingRule(config, TrainingBudget.from_config(config.trainer))


@pytest.mark.parametrize("warmup", [0, 400])
@pytest.mark.parametrize("name", CURVES)
def test_the_plateau_is_that_of_the_reference(name: str, warmup: int) -> None:
    curve = [(100 * i, *scores) for i, scores in enumerate(CURVES[name], 1)]
    stopping, state = (
        rule(settings(until="plateau", warmup=warmup, max_steps=10**6)),
        TrainingState(),
    )
    seen = []
    for state.step, bleu, loss in curve:
        assert stopping.is_over(state) is bool(seen)
        loss = math.nan if loss is None else loss  # no validation pair has a loss
        if stopping.note_validation(state, ValidationScores(loss, bleu, 99, [])):
            seen.append(state.step)
    assert (seen or [0])[0] == slow_plateau(curve, warmup) == state.plateau_step
    if name in ("converged", "stuck", "overfitted") and not warmup:
        assert state.plateau_step
        assert "reached its plateau at step" in stopping.reason(state)


def test_the_plateaus_of_random_curves_are_those_of_the_reference() -> None:
    random, seen = np.random.default_rng(1), []
    for _ in range(300):
        steps = np.cumsum(random.integers(1, 200, 25)).tolist()
        learned = 1 - np.exp(-np.array(steps) / random.integers(20, 500))
        bleu = 30 * learned + random.normal(0, random.choice([0, 0.5]), 25)
        loss = 4 - 3 * learned + random.normal(0, random.choice([0, 0.02]), 25)
        curve = list(zip(steps, bleu.tolist(), loss.tolist(), strict=True))
        warmup = int(random.integers(0, 500))
        stopping, state = rule(settings(until="plateau", warmup=warmup)), TrainingState()
        for state.step, *scores in curve:
            stopping.note_validation(state, ValidationScores(scores[1], scores[0], 99, []))
        assert state.plateau_step == slow_plateau(curve, warmup)
        seen.append(state.plateau_step)
    assert 50 < np.count_nonzero(seen) < 280


def rates(config: Config, plateau_step: int = 0) -> list[float]:
    """Train without a model: return the rates of all steps, with a plateau at the given step."""
    stopping, state = rule(config), TrainingState()
    found = []
    while not stopping.is_over(state):
        decayed = stopping.decay_progress(state)
        spent = stopping.budget.fraction_spent(state)
        found.append(learning_rate(config.optim, state.step + 1, spent, decayed))
        state.step += 1
        if state.step == plateau_step:
            state.plateau_step = plateau_step
    return found


SHAPES = {"linear": lambda x: 1 - x, "1-sqrt": lambda x: 1 - math.sqrt(x)}


@pytest.mark.parametrize("decay", SHAPES)
@pytest.mark.parametrize("schedule", ["constant", "inverse_sqrt"])
def test_rates_of_warm_up_stable_decay_are_those_of_the_formula(schedule: str, decay: str) -> None:
    config = settings(
        lr=0.5, warmup=4, schedule=schedule, decay=decay, decay_share=0.25, max_steps=100
    )

    def stable(step: int) -> float:
        after = 1.0 if schedule == "constant" else math.sqrt(4 / max(4, step))
        return 0.5 * min(1.0, step / 4) * after

    # 80 steps, and a quarter of them for the decay, as the budget ends.
    decayed = [stable(81 + i) * SHAPES[decay](i / 20) for i in range(20)]
    expected = [stable(step) for step in range(1, 81)] + decayed
    assert rates(config) == pytest.approx(expected)
    # A plateau after 40 steps: 10 steps of decay, and the end.
    config.trainer.until = "plateau"
    decayed = [stable(41 + i) * SHAPES[decay](i / 10) for i in range(10)]
    expected = [stable(step) for step in range(1, 41)] + decayed
    assert rates(config, plateau_step=40) == pytest.approx(expected)


def test_without_a_decay_a_plateau_is_the_end() -> None:
    assert rates(settings(until="plateau", max_steps=50), plateau_step=20) == pytest.approx(
        rates(settings(max_steps=20))
    )


def test_no_plateau_is_seen_once_the_decay_has_begun() -> None:
    config = settings(until="plateau", decay="linear", decay_share=0.5, warmup=0, max_steps=90)
    stopping, state = rule(config), TrainingState()
    for state.step in range(65, 91, 5):
        assert not stopping.note_validation(state, ValidationScores(1.0, 20.0, 99, []))
    state.curve = [[step, 20.0, 1.0] for step in (10, 20, 30)]
    assert not stopping.note_validation(state, ValidationScores(1.0, None, 0, []))
    assert not stopping.note_validation(state, ValidationScores(1.0, 20.0, 99, []))
    state.step = 40
    assert stopping.note_validation(state, ValidationScores(1.0, 20.0, 99, []))


def test_a_decay_that_a_raised_limit_postpones_does_not_look_like_a_plateau() -> None:
    """The model of the decay, at step 100, is better than those of the higher rate after it."""
    config = settings(until="plateau", decay="linear", decay_share=0.5, warmup=0, max_steps=100)
    state = TrainingState()
    for limit in (100, 1000):
        config.trainer.max_steps = limit
        stopping, start = rule(config), state.step
        for state.step in range(start, start + 100):
            assert stopping.note_decay(state) is (limit == 100 and state.step == 67)
            if (step := state.step + 1) % 10 == 0:
                bleu = step / 10 + (20 if state.decay_step else 0)
                state.step = step
                assert not stopping.note_validation(state, ValidationScores(1, bleu, 99, [])), step
        state.step = start + 100
    assert [point[0] for point in state.curve] == [*range(10, 70, 10), *range(110, 210, 10)]
    assert not state.decay_step


def test_a_validation_that_was_cut_short_does_not_decide() -> None:
    """Its BLEU is that of other pairs: the plateau would be seen too early or too late."""
    stopping, state = rule(settings(until="plateau", warmup=0)), TrainingState()
    cut_short = [
        ValidationScores(1.0, 99.0, 0, [], "out of time, of 4 pairs only"),
        ValidationScores(1.0, None, 0, [], "out of time"),
    ]
    for state.step, bleu in ((100, 10.0), (200, 20.0), (300, 20.1)):
        assert not stopping.note_validation(state, cut_short[state.step == 200])
        assert not stopping.note_validation(state, ValidationScores(1.0, bleu, 99, []))
    state.step = 400
    assert not stopping.note_validation(state, cut_short[0])
    assert stopping.note_validation(state, ValidationScores(1.0, 20.1, 99, []))
    assert [point[1] for point in state.curve] == [10.0, 20.0, 20.1, 20.1]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "3:00 left"),
        ({"patience": 5}, "at most 3:00 left"),
        ({"until": "plateau"}, "at most 3:00 left"),
        # The decay of the budget is from step 80 on: no plateau can be seen then.
        ({"until": "plateau", "decay": "linear", "step": 80}, "1:00 left"),
        ({"until": "plateau", "decay": "linear", "plateau_step": 36}, "0:15 left"),
        ({"until": "plateau", "decay": "linear", "plateau_step": 39}, "0:27 left"),
        ({"until": "plateau", "plateau_step": 40}, "done"),
        ({"plateau_step": 40}, "3:00 left"),  # continued up to the limit
    ],
)
def test_the_time_left_is_that_to_the_end_of_training(values: dict, expected: str) -> None:
    """4 minutes at step 80, or 2 at step 40; the limit is 100 steps."""
    step, plateau_step = values.pop("step", 40), values.pop("plateau_step", 0)
    stopping = rule(settings(max_steps=100, decay_share=0.25, **values))
    state = TrainingState(step=step, minutes=step / 20, plateau_step=plateau_step)
    assert stopping.time_left(state).describe() == expected
    assert (expected == "done") == stopping.is_over(state)


def stop_at(monkeypatch, step: int) -> None:
    """Stop training after a step, as a signal does; 0: never."""
    original = Trainer._synchronise

    def synchronise(self, stop=False, batches=()):
        return original(self, stop or (bool(batches) and self.state.step == step), batches)

    monkeypatch.setattr(Trainer, "_synchronise", synchronise)


# With this rate, neither loss nor BLEU changes: the plateau is seen at the third validation.
WSD = ["optim=wsd", "optim.lr=1e-5", "optim.warmup=1", "optim.decay_share=0.5"]


@pytest.mark.medium
@pytest.mark.parametrize(
    ("end", "plateau", "decay", "last"),
    [
        (["trainer.until=plateau", "trainer.max_steps=60"], [6], [7], 9),
        (["trainer.max_steps=9"], [], [7], 9),
    ],
    ids=["plateau", "budget"],
)
def test_a_run_resumed_in_every_phase_equals_an_uninterrupted_one(
    tiny_run, tmp_path, monkeypatch, end, plateau, decay, last
):
    every = ["model/size=tiny", "trainer.val_every=2", "trainer.log_every=1", "trainer.test=false"]
    every += ["data.val.limit=2"]
    base = [*tiny_run(60), *every, *WSD, *end]
    run_training([*base, "name=whole"])
    for step in (3, 6, 8):  # before the plateau, at it, in the decay
        with monkeypatch.context() as patch, pytest.raises(SystemExit):
            stop_at(patch, step)
            run_training([*base, "name=parts"])
    run_training([*base, "name=parts"])
    whole, parts = (tmp_path / "runs" / name for name in ("whole", "parts"))
    tensors = [checkpoint_tensors(folder) for folder in (whole, parts)]
    assert all(torch.equal(tensors[0][name], tensors[1][name]) for name in tensors[0])
    for folder in (whole, parts):
        for kind, steps in (("plateau", plateau), ("decay", decay)):
            assert [record["step"] for record in read_records(folder, kind)] == steps
        assert checkpoint_state(folder)["step"] == last
        assert [record["step"] for record in read_records(folder, "val")] == [2, 4, 6, 8, 9]
    by_step = [
        {record["step"]: record["lr"] for record in read_records(folder, "train")}
        for folder in (whole, parts)
    ]
    assert by_step[0] == by_step[1]
    expected = [1e-5 * (1 - math.sqrt(i / 3)) for i in range(3)]
    assert [by_step[0][step] for step in (7, 8, 9)] == pytest.approx(expected, rel=1e-4)
    log = RunFolder.at(parts).log.read_text()
    assert ("plateau at step 6" in log) is bool(plateau)
    assert log.count("the learning rate decays from step 7 on") == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"until": "plateau", "schedule": "cosine"}, "optim=wsd"),
        ({"decay": "linear", "schedule": "cosine"}, "needs optim.schedule=constant"),
        ({"until": "plateau", "val_every": 0}, "needs validations"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(values, message):
    config = settings(**values)
    config.name = "x"
    with pytest.raises(UsageError, match=message):
        check_values(config)


def test_patience_that_prevents_the_decay_is_refused_but_earlier_runs_with_it_are_read():
    with pytest.raises(UsageError, match="patience would end .* use trainer.until=plateau"):
        load_config(["trainer.patience=3", "optim.decay=1-sqrt"])
    config = settings(patience=3, decay="1-sqrt")
    config.name = "x"
    assert config_from_yaml(config_to_yaml(config)) == config
