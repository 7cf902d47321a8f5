"""Kept models and averages of weights, compared with NumPy and with an uninterrupted run."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import mt
from helpers.tiny_models import save_run, tiny_model
from helpers.training_runs import checkpoint_tensors, run_training
from mt.average import main
from mt.data.tokenizer import Tokenizer
from mt.decoding.load import load_run
from mt.errors import MTError, UsageError
from mt.models.weights import model_tensors
from mt.run_folder import RunFolder
from mt.tensor_files import read_facts
from mt.training.averaging import average_runs
from mt.training.kept_models import keep_model


def assert_mean(folder: Path, files: list[Path]) -> None:
    parts = [load_file(file) for file in files]
    for name, found in load_file(RunFolder(folder).model).items():
        expected = np.mean([part[name] for part in parts], axis=0, dtype=np.float64)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def call(capsys: pytest.CaptureFixture, *flags: object) -> tuple[int, str, str]:
    """Run mt-average; return exit code, standard output and standard error."""
    code = 0
    try:
        main([*map(str, flags)])
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, *capsys.readouterr()


@pytest.mark.medium
def test_training_keeps_the_last_models_and_their_average_translates(
    tiny_run, tmp_path: Path
) -> None:
    overrides = [*tiny_run(60), "model/size=tiny", "trainer.val_every=1", "trainer.test=false"]
    overrides += ["data.val.limit=2"]
    run_training([*overrides, "trainer.max_steps=5", "trainer.keep=3"])
    folder = RunFolder.at(tmp_path / "runs" / "tiny")
    kept = folder.kept_models()
    assert sorted(kept) == [3, 4, 5]
    assert [read_facts(kept[step])["step"] for step in (3, 4, 5)] == [3, 4, 5]
    average = checkpoint_tensors(folder.path)
    for name, tensor in load_file(kept[5]).items():  # what was validated: the moving average
        assert torch.equal(torch.tensor(tensor), average[f"average.{name}"])
    recorded = folder.checksums.path.read_text(encoding="utf-8")
    assert recorded.count("kept/") == 3

    # Stopped and continued, with another number: the same models, bit for bit.
    again = [each.replace("name=tiny", "name=again") for each in overrides]
    run_training([*again, "trainer.max_steps=4", "trainer.keep=2"])
    run_training([*again, "trainer.max_steps=5", "trainer.keep=3"])
    other = RunFolder.at(tmp_path / "runs" / "again").kept_models()
    assert sorted(other) == [3, 4, 5]
    assert all(
        np.array_equal(one, load_file(other[step])[name])
        for step, path in kept.items()
        for name, one in load_file(path).items()
    )

    files = average_runs([str(folder)], RunFolder.at(tmp_path / "last"), last=2)
    assert files == [kept[4], kept[5]]
    assert_mean(tmp_path / "last", files)
    best = average_runs([str(folder)], RunFolder.at(tmp_path / "best"), best=2)
    losses = {step: read_facts(path)["loss"] for step, path in kept.items()}
    assert best == [kept[step] for step in sorted(sorted(losses, key=losses.get)[:2])]
    assert mt.load(tmp_path / "last", device="cpu").translate(["the dog"])
    assert load_run(tmp_path / "last", torch.device("cpu")).config.name == "last"
    run_training(
        [*[each for each in overrides if each != "name=tiny"], "name=tuned", "trainer.max_steps=1",
         f"trainer.init_from={tmp_path / 'last'}"]
    )  # fmt: skip
    with pytest.raises(MTError, match="has kept 3 models, fewer than 9: train with trainer.keep=9"):
        average_runs([str(folder)], RunFolder.at(tmp_path / "no"), last=9)
    run_training([*overrides, "trainer.max_steps=6"])
    assert folder.kept_models() == {} and "kept/" not in folder.checksums.path.read_text()


def test_models_after_an_earlier_checkpoint_are_removed(run: Path, tmp_path: Path) -> None:
    folder = RunFolder.at(shutil.copytree(run, tmp_path / "run"))
    tensors = model_tensors(tiny_model(10))
    for step in (10, 20, 30, 40, 30):
        keep_model(folder, tensors, {"step": step}, 5)
    assert sorted(folder.kept_models()) == [10, 20, 30]


def test_runs_are_averaged_by_the_command(
    run: Path, tokenizer: Tokenizer, tmp_path: Path, capsys
) -> None:
    other = save_run(tmp_path / "other", tokenizer, seed=1)
    run = shutil.copytree(run, tmp_path / "run")
    RunFolder.at(run).write_origin({"license": "cc-by-4.0"})
    code, out, err = call(capsys, run, other, "--out", tmp_path / "out")
    assert (code, err) == (0, "") and "the average of 2 models" in out
    files = [RunFolder.at(each).model for each in (run, other)]
    assert_mean(tmp_path / "out", files)
    assert mt.load(tmp_path / "out", device="cpu").translate("the cat")
    assert RunFolder.at(tmp_path / "out").read_origin() == {"license": "cc-by-4.0"}
    for flags, expected, message in (
        ([run, other, "--out", tmp_path / "out"], 1, "exists: give another folder"),
        ([run, "--out", tmp_path / "new"], 2, "needs several models"),
        ([run, other, "--out", tmp_path / "new", "--last", "0"], 2, "--last must be >= 1"),
        ([run, tmp_path / "nowhere", "--out", tmp_path / "new"], 1, "no run directory"),
        ([run, other, "--shares", "1", "--out", tmp_path / "new"], 2, "for each run, 2, got 1"),
        ([run, other, "--shares", "2", "-1", "--out", tmp_path / "new"], 2, "got 2 -1"),
        ([run, other, "--shares", "0", "0", "--out", tmp_path / "new"], 2, "one of them > 0"),
        ([run, other, "--shares", "nan", "1", "--out", tmp_path / "new"], 2, "must be >= 0"),
    ):
        code, out, err = call(capsys, *flags)
        assert (code, out) == (expected, "") and message in err
    assert not (tmp_path / "new").exists()


def test_runs_have_the_given_shares_and_their_kept_models_equal_ones(
    run: Path, tokenizer: Tokenizer, tmp_path: Path, capsys
) -> None:
    other = save_run(tmp_path / "other", tokenizer, seed=1)
    call(capsys, run, other, "--shares", "3", "1", "--out", tmp_path / "out")
    parts = [load_file(RunFolder.at(each).model) for each in (run, other)]
    for name, found in load_file(RunFolder.at(tmp_path / "out").model).items():
        expected = 0.75 * parts[0][name].astype(np.float64) + 0.25 * parts[1][name]
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    assert read_facts(RunFolder.at(tmp_path / "out").model)["shares"] == [3, 1]
    folders = [
        RunFolder.at(shutil.copytree(each, tmp_path / each.name / "kept")) for each in (run, other)
    ]
    for seed, folder in enumerate(folders):
        for step in (1, 2):
            tensors = model_tensors(tiny_model(10, seed=10 * seed + step))
            keep_model(folder, tensors, {"step": step, "bleu": 0.0, "loss": 1.0}, 2)
    average_runs([*map(str, folders)], RunFolder.at(tmp_path / "mixed"), last=2, shares=[0.2, 0.8])
    kept = [load_file(folder.kept_models()[step]) for folder in folders for step in (1, 2)]
    for name, found in load_file(RunFolder.at(tmp_path / "mixed").model).items():
        expected = np.average(
            [part[name].astype(np.float64) for part in kept], axis=0, weights=[1, 1, 4, 4]
        )
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_models_that_do_not_fit_are_refused(
    run: Path, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    other = save_run(tmp_path / "other", tokenizer, encoder="rnn")
    with pytest.raises(MTError, match="different models: they differ in model.encoder"):
        average_runs([str(run), str(other)], RunFolder.at(tmp_path / "out"))
    other = save_run(tmp_path / "escaped", tokenizer)
    config = RunFolder.at(other).read_config()
    config.data.clean.unescape = not config.data.clean.unescape
    RunFolder.at(other).write_config(config)
    with pytest.raises(MTError, match=r"differ in data\.clean\.unicode or data\.clean\.unescape"):
        average_runs([str(run), str(other)], RunFolder.at(tmp_path / "out"))
    with pytest.raises(UsageError, match="several models"):
        average_runs([str(run)], RunFolder.at(tmp_path / "out"))
