"""Validation on several sets: each is scored, one decides, and training is not changed by it."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from helpers.training_runs import checkpoint_state, read_records, run_training, short_pairs
from mt.errors import UsageError
from mt.evaluate import main as evaluate
from mt.run_folder import RunFolder


@pytest.fixture
def overrides(tiny_run, tmp_path: Path) -> list[str]:
    """Return the overrides of a run with two validations, and write a set with the name old."""
    old = short_pairs("compose", 5)
    for side, attribute in (("src", "source"), ("tgt", "target")):
        text = "".join(getattr(pair, attribute) + "\n" for pair in old)
        (tmp_path / f"old.{side}").write_text(text, encoding="utf-8")
    given = [*tiny_run(60), "optim.ema=0", "trainer.val_every=2", "trainer.max_steps=4"]
    return [*(each for each in given if not each.startswith("name=")), "trainer.test=false"]


def sets(folder: Path, main: str, other: str, name: str) -> list[str]:
    return [
        f"{prefix}.{side}={folder}/{file}.{side}"
        for prefix, file in (("data.val", main), (f"+data.val_sets.{name}", other))
        for side in ("src", "tgt")
    ]


@pytest.mark.medium
def test_each_set_is_scored_and_the_named_one_decides(
    overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, both, swapped = (tmp_path / "runs" / name for name in ("plain", "both", "swapped"))
    run_training([*overrides, "name=plain"])
    run_training([*overrides, *sets(tmp_path, "val", "old", "old"), "name=both"])
    capsys.readouterr()
    run_training(
        [*overrides, *sets(tmp_path, "old", "val", "new"), "trainer.val_set=new", "name=swapped"]
    )
    shown = capsys.readouterr().err
    records = [read_records(folder, "val") for folder in (plain, both, swapped)]
    assert [len(each) for each in records] == [2, 2, 2]
    for alone, first, second in zip(*records, strict=True):
        # Scores of the set that decides, and so the choice of the model, are as without others.
        assert (alone["bleu"], alone["loss"]) == (first["bleu"], first["loss"])
        assert (second["bleu"], second["loss"]) == (first["bleu"], first["loss"])
        assert (second["val/bleu"], second["val/loss"]) == (first["old/bleu"], first["old/loss"])
        assert first["old/loss"] != first["loss"] and "old/loss" not in alone
    logged = re.findall(r"  val: BLEU ([.\d]+)  loss ([.\d]+)", shown)
    recorded = [(record["val/bleu"], record["val/loss"]) for record in records[2]]
    assert np.allclose(np.array(logged, float), recorded, rtol=0, atol=[5.1e-3, 1e-4])
    weights = [load_file(RunFolder(folder).checkpoint) for folder in (plain, both, swapped)]
    assert all(
        torch.equal(weights[0][key], other[key]) for other in weights[1:] for key in weights[0]
    )
    states = [checkpoint_state(folder) for folder in (plain, both, swapped)]
    assert len({(state["best_step"], state["best_loss"]) for state in states}) == 1
    board = EventAccumulator(str(both / "tensorboard"))
    board.Reload()
    losses = [event.value for event in board.Scalars("val/old/loss")]
    assert losses == pytest.approx([record["old/loss"] for record in records[1]])
    check_evaluation(both, tmp_path)


def check_evaluation(run: Path, folder: Path) -> None:
    """mt-evaluate --split NAME scores the text of the set."""
    flags = [str(run), "--beam", "1", "--bootstrap", "0", "--no-ter", "--device", "cpu"]
    files = ["--src", f"{folder}/old.src", "--ref", f"{folder}/old.tgt"]
    shown = []
    for choice in (["--split", "old"], files, ["--split", "val"]):
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()):
            evaluate([*flags, *choice])
        shown.append(out.getvalue())
    assert shown[0] == shown[1] != shown[2]
    with pytest.raises(SystemExit), redirect_stderr(io.StringIO()) as err:
        evaluate([*flags, "--split", "new"])
    assert "--split must be one of val, test, old" in err.getvalue()


def test_another_set_that_decides_is_another_run(overrides: list[str], tmp_path: Path) -> None:
    from mt.config.compose import differences, load_config

    given = [*overrides, *sets(tmp_path, "val", "old", "old")]
    one, other = (load_config([*given, *more]) for more in ([], ["trainer.val_set=old"]))
    assert [each.name for each in differences(one, other)] == ["trainer.val_set"]
    with pytest.raises(UsageError, match="must be one of val, old"):
        load_config([*given, "trainer.val_set=text"])
