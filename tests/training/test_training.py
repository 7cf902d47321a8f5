"""The training loop: exact resume, ranks, limits, and what happens when things go wrong."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from mt.config.compose import load_config
from mt.config.schema import TrainerConfig
from mt.data.word_counts import load_counts
from mt.decoding.load import load_run
from mt.errors import MTError
from mt.evaluate import main as evaluate
from mt.run_folder import RunFolder, read_tensors
from mt.train import train
from mt.training import trainer
from mt.training.budget import Budget


def run(overrides):
    return train(load_config(overrides))


def final_weights(folder):
    return load_file(RunFolder.at(folder).checkpoint)


# --- whole runs
# ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["transformer", "rnn"])
def test_a_model_learns_its_corpus_by_heart(tiny_run, model):
    """Thirty pairs, learned until greedy search repeats them: the whole path from text to text works."""
    evaluation = run(
        [
            *tiny_run(30),
            f"model={model}",
            "model/size=tiny",
            "model.dropout=0",
            "optim.lr=3e-3",
            "optim.warmup=50",
            "optim.label_smoothing=0",
            "optim.ema=0",
            "trainer.max_steps=260",
            "trainer.batch_tokens=512",
            "data.test.limit=30",
            "data.clean.drop_overlap=false",
        ]
    )
    assert evaluation.scores["bleu"].value > 95


@pytest.mark.parametrize(
    "extra",
    [
        [],
        [
            "model=rnn",
            "optim.optimizer=muon",
            "data.tokenizer.sampling=0.3",
            "trainer.accumulate=2",
        ],
    ],
    ids=["transformer", "rnn, muon, sampling"],
)
def test_resume_is_exact(tiny_run, tmp_path, extra):
    """5 steps and then 21 more equal 26, bit for bit, over the end of an epoch: weights, moments, average."""
    base = [*tiny_run(60), "model/size=tiny", *extra]
    run([*base, "name=whole", "trainer.max_steps=26"])
    run([*base, "name=parts", "trainer.max_steps=5"])
    run([*base, "name=parts", "trainer.max_steps=26"])
    whole, parts = (final_weights(tmp_path / "runs" / name) for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    _, state = read_tensors(RunFolder.at(tmp_path / "runs" / "parts").checkpoint)
    assert state["step"] == 26 and state["epoch"] >= 1
    steps = [
        json.loads(line)["step"]
        for line in (tmp_path / "runs" / "parts" / "metrics.jsonl").read_text().splitlines()
    ]
    assert steps == sorted(steps)


def start(arguments, tmp_path, **environment):
    command = [sys.executable, *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_same_command_continues_exactly(tiny_run, tmp_path, number):
    base = [*tiny_run(60), "model/size=tiny", "trainer.log_every=1", "trainer.val_every=0"]
    run([*base, "name=whole", "trainer.max_steps=60"])
    process = start(["-m", "mt.train", *base, "name=parts", "trainer.max_steps=60"], tmp_path)
    for line in process.stderr:
        if line.startswith("step 3 "):
            process.send_signal(number)
            break
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "the same command continues" in said
    _, state = read_tensors(RunFolder.at(tmp_path / "runs" / "parts").checkpoint)
    assert 3 <= state["step"] < 60
    run([*base, "name=parts", "trainer.max_steps=60"])
    whole, parts = (final_weights(tmp_path / "runs" / name) for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_two_ranks_train_what_one_trains_with_twice_the_accumulation(tiny_run, tmp_path):
    """With an odd number of batches an epoch, so that one rank has none in the last step of each."""
    base = [*tiny_run(64), "model/size=tiny", "trainer.max_epochs=2", "trainer.precision=fp32"]
    run([*base, "name=one", "trainer.accumulate=2"])
    process = start(
        [
            "-m",
            "torch.distributed.run",
            "--nproc-per-node",
            "2",
            "-m",
            "mt.train",
            *base,
            "name=two",
        ],
        tmp_path,
    )
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 0, said
    one, two = (final_weights(tmp_path / "runs" / name) for name in ("one", "two"))
    _, state = read_tensors(RunFolder.at(tmp_path / "runs" / "two").checkpoint)
    batches = int(next(line for line in said.splitlines() if "batches;" in line).split()[3])
    assert batches % 2 == 1 and state["step"] == 2 * (batches + 1) // 2
    for name in one:
        torch.testing.assert_close(one[name], two[name], atol=2e-4, rtol=1e-3)


def test_patience_ends_a_run_that_no_longer_improves(tiny_run, tmp_path):
    run(
        [
            *tiny_run(60),
            "model/size=tiny",
            "optim.lr=0",
            "trainer.max_steps=50",
            "trainer.val_every=2",
            "trainer.patience=2",
        ]
    )
    _, state = read_tensors(RunFolder.at(tmp_path / "runs" / "tiny").checkpoint)
    assert (state["step"], state["best_step"], state["bad"]) == (6, 2, 2)


def test_minutes_add_up_over_restarts(tiny_run, tmp_path):
    base = [*tiny_run(60), "model/size=tiny"]
    run([*base, "trainer.max_steps=3"])
    _, before = read_tensors(RunFolder.at(tmp_path / "runs" / "tiny").checkpoint)
    began = time.monotonic()
    run([*base, f"trainer.max_minutes={before['minutes'] + 0.05}"])
    assert time.monotonic() - began < 60
    _, after = read_tensors(RunFolder.at(tmp_path / "runs" / "tiny").checkpoint)
    assert after["minutes"] >= before["minutes"] + 0.05
    assert after["step"] > before["step"]


def test_validation_loss_is_the_mean_over_target_tokens(tiny_run, tmp_path):
    """Against one sentence at a time through torch's own loss."""
    run([*tiny_run(60), "model/size=tiny", "trainer.max_steps=3", "trainer.precision=fp32"])
    loaded = load_run(tmp_path / "runs" / "tiny", torch.device("cpu"))
    record = [
        json.loads(line)
        for line in (tmp_path / "runs" / "tiny" / "metrics.jsonl").read_text().splitlines()
    ][-1]
    total = count = 0
    sources, targets = (
        (tmp_path / f"val.{side}").read_text().splitlines() for side in ("src", "tgt")
    )
    for source, target in zip(sources, targets, strict=True):
        src = torch.tensor([[*loaded.tokenizer.encode(source, "src"), 3]])
        tgt = torch.tensor([loaded.tokenizer.encode(target, "tgt")])
        hidden = loaded.model(src, torch.ones_like(src).bool(), F.pad(tgt, (1, 0), value=2)).hidden
        wanted = F.pad(tgt, (0, 1), value=3)[0]
        total += F.cross_entropy(loaded.model.output(hidden)[0], wanted, reduction="sum").item()
        count += len(wanted)
    assert (record["kind"], record["loss"]) == ("val", pytest.approx(total / count, abs=1e-4))


