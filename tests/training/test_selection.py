"""Selection of the best model where BLEU can and cannot tell models apart, and patience."""

from __future__ import annotations

import math

import pytest

from helpers.training_runs import checkpoint_state, read_records, run_training
from mt.evaluation.metric import MetricOptions
from mt.evaluation.sacrebleu_metrics import Bleu
from mt.training.checkpoint import TrainingState
from mt.training.selection import criterion, describe_criterion, update_best
from mt.training.validation import ValidationScores


def select(validations, metric="bleu", warmup=0):
    """Return the state after validations (BLEU, matching 4-grams, loss), 10 steps apart."""
    state = TrainingState()
    for bleu, matches, loss in validations:
        state.step += 10
        update_best(state, ValidationScores(loss, bleu, matches, []), metric, warmup)
    return state


@pytest.mark.parametrize(
    ("validations", "metric", "best_step", "name"),
    [
        # Texts of one or two words: BLEU is always 0.
        ([(0, 0, 2.0), (0, 0, 1.0), (0, 0, 0.3), (0, 0, 0.4)], "bleu", 30, "loss"),
        # Early noise on ordinary text.
        ([(0.07, 30, 7.0), (0.08, 40, 6.0), (0.07, 30, 5.0)], "bleu", 30, "loss"),
        # A rambling early model matches a 4-gram of a short text; later ones end in time.
        ([(3.2, 1, 5.0), (0, 0, 2.0), (0, 0, 1.0)], "bleu", 30, "loss"),
        # BLEU decides as soon as it can, even against the loss.
        ([(0.9, 30, 2.0), (5, 200, 3.0), (4, 190, 1.0)], "bleu", 20, "BLEU"),
        # Ties of BLEU by loss.
        ([(5, 200, 3.0), (5, 200, 2.0), (5, 200, 2.5)], "bleu", 20, "BLEU"),
        ([(5, 200, 3.0), (9, 300, 3.5), (1, 30, 2.0)], "loss", 30, "loss"),
        # No validation pair is short enough for the loss.
        ([(5, 200, math.nan), (9, 300, math.nan), (8, 300, math.nan)], "bleu", 20, "BLEU"),
    ],
)
def test_the_best_model_is_the_one_that_the_criterion_says(validations, metric, best_step, name):
    state = select(validations, metric)
    assert state.best_step == best_step
    assert state.validations_since_best == len(validations) - best_step // 10
    assert criterion(state, metric) == name
    assert describe_criterion(state, metric).startswith(name)


def test_validations_during_warm_up_do_not_count_for_patience():
    worse = [(5, 200, 3.0), (4, 200, 3.1), (4, 200, 3.1), (4, 200, 3.1)]
    assert select(worse).validations_since_best == 3
    assert select(worse, warmup=30).validations_since_best == 2
    assert select(worse, warmup=1000).validations_since_best == 0


def test_a_noisy_best_value_of_an_earlier_version_does_not_last():
    state = TrainingState(step=50, best=0.08, best_step=20, best_loss=math.nan)
    assert update_best(state, ValidationScores(4.0, 0.07, 30, []), "bleu", 0)


def test_matches_of_bleu_are_its_4_grams():
    metric, _ = Bleu.build(MetricOptions("de"))
    references = ["eins zwei drei vier fünf sechs", "ja", "a b c d"]
    prepared = metric.prepare_references([references])
    rows = metric.sentence_statistics(["eins zwei drei vier fünf", "ja", "a b c"], prepared)
    assert metric.matches(rows.sum(0)) == 2


@pytest.mark.medium
def test_a_run_on_texts_of_one_word_keeps_its_best_model_and_does_not_stop(tiny_run, tmp_path):
    """BLEU is 0 at every validation, and the loss falls."""
    base = tiny_run(40)
    words = ["".join(chr(97 + (7 * i * k + k) % 26) for k in range(1, 5)) for i in range(40)]
    for split in ("train", "val", "test"):
        (tmp_path / f"{split}.src").write_text("".join(f"{word}\n" for word in words))
        (tmp_path / f"{split}.tgt").write_text("".join(f"{word.upper()}\n" for word in words))
    run_training(
        [
            *base,
            "model/size=tiny",
            "data.tokenizer.vocab_size=315",
            "data.clean.drop_overlap=false",
            "optim.warmup=1",
            "optim.ema=0",
            "trainer.val_every=5",
            "trainer.patience=2",
            "trainer.max_steps=30",
        ]
    )
    folder = tmp_path / "runs" / "tiny"
    records = read_records(folder, "val")
    assert {record["bleu"] for record in records} == {0}
    best = min(records, key=lambda record: record["loss"])
    state = checkpoint_state(folder)
    assert state["best_step"] == best["step"] > 5
    log = (folder / "train.log").read_text()
    assert "(best so far by loss, because BLEU is below 1" in log
    assert "best validation by loss at step" in log
