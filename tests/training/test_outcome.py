"""Check what is said at the end of a training: its result, its limit, and what to type next."""

from __future__ import annotations

from pathlib import Path

import pytest

from mt.config.schema import Config, OptimConfig, TrainerConfig
from mt.run_folder import RunFolder
from mt.training.budget import TrainingBudget
from mt.training.checkpoint import TrainingState
from mt.training.outcome import describe_limit, describe_outcome, describe_quality
from mt.training.stopping import StoppingRule

IMPROVING = [[100, 5.0, 3.0], [200, 10.0, 2.5], [400, 20.0, 2.0]]
FLAT = [[100, 20.0, 2.0], [200, 30.0, 1.50], [400, 30.1, 1.50]]


def rule(
    schedule: str = "constant", patience: int = 0, until: str = "plateau", **limits: float
) -> StoppingRule:
    trainer = TrainerConfig(patience=patience, until=until)
    config = Config(optim=OptimConfig(schedule=schedule), trainer=trainer)
    budget = TrainingBudget(**(limits or {"minutes": 5}))  # type: ignore[arg-type]
    return StoppingRule(config, budget)


def records(nll: float) -> list[dict[str, object]]:
    """Return records of training whose loss falls to `nll` in its last fifth."""
    return [
        {"kind": "train", "step": step, "nll": nll if step > 320 else 9.0}
        for step in range(20, 401, 20)
    ] + [{"kind": "val", "step": 400, "bleu": 30.1}]


@pytest.mark.parametrize(
    ("curve", "plateau", "nll", "begin"),
    [
        (IMPROVING, 0, 1.0, "time (trainer.max_minutes=5); validations were still improving"),
        (IMPROVING, 300, 1.0, "the text; "),
        (FLAT, 0, 1.0, "the text; "),
        (FLAT, 0, 1.4, "the size of the model, or the text"),
        (FLAT, 0, 2.0, "the size of the model, or the text"),
    ],
)
def test_the_limit_follows_from_the_curves(
    curve: list[list[float]], plateau: int, nll: float, begin: str
) -> None:
    state = TrainingState(step=400, curve=curve, plateau_step=plateau)
    text = describe_limit(state, rule(), records(nll))
    assert text.startswith(begin)
    if begin.startswith("the"):
        assert f"loss {nll:.2f} in training, {min(row[2] for row in curve):.2f} in val" in text


def test_a_limit_other_than_time_is_named() -> None:
    state = TrainingState(step=400, curve=IMPROVING, minutes=1, epochs=2.0)
    text = describe_limit(state, rule(steps=400, minutes=60, epochs=5), records(1.0))
    assert text.startswith("trainer.max_steps=400; validations were still improving: raise")


def test_a_training_without_losses_or_validations_has_no_known_limit() -> None:
    assert describe_limit(TrainingState(step=400, curve=FLAT), rule(), []).startswith(
        "unknown, as there"
    )
    state = TrainingState(step=400, curve=FLAT[-1:])
    assert describe_limit(state, rule(), records(1.0)).startswith("unknown: too few")
    cosine = TrainingState(step=400, curve=IMPROVING)
    assert describe_limit(cosine, rule(schedule="cosine"), records(1.0)).startswith("unknown")


def test_what_the_falling_rate_brings_is_no_sign_of_too_little_time() -> None:
    curve = [[75, 20.0, 2.0], [150, 30.0, 1.5], [300, 30.1, 1.5], [400, 40.0, 1.2]]
    begun = TrainingState(step=400, curve=curve, decay_step=301)
    assert describe_limit(begun, rule(), records(0.9)).startswith("the text")
    never = TrainingState(step=400, curve=curve)
    assert describe_limit(never, rule(), records(1.0)).startswith("time")


def test_time_is_not_the_limit_of_a_training_that_its_patience_ended() -> None:
    curve = [*IMPROVING, [500, 19.0, 2.1], [600, 19.0, 2.1]]
    state = TrainingState(step=400, curve=curve, validations_since_best=2)
    assert describe_limit(state, rule(patience=2), records(1.0)).startswith("the text")
    for patience in (0, 3):
        text = describe_limit(state, rule(patience=patience), records(1.0))
        assert text.startswith("time")


def test_a_training_that_goes_on_after_its_plateau_is_judged_by_what_followed() -> None:
    state = TrainingState(step=400, curve=IMPROVING, plateau_step=100)
    assert describe_limit(state, rule(until="budget"), records(1.0)).startswith("time")


def test_the_next_commands_name_the_run(tmp_path: Path) -> None:
    state = TrainingState(step=400, curve=IMPROVING)
    lines = describe_outcome(state, rule(), RunFolder.at(tmp_path), bleu=9.96)
    assert [line.split(":")[0] for line in lines] == [
        "how good it is",
        "what limited it",
        "to translate",
        "to look closer",
    ]
    assert "of no use yet (10.0 BLEU)" in lines[0]
    assert f"mt-translate {tmp_path} < in.txt" in lines[2]
    assert len(describe_outcome(state, rule(), RunFolder.at(tmp_path), bleu=None)) == 2


def test_every_score_has_a_meaning() -> None:
    scores = (0.0, 10.0, 39.9, 40.0, 100.0)
    meanings = ("no use", "guess the topic", "many need editing", "good drafts", "almost")
    for score, meaning in zip(scores, meanings, strict=True):
        assert meaning in describe_quality(score)