def test_spans_are_reported_and_shrink_at_their_price(tiny_run, tmp_path):
    spans = [
        "attention=adaptive_span",
        "model.transformer.window=20",
        "model.transformer.span_cost=0.1",
        "optim.ema=0",
        "optim.warmup=1",
    ]
    run(
        [
            *tiny_run(60),
            "model/size=tiny",
            *spans,
            "optim.lr=0.01",
            "trainer.max_steps=20",
            "trainer.val_every=10",
        ]
    )
    records = [
        json.loads(line)
        for line in (tmp_path / "runs" / "tiny" / "metrics.jsonl").read_text().splitlines()
    ]
    found = [r["encoder layer 1 mean span"] for r in records if r["kind"] == "val"]
    assert 20 > found[0] > found[1] > 0
    assert "decoder layer 0 longest span" in (tmp_path / "runs" / "tiny" / "train.log").read_text()


def test_fine_tuning_starts_from_the_other_run(tiny_run, tmp_path):
    run([*tiny_run(60), "model/size=tiny", "name=first", "trainer.max_steps=3"])
    run(
        [
            *tiny_run(60),
            "model/size=tiny",
            "name=second",
            "trainer.max_steps=1",
            "optim.lr=0",
            f"trainer.init_from={tmp_path}/runs/first",
        ]
    )
    first, second = (
        load_file(RunFolder.at(tmp_path / "runs" / name).model) for name in ("first", "second")
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


# --- what may go wrong
# ---------------------------------------------------------------------------------------------


@pytest.fixture
def trained(tiny_run, tmp_path):
    run([*tiny_run(60), "model/size=tiny", "trainer.max_steps=2"])
    return tmp_path / "runs" / "tiny"


def test_a_run_with_other_settings_is_not_continued(tiny_run, trained):
    with pytest.raises(MTError, match=r"optim.lr was 0.001, now 0.002"):
        run([*tiny_run(60), "model/size=tiny", "trainer.max_steps=4", "optim.lr=0.002"])


def test_a_foreign_folder_is_not_written_to(tiny_run, tmp_path):
    folder = tmp_path / "runs" / "tiny"
    folder.mkdir(parents=True)
    (folder / "thesis.tex").write_text("precious")
    with pytest.raises(MTError, match="is no run directory"):
        run([*tiny_run(60), "model/size=tiny", "trainer.max_steps=2"])
    assert os.listdir(folder) == ["thesis.tex"]


def spoil_truncate(folder):
    data = RunFolder.at(folder).model.read_bytes()
    RunFolder.at(folder).model.write_bytes(data[: len(data) // 2])


def spoil_foreign(folder):
    save_file({"x": torch.zeros(1)}, RunFolder.at(folder).model)


def spoil_newer(folder):
    save_file(
        load_file(RunFolder.at(folder).model),
        RunFolder.at(folder).model,
        {"mt_format": "99", "facts": "{}"},
    )


def spoil_other_model(folder):
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace("ff_dim: 256", "ff_dim: 128"))


def spoil_newer_config(folder):
    with open(folder / "config.yaml", "a") as file:
        file.write("quantum: true\n")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: RunFolder.at(folder).model.unlink(), "has no model.safetensors yet"),
        (lambda folder: (folder / "config.yaml").unlink(), "has no config.yaml"),
        (lambda folder: (folder / "tokenizer.model").unlink(), "tokenizer"),
        (spoil_truncate, "is damaged"),
        (spoil_foreign, "was not written by mt"),
        (spoil_newer, "upgrade mt"),
        (spoil_other_model, "another model than the configuration describes"),
        (spoil_newer_config, "another version of mt"),
    ],
)
def test_a_bad_run_directory_gets_a_clear_line(trained, spoil, message):
    spoil(trained)
    with pytest.raises(MTError, match=message) as error:
        load_run(trained, torch.device("cpu"))
    assert "\n" not in str(error.value)


