"""Whole trainings: learning, exact resume, ranks, stopping rules and validation."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch
from torch.nn import functional as F

import mt
from helpers.gloo_ranks import on_gloo
from helpers.training_runs import (
    WIDE_MODEL,
    checkpoint_state,
    checkpoint_tensors,
    read_records,
    run_training,
)
from mt.config.schema import TrainerConfig
from mt.data.training_text import load_training_text
from mt.data.word_counts import load_counts
from mt.decoding.load import load_run
from mt.evaluate import main as evaluate
from mt.run_folder import RunFolder
from mt.training.budget import TrainingBudget

SLOW = pytest.mark.slow


@pytest.mark.medium
@pytest.mark.parametrize("model", ["transformer", pytest.param("rnn", marks=SLOW)])
def test_a_model_memorises_its_corpus(tiny_run, tmp_path, model):
    """Greedy search reproduces 16 training pairs, so the whole path from text to text works.

    A line of three of them is not shortened to one, though the model has seen single sentences.
    """
    evaluation = run_training(
        [
            *tiny_run(16),
            f"model={model}",
            "model/size=tiny",
            *WIDE_MODEL,
            "model.dropout=0",
            "optim.lr=5e-3",
            "optim.warmup=20",
            "optim.label_smoothing=0",
            "optim.ema=0",
            "trainer.max_steps=100",
            "trainer.batch_tokens=512",
            "data.clean.drop_overlap=false",
        ]
    )
    assert evaluation.scores["bleu"].value > 95
    translator = mt.load(tmp_path / "runs" / "tiny", device="cpu")
    three = (tmp_path / "train.src").read_text().splitlines()[:3]
    [joined] = translator.translate_nbest([" ".join(three)], 1)
    assert joined.text == " ".join(translator.translate(three))
    assert len(joined.parts) == 3 and joined.outputs[0].warnings == []


def test_chinese_without_a_language_is_validated_and_tested_as_chinese(tiny_run, tmp_path, capsys):
    run = tiny_run(16)
    for split in ("train", "val", "test"):
        lines = [f"我有{chr(0x4E00 + i)}个苹果。" for i in range(16 if split == "train" else 12)]
        (tmp_path / f"{split}.src").write_text("".join(f"I have {i}.\n" for i in range(len(lines))))
        (tmp_path / f"{split}.tgt").write_text("\n".join(lines) + "\n")
    run = [part for part in run if not part.startswith("data.tgt_lang")]
    vocabulary = "data.tokenizer.vocab_size=283"
    evaluation = run_training([*run, vocabulary, "model/size=tiny", "trainer.max_steps=2"])
    assert "tok:zh" in evaluation.scores["bleu"].signature
    before_training, _, _ = capsys.readouterr().err.partition("\nstep ")
    assert "note: the references are in a script without spaces" in before_training


RANDOM_RNN = [
    "model=rnn",
    "optim.optimizer=muon",
    "data.tokenizer.sampling=0.3",
    "data.concat=0.5",
    "regularise=[simcut,word_dropout]",
    "trainer.accumulate=2",
]
NOISE = [
    "data.noise.upper=0.2",
    "data.noise.typos=0.2",
    "data.noise.copy=0.2",
    "data.tokenizer.placeholders=[all]",
]


@pytest.mark.medium
@pytest.mark.parametrize(
    "extra",
    [[], RANDOM_RNN, NOISE],
    ids=["transformer", "rnn with muon and all random choices", "noise and placeholders"],
)
def test_resume_is_exact(tiny_run, tmp_path, extra):
    """2 steps and then 2 equal 4, bit for bit, across an epoch: weights, moments and average."""
    base = [*tiny_run(60), "model/size=tiny", "trainer.test=false", *extra]
    base += ["data.train.limit=24", "data.val.limit=2"]
    run_training([*base, "name=whole", "trainer.max_steps=4"])
    run_training([*base, "name=parts", "trainer.max_steps=2"])
    run_training([*base, "name=parts", "trainer.max_steps=4"])
    whole, parts = (checkpoint_tensors(tmp_path / "runs" / name) for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    state = checkpoint_state(tmp_path / "runs" / "parts")
    assert state["step"] == 4 and state["epoch"] >= 1
    steps = [record["step"] for record in read_records(tmp_path / "runs" / "parts")]
    assert steps == sorted(steps)


def start_process(arguments, tmp_path, **environment):
    command = [sys.executable, *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow  # in this process: tests/training/test_signals.py
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_same_command_continues_exactly(tiny_run, tmp_path, number):
    base = [*tiny_run(60), "model/size=tiny", "trainer.log_every=1", "trainer.val_every=0"]
    base += ["trainer.test=false", "data.val.limit=2", "trainer.max_steps=40"]
    run_training([*base, "name=whole"])
    arguments = ["-m", "mt.train", *base, "name=parts"]
    process = start_process(arguments, tmp_path)
    for line in process.stderr:
        if line.startswith("step 3 "):
            process.send_signal(number)
            break
    log = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + number
    assert "the same command continues" in log
    assert 3 <= checkpoint_state(tmp_path / "runs" / "parts")["step"] < 40
    run_training([*base, "name=parts"])
    whole, parts = (checkpoint_tensors(tmp_path / "runs" / name) for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


@pytest.mark.slow
def test_two_ranks_equal_one_with_twice_the_accumulation(tiny_run, tmp_path):
    """With an odd number of batches per epoch, so that a rank has none in the last step of each."""
    base = [*tiny_run(64), "model/size=tiny", "trainer.max_epochs=2", "trainer.precision=fp32"]
    base += ["trainer.test=false"]
    run_training([*base, "name=one", "trainer.accumulate=2"])
    on_gloo(2, lambda group: bool(run_training([*base, "name=two"])))
    one, two = (checkpoint_tensors(tmp_path / "runs" / name) for name in ("one", "two"))
    log = (tmp_path / "runs" / "two" / "train.log").read_text()
    batches = int(re.search(r"(\d+) batches per epoch", log)[1])
    state = checkpoint_state(tmp_path / "runs" / "two")
    assert batches % 2 == 1 and state["step"] == 2 * (batches + 1) // 2
    for name in one:
        torch.testing.assert_close(one[name], two[name], atol=2e-4, rtol=1e-3)


WITHOUT_IMPROVEMENT = [
    "model/size=tiny",
    "optim.lr=0",
    "optim.warmup=1",
    "trainer.val_every=2",
    "trainer.patience=2",
    "trainer.test=false",
]


def test_patience_ends_a_run_that_no_longer_improves(tiny_run, tmp_path):
    run_training([*tiny_run(60), *WITHOUT_IMPROVEMENT, "trainer.max_steps=50"])
    state = checkpoint_state(tmp_path / "runs" / "tiny")
    assert (state["step"], state["best_step"], state["validations_since_best"]) == (6, 2, 2)


def test_a_checkpoint_of_an_earlier_version_keeps_its_count_of_validations(tiny_run, tmp_path):
    """Earlier versions store `validations_since_best` as "bad"."""
    base, folder = [*tiny_run(60), *WITHOUT_IMPROVEMENT], tmp_path / "runs" / "tiny"
    run_training([*base, "trainer.max_steps=4"])
    run = RunFolder.at(folder)
    tensors, state = run.read_tensors(run.checkpoint)
    assert state["validations_since_best"] == 1
    state["bad"] = state.pop("validations_since_best")
    run.write_tensors(run.checkpoint, tensors, state)
    run_training([*base, "trainer.max_steps=50"])
    state = checkpoint_state(folder)
    assert (state["step"], state["best_step"], state["validations_since_best"]) == (6, 2, 2)
    assert "bad" not in state


@pytest.mark.medium
def test_minutes_add_up_over_restarts(tiny_run, tmp_path):
    base = [*tiny_run(60), "model/size=tiny", "trainer.test=false"]
    run_training([*base, "trainer.max_steps=3"])
    before = checkpoint_state(tmp_path / "runs" / "tiny")
    start = time.monotonic()
    run_training([*base, f"trainer.max_minutes={before['minutes'] / 0.95 + 0.02}"])
    assert time.monotonic() - start < 60
    after = checkpoint_state(tmp_path / "runs" / "tiny")
    assert after["minutes"] >= before["minutes"] + 0.01
    assert after["step"] > before["step"]


def test_without_a_limit_training_ends_after_half_an_hour():
    assert TrainingBudget.from_config(TrainerConfig()).minutes == 30
    assert TrainingBudget.from_config(TrainerConfig(max_steps=5)).minutes == 0


def test_validation_loss_is_the_mean_over_target_tokens(tiny_run, tmp_path):
    """Compared with PyTorch's loss of one sentence at a time."""
    overrides = ["model/size=tiny", "trainer.max_steps=3", "trainer.precision=fp32"]
    overrides += ["trainer.test=false"]
    run_training([*tiny_run(60), *overrides])
    run = load_run(tmp_path / "runs" / "tiny", torch.device("cpu"))
    record = read_records(tmp_path / "runs" / "tiny")[-1]
    total = count = 0
    sources, targets = (
        (tmp_path / f"val.{side}").read_text().splitlines() for side in ("src", "tgt")
    )
    for source, target in zip(sources, targets, strict=True):
        src = torch.tensor([[*run.tokenizer.encode(source, "src"), 3]])
        tgt = torch.tensor([run.tokenizer.encode(target, "tgt")])
        hidden = run.model(src, torch.ones_like(src).bool(), F.pad(tgt, (1, 0), value=2)).hidden
        expected = F.pad(tgt, (0, 1), value=3)[0]
        total += F.cross_entropy(run.model.output(hidden)[0], expected, reduction="sum").item()
        count += len(expected)
    assert (record["kind"], record["loss"]) == ("val", pytest.approx(total / count, abs=1e-4))


