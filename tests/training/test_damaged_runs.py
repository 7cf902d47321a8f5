"""Runs that continue although files of their directory are damaged or lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from helpers.training_runs import checkpoint_state, read_records, run_training
from mt.decoding.load import load_run
from mt.errors import MTError
from mt.run_folder import RunFolder
from mt.training import trainer


@pytest.mark.medium
def test_a_lost_model_is_replaced_by_the_last_weights(tiny_run, tmp_path: Path, capsys) -> None:
    overrides = [*tiny_run(60), "model/size=tiny", "trainer.max_steps=2", "trainer.val_every=1"]
    run_training(overrides)
    folder = RunFolder.at(tmp_path / "runs" / "tiny")
    folder.model.unlink()
    with pytest.raises(MTError, match="same mt-train command"):
        load_run(folder.path, torch.device("cpu"))
    capsys.readouterr()
    assert run_training(overrides) is not None
    assert "model.safetensors with the weights of step" in capsys.readouterr().err
    loaded = load_run(folder.path, torch.device("cpu"))
    assert loaded.facts["step"] == checkpoint_state(folder.path)["best_step"] == 2


def test_a_validation_that_is_repeated_stands_once(tiny_run, tmp_path: Path, monkeypatch) -> None:
    """Kill the run between the record of a validation and the checkpoint that follows."""
    folder = tmp_path / "runs" / "tiny"
    overrides = [
        *tiny_run(60), "model/size=tiny", "trainer.max_steps=2", "trainer.save_minutes=0",
    ]  # fmt: skip

    class Killed(BaseException):
        pass

    original = trainer.Trainer._save

    def save_unless_validated(self: trainer.Trainer) -> None:
        if self.state.validated == self.state.step:
            raise Killed
        original(self)

    with monkeypatch.context() as patched:
        patched.setattr(trainer.Trainer, "_save", save_unless_validated)
        with pytest.raises(Killed):
            run_training(overrides)
    lines = [json.loads(line) for line in RunFolder(folder).metrics.read_text().splitlines()]
    assert [r["step"] for r in lines if r["kind"] == "val"] == [2]
    assert checkpoint_state(folder)["step"] == 2
    with open(RunFolder(folder).metrics, "ab") as file:
        file.write(b'{"kind": "train", "step": 1, "\xff')  # does not prevent a restart
    run_training(overrides)
    lines = [json.loads(line) for line in RunFolder(folder).metrics.read_text().splitlines()]
    assert [r["step"] for r in lines if r["kind"] == "val"] == [2]
    assert len(read_records(folder, "val")) == 1


@pytest.mark.medium
def test_the_same_command_writes_damaged_files_and_missing_checksums_anew(
    tiny_run, tmp_path: Path
) -> None:
    overrides = [*tiny_run(60), "model/size=tiny", "trainer.max_steps=1"]
    run_training(overrides)
    folder = RunFolder.at(tmp_path / "runs" / "tiny")
    paths = [
        folder.path / "tokenizer.model", folder.path / "words.tgt.json",
        folder.test_file("hypotheses"), folder.test_file("references"), folder.scores,
    ]  # fmt: skip
    before = [path.read_bytes() for path in paths]
    assert run_training(overrides) is None, "nothing is damaged: the run is finished"
    for path, content in zip(paths, before, strict=True):
        path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
        with pytest.raises(MTError, match=f"{path.name} has changed .* same mt-train command"):
            folder.check(path)
    with pytest.raises(MTError, match=r"tokenizer\.model has changed"):
        load_run(folder.path, torch.device("cpu"))
    assert run_training(overrides) is not None
    assert [path.read_bytes() for path in paths] == before
    recorded = folder.checksums.path.read_text()
    folder.checksums.path.unlink()  # as if the process had been killed before each of its lines
    assert run_training(overrides) is None
    assert folder.checksums.path.read_text() == recorded