def test_no_space_while_saving_keeps_the_old_checkpoint(tiny_run, trained, monkeypatch):
    old = RunFolder.at(trained).checkpoint.read_bytes()

    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(
        MTError, match="No space left on device; what was saved there before is unchanged"
    ):
        run([*tiny_run(60), "model/size=tiny", "trainer.max_steps=4"])
    assert RunFolder.at(trained).checkpoint.read_bytes() == old
    assert [path.name for path in (trained / "last").iterdir()] == ["checkpoint.safetensors"]


def test_running_out_of_memory_says_what_to_lower(tiny_run, monkeypatch):
    def fails(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(trainer.Trainer, "_loss", fails)
    with pytest.raises(MTError, match=r"lower trainer.batch_tokens \(now 256\)"):
        run([*tiny_run(60), "model/size=tiny", "trainer.max_steps=2"])


def test_a_run_that_failed_before_its_first_save_may_begin_anew_with_other_settings(
    tiny_run, monkeypatch, tmp_path
):
    with monkeypatch.context() as patched:
        patched.setattr(
            trainer.Trainer,
            "_loss",
            lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("out of memory")),
        )
        with pytest.raises(MTError, match="lower trainer.batch_tokens"):
            run([*tiny_run(60), "model/size=tiny", "trainer.max_steps=2"])
    run([*tiny_run(60), "model/size=tiny", "trainer.max_steps=2", "trainer.batch_tokens=200"])
    assert RunFolder.at(tmp_path / "runs" / "tiny").model.exists()


def test_divergence_ends_the_run(tiny_run, monkeypatch):
    monkeypatch.setattr(
        trainer,
        "cross_entropy",
        lambda hidden, *_: (hidden.sum() * math.nan, hidden.sum().detach()),
    )
    with pytest.raises(MTError, match="lower optim.lr"):
        run(
            [
                *tiny_run(60),
                "model/size=tiny",
                "trainer.max_steps=30",
                "trainer.log_every=10",
                "trainer.val_every=0",
            ]
        )


def test_without_a_limit_training_ends_after_half_an_hour():
    assert Budget.of(TrainerConfig()).minutes == 30
    assert Budget.of(TrainerConfig(max_steps=5)).minutes == 0


def test_the_same_run_is_not_trained_twice_at_once(tiny_run, trained):
    with (
        FileLock(trained / ".lock"),
        pytest.raises(MTError, match="is being trained by another process"),
    ):
        run([*tiny_run(60), "model/size=tiny", "trainer.max_steps=4"])


def test_a_refused_start_leaves_the_run_as_it_was(tiny_run, trained):
    """The text has changed, and with it the vocabulary: the old one must stay with the old weights."""
    before = {
        name: (trained / name).read_bytes()
        for name in (
            "tokenizer.model",
            "model.safetensors",
            "last/checkpoint.safetensors",
            "config.yaml",
        )
    }
    source = trained.parent.parent / "train.src"
    source.write_text(source.read_text().replace("e", "i"))
    with pytest.raises(MTError, match="the prepared text is not what"):
        run([*tiny_run(60, write=False), "model/size=tiny", "trainer.max_steps=4"])
    assert all((trained / name).read_bytes() == content for name, content in before.items())


def test_every_setting_of_a_run_survives_the_run_directory(trained):
    assert dataclasses.asdict(RunFolder.at(trained).read_config()) == dataclasses.asdict(
        load_run(trained, torch.device("cpu")).config
    )


def test_a_run_can_be_moved_and_tested_without_its_corpus(trained, tmp_path, capsys):
    """The folder is the whole model: mt-evaluate gives the figures of mt-train elsewhere, with the text gone."""
    moved = trained.rename(tmp_path / "moved")
    for file in tmp_path.glob("*.???"):
        file.unlink()
    evaluate([str(moved), "--no-ter", "--device", "cpu", "--json", str(tmp_path / "again.json")])
    capsys.readouterr()
    first, again = (
        json.loads(path.read_text()) for path in (moved / "test.json", tmp_path / "again.json")
    )
    assert first["scores"] == again["scores"]


def test_every_start_of_a_run_is_on_record(tiny_run, trained):
    run([*tiny_run(60), "model/size=tiny", "trainer.max_steps=3"])
    assert load_counts(trained / "words.tgt.json") and load_counts(trained / "words.src.json")
    starts = json.loads((trained / "environment.json").read_text())["starts"]
    assert len(starts) == 2 and all(start["versions"]["torch"] for start in starts)