def test_adaptive_spans_are_reported_and_shrink_with_their_cost(tiny_run, tmp_path):
    overrides = [
        "model/size=tiny",
        "attention=adaptive_span",
        "model.transformer.window=20",
        "model.transformer.span_cost=0.1",
        "optim.ema=0",
        "optim.warmup=1",
        "optim.lr=0.01",
        "trainer.max_steps=20",
        "trainer.val_every=10",
        "trainer.test=false",
    ]
    run_training([*tiny_run(60), *overrides])
    folder = tmp_path / "runs" / "tiny"
    spans = [record["encoder layer 0 mean span"] for record in read_records(folder, "val")]
    assert 20 > spans[0] > spans[1] > 0
    assert "decoder layer 0 longest span" in (folder / "train.log").read_text()


@pytest.fixture
def trained(tiny_run, tmp_path):
    run_training([*tiny_run(60), "model/size=tiny", "trainer.max_steps=2"])
    return tmp_path / "runs" / "tiny"


def test_a_run_can_be_moved_and_tested_without_its_corpus(trained, tmp_path, capsys):
    """Elsewhere and with the text deleted, mt-evaluate gives the scores of mt-train."""
    moved = trained.rename(tmp_path / "moved")
    for file in tmp_path.glob("*.???"):
        file.unlink()
    flags = ["--no-ter", "--beam", "1", "--device", "cpu", "--json", str(tmp_path / "again.json")]
    evaluate([str(moved), *flags])
    capsys.readouterr()
    first, again = (
        json.loads(path.read_text()) for path in (moved / "test.json", tmp_path / "again.json")
    )
    assert first["scores"] == again["scores"]


def test_every_start_of_a_run_is_recorded(tiny_run, trained):
    run_training([*tiny_run(60), "model/size=tiny", "trainer.max_steps=3"])
    text = load_training_text(RunFolder.at(trained))
    assert text and text.has_single_sentences and 0.5 < text.length_ratio < 2
    assert load_counts(trained / "words.tgt.json") and load_counts(trained / "words.src.json")
    starts = json.loads((trained / "environment.json").read_text())["starts"]
    assert len(starts) == 2 and all(start["versions"]["torch"] for start in starts)
