"""Failures in training and damaged run directories: one clear line, and nothing is lost."""

from __future__ import annotations

import dataclasses
import errno
import math
import os
import shutil

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file

from helpers.training_runs import NARROW_MODEL, run_training, write_tiny_run
from mt.decoding.load import load_run
from mt.errors import MTError
from mt.run_folder import RunFolder
from mt.training import objective
from mt.training.objective import Objective


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Train one run, of which each test gets a copy."""
    folder = tmp_path_factory.mktemp("template")
    base = [*write_tiny_run(folder, 60), *NARROW_MODEL, "model/size=tiny"]
    run_training([*base, "trainer.max_steps=2"])
    return folder


@pytest.fixture
def trained(template, tmp_path):
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    run = tmp_path / "runs" / "tiny"
    edit_config(run, lambda text: text.replace(str(template), str(tmp_path)))
    return run


def edit_config(folder, edit):
    """Change config.yaml as a version of mt that wrote it so would have done."""
    run = RunFolder.at(folder)
    with run.checksums.update(run.config):
        run.config.write_text(edit(run.config.read_text()))


def test_a_run_with_other_settings_is_not_continued(tiny_run, trained):
    with pytest.raises(MTError, match="optim.lr was 0.001, now 0.002"):
        run_training([*tiny_run(60), "model/size=tiny", "trainer.max_steps=4", "optim.lr=0.002"])


def test_a_directory_that_is_not_a_run_is_not_written_to(tiny_run, tmp_path):
    folder = tmp_path / "runs" / "tiny"
    folder.mkdir(parents=True)
    (folder / "thesis.tex").write_text("precious")
    with pytest.raises(MTError, match="is not a run directory"):
        run_training([*tiny_run(60), "model/size=tiny", "trainer.max_steps=2"])
    assert os.listdir(folder) == ["thesis.tex"]


def truncate_model(folder):
    path = RunFolder.at(folder).model
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def write_model_of_another_program(folder):
    save_file({"x": torch.zeros(1)}, RunFolder.at(folder).model)


def write_model_of_a_newer_version(folder):
    path = RunFolder.at(folder).model
    save_file(load_file(path), path, {"mt_format": "99", "facts": "{}"})


def change_model_settings(folder):
    edit_config(folder, lambda text: text.replace("ff_dim: 64", "ff_dim: 128"))


def add_unknown_setting(folder):
    edit_config(folder, lambda text: text + "quantum: true\n")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda folder: RunFolder.at(folder).model.unlink(),
            "has no model.safetensors, .* same mt-train",
        ),
        (lambda folder: (folder / "config.yaml").unlink(), "has no config.yaml"),
        (lambda folder: (folder / "tokenizer.model").unlink(), "tokenizer"),
        (truncate_model, "is damaged"),
        (write_model_of_another_program, "was not written by mt"),
        (write_model_of_a_newer_version, "upgrade mt"),
        (change_model_settings, "does not match the model that the configuration describes"),
        (add_unknown_setting, "upgrade mt if a newer version wrote it"),
    ],
)
def test_a_damaged_run_directory_gives_a_clear_line(trained, damage, message):
    damage(trained)
    with pytest.raises(MTError, match=message) as error:
        load_run(trained, torch.device("cpu"))
    assert "\n" not in str(error.value)


def test_a_full_disk_keeps_the_old_checkpoint(tiny_run, trained, monkeypatch):
    old = RunFolder.at(trained).checkpoint.read_bytes()

    def fill_disk(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", fill_disk)
    with pytest.raises(MTError, match="No space left on device; the old file is unchanged"):
        run_training([*tiny_run(60), "model/size=tiny", "trainer.max_steps=4"])
    assert RunFolder.at(trained).checkpoint.read_bytes() == old
    assert [path.name for path in (trained / "last").iterdir()] == ["checkpoint.safetensors"]


def run_out_of_memory(*_):
    raise torch.OutOfMemoryError("CUDA out of memory")


def test_running_out_of_memory_says_what_to_lower(tiny_run, monkeypatch):
    monkeypatch.setattr(Objective, "__call__", run_out_of_memory)
    with pytest.raises(MTError, match=r"lower trainer.batch_tokens \(now 256\)"):
        run_training([*tiny_run(60), "model/size=tiny", "trainer.max_steps=2"])


@pytest.mark.medium
def test_a_run_that_failed_before_its_first_save_may_restart_with_other_settings(
    tiny_run, monkeypatch, tmp_path
):
    base = [*tiny_run(60), "model/size=tiny", "trainer.max_steps=2"]
    with monkeypatch.context() as patched:
        patched.setattr(Objective, "__call__", run_out_of_memory)
        with pytest.raises(MTError, match="lower trainer.batch_tokens"):
            run_training(base)
    run_training([*base, "trainer.batch_tokens=200"])
    assert RunFolder.at(tmp_path / "runs" / "tiny").model.exists()


def test_divergence_ends_the_run(tiny_run, monkeypatch):
    def diverge(hidden, *_):
        return hidden.sum() * math.nan, hidden.detach().sum(-1)

    monkeypatch.setattr(objective, "sum_token_loss", diverge)
    overrides = ["trainer.max_steps=30", "trainer.log_every=10", "trainer.val_every=0"]
    with pytest.raises(MTError, match="lower optim.lr"):
        run_training([*tiny_run(60), "model/size=tiny", *overrides])


def test_two_processes_cannot_train_the_same_run(tiny_run, trained):
    with (
        FileLock(trained / ".lock"),
        pytest.raises(MTError, match="is being trained by another process"),
    ):
        run_training([*tiny_run(60), "model/size=tiny", "trainer.max_steps=4"])


def test_a_refused_start_leaves_the_run_unchanged(tiny_run, trained):
    """If the text and thus the vocabulary has changed, the old one must stay with its weights."""
    names = ("tokenizer.model", "model.safetensors", "last/checkpoint.safetensors", "config.yaml")
    before = {name: (trained / name).read_bytes() for name in names}
    source = trained.parent.parent / "train.src"
    source.write_text(source.read_text().replace("e", "i"))
    with pytest.raises(MTError, match="was trained on different prepared text"):
        run_training([*tiny_run(60, write=False), "model/size=tiny", "trainer.max_steps=4"])
    assert all((trained / name).read_bytes() == content for name, content in before.items())


def test_every_setting_of_a_run_survives_the_run_directory(trained):
    assert dataclasses.asdict(RunFolder.at(trained).read_config()) == dataclasses.asdict(
        load_run(trained, torch.device("cpu")).config
    )
