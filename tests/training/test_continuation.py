"""Starting the command of a run again: finished runs, moved text, refusals."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers.training_runs import run_training
from mt.errors import MTError
from mt.run_folder import RunFolder


@pytest.mark.medium
def test_a_run_is_continued_with_care(tiny_run, tmp_path: Path, capsys) -> None:
    overrides = [*tiny_run(60), "model/size=tiny", "trainer.max_steps=2"]
    first = run_training(overrides)
    folder = RunFolder.at(tmp_path / "runs" / "tiny")
    written = folder.scores.stat().st_mtime_ns
    capsys.readouterr()

    # At its limit: it says so instead of testing again.
    assert run_training(overrides) is None
    output, bleu = capsys.readouterr(), first.scores["bleu"].value
    assert "is complete and tested: reached trainer.max_steps=2" in output.err
    assert "To train on, raise the limit" in output.err
    assert (
        output.out
        == f"BLEU {bleu:.2f}  chrF2 {folder.read_scores()['scores']['chrf']['value']:.2f}\n"
    )
    assert folder.scores.stat().st_mtime_ns == written

    # The same text at another path is accepted, and another text is not.
    shutil.copytree(tmp_path, tmp_path / "moved", ignore=shutil.ignore_patterns("runs", "cache"))
    moved = [o.replace(f"{tmp_path}/t", f"{tmp_path}/moved/t") for o in overrides]
    assert moved != overrides and run_training(moved) is None
    (tmp_path / "moved" / "train.src").write_text("x\n" * 60, encoding="utf-8")
    with pytest.raises(MTError, match="a corpus that has grown.* name=.*trainer.init_from="):
        run_training(moved)

    # Other settings: harmless ways are named, deleting is not.
    with pytest.raises(MTError, match=r"optim.lr was .*name=.*trainer.init_from=") as error:
        run_training([*overrides, "optim.lr=1e-4"])
    assert "delete" not in str(error.value)


@pytest.mark.medium
def test_a_run_that_is_continued_without_a_test_can_be_tested_later(tiny_run) -> None:
    overrides = [*tiny_run(60), "model/size=tiny"]
    assert run_training([*overrides, "trainer.max_steps=1"])
    overrides.append("trainer.max_steps=2")
    assert run_training([*overrides, "trainer.test=false"]) is None
    assert run_training(overrides), "the scores are those of step 1"
    assert run_training(overrides) is None


@pytest.mark.medium
def test_a_run_that_patience_has_ended_is_not_tested_again(
    tiny_run, tmp_path: Path, capsys
) -> None:
    overrides = [
        *tiny_run(60),
        "model/size=tiny",
        "optim.lr=0",
        "optim.warmup=0",
        "trainer.val_every=1",
        "trainer.max_steps=9",
        "trainer.patience=1",
    ]
    assert run_training(overrides)
    capsys.readouterr()
    assert run_training(overrides) is None
    output = capsys.readouterr()
    assert "is complete and tested: no improvement by" in output.err
    assert "To train on, raise trainer.patience" in output.err
    assert output.out.startswith("BLEU ")
    # Damaged scores are written again.
    scores = RunFolder.at(tmp_path / "runs" / "tiny").scores
    scores.write_text("[]", encoding="utf-8")
    assert run_training(overrides) and "BLEU" in scores.read_text(encoding="utf-8")


@pytest.mark.medium
def test_a_run_that_has_reached_its_plateau_says_how_to_train_on(tiny_run, capsys) -> None:
    """A higher limit would not continue it."""
    plateau = ["optim.lr=0", "optim.warmup=0", "trainer.val_every=1", "trainer.until=plateau"]
    overrides = [*tiny_run(60), "model/size=tiny", *plateau]
    assert run_training([*overrides, "trainer.max_steps=9"])
    higher = [*overrides, "trainer.max_steps=20"]
    assert run_training(higher) is None
    output = capsys.readouterr()
    assert "is complete and tested: reached its plateau at step 3" in output.err
    assert "To train on, set trainer.until=budget and a limit" in output.err
    assert run_training([*higher, "trainer.until=budget", "trainer.max_steps=5"])
    assert "training ends: reached trainer.max_steps=5" in capsys.readouterr().err
