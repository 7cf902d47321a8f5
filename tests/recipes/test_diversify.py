"""The recipe of data diversification: its commands, the text that it adds, and a whole run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import ROOT
from mt.config.compose import load_config
from mt.data.text_files import read_lines
from mt.errors import UsageError
from mt.recipes import diversify

SOURCE = ["One  sentence.", "Two.", "", "Three.", "Four.", "Five."]
TARGET = ["Ein Satz.", "Zwei.", "Keiner.", " ", "Vier.", "Fünf."]


def turned(lines: list[str]) -> list[str]:
    return [line[::-1] for line in lines]


def added(command: list[str]) -> dict[str, tuple[list[str], list[str]]]:
    """Return both sides of the corpora that a command adds, without a tag and equally often."""
    mix = load_config(command[1:]).data.mix
    assert all((split.tag, split.weight) == ("", 1.0) for split in mix.values())
    files = {name: (Path(split.src), Path(split.tgt)) for name, split in mix.items()}
    return {name: (list(read_lines(a)), list(read_lines(b))) for name, (a, b) in files.items()}


def test_each_side_of_the_text_is_translated_by_models_of_its_direction(
    commands, given_text, tmp_path: Path
) -> None:
    given = given_text(tmp_path, SOURCE, TARGET)
    diversify.main(["--models", "2", "--teacher", "optim.lr=1e-3", "--", "seed=5", *given])
    trained = [load_config(command[1:]) for command in commands if command[0] == "train"]
    assert [(run.name, run.data.reverse, run.seed) for run in trained] == [
        ("m-forward-1", False, 6), ("m-reverse-1", True, 6),
        ("m-forward-2", False, 7), ("m-reverse-2", True, 7), ("m", False, 5),
    ]  # fmt: skip
    assert [run.optim.lr == 1e-3 for run in trained] == [True] * 4 + [False]
    sources, targets = ([line for line in side if line.strip()] for side in (SOURCE, TARGET))
    corpora = added(commands[-1])
    assert list(corpora) == ["forward1", "reverse1", "forward2", "reverse2"]
    for number in "12":
        assert corpora[f"forward{number}"] == (sources, turned(sources))
        assert corpora[f"reverse{number}"] == (turned(targets), targets)
    commands.clear()
    diversify.main(["--models", "2", "--teacher", "optim.lr=1e-3", "--", "seed=5", *given])
    assert [command[0] for command in commands] == ["train"] * 5


def test_a_reversed_direction_and_further_corpora(commands, given_text, tmp_path: Path) -> None:
    """Both sides of a corpus are swapped by data.reverse, those of the translated ones too."""
    given = given_text(tmp_path, ["a"], ["b"])
    more = [f"data.mix.more.{side}={tmp_path}/train.{side}" for side in ("src", "tgt")]
    diversify.main(["--", *given, *more, "data.reverse=true"])
    assert "data.reverse=false" in " ".join(commands[2])
    corpora = added(commands[-1])
    assert corpora["forward1"] == (["b", "b"], ["b", "b"])
    assert corpora["reverse1"] == (["a", "a"], ["a", "a"])


def test_what_cannot_work_is_refused_before_the_first_training(
    commands, given_text, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    given = given_text(tmp_path, SOURCE, TARGET)
    with pytest.raises(UsageError, match="data.train has tags"):
        diversify.main(["--", *given, "data.train.tag=<news>"])
    with pytest.raises(UsageError, match="data.both_directions"):
        diversify.main(
            ["--", *given, "data.both_directions=true", "data.src_lang=en", "data.tgt_lang=de"]
        )
    with pytest.raises(UsageError, match=r"^data.mix.reverse2 is a corpus of the recipe"):
        own = f"data.mix.reverse2.file={tmp_path}/train.tsv"
        diversify.main(["--models", "2", "--", *given, own])
    for flags, message in (
        (["--models", "0"], "--models must be >= 1"),
        (["--teacher", "seed=3"], "the recipe gives each model a seed"),
        (["--teacher", "optim.lr='1"], "No closing quotation: optim.lr='1"),
    ):
        with pytest.raises(SystemExit):
            diversify.main([*flags, "--", *given])
        assert message in capsys.readouterr().err
    assert not commands


@pytest.mark.parametrize("flags", ["--nbest 2", "--scores", "--format jsonl", "--output x"])
def test_translations_are_one_line_of_text_each(commands, given_text, tmp_path, flags) -> None:
    with pytest.raises(UsageError, match=f"--translate '{flags}': the recipe gives input and out"):
        diversify.main([f"--translate={flags}", "--", *given_text(tmp_path, SOURCE, TARGET)])
    with pytest.raises(UsageError, match="unrecognized arguments: --bean"):
        diversify.main(["--translate=--bean 2", "--", *given_text(tmp_path, SOURCE, TARGET)])
    assert not commands


def test_fine_tuning_names_the_start_of_the_reverse_models(
    commands, given_text, tmp_path: Path
) -> None:
    given = [*given_text(tmp_path, SOURCE, TARGET), "trainer.init_from=runs/one"]
    with pytest.raises(UsageError, match="trainer.init_from=runs/one translates in one direction"):
        diversify.main(["--", *given])
    diversify.main(["--reverse", "trainer.init_from=runs/other", "--", *given])
    starts = [load_config(each[1:]).trainer.init_from for each in commands if each[0] == "train"]
    assert starts == ["runs/one", "runs/other", "runs/one"]


@pytest.mark.slow
def test_the_recipe_trains_a_model_with_diversified_text(tiny_run, tmp_path: Path) -> None:
    """The whole recipe, and again when it is finished."""
    settings = [each for each in tiny_run(60) if not each.startswith("trainer.max_minutes")]
    settings = [*settings, "trainer.max_steps=3", "model=transformer", "model/size=tiny"]
    # Outputs of an untrained model would be dropped.
    settings += [f"data.clean.{name}=0" for name in ("max_repeats", "max_copied", "max_ratio")]
    command = [
        sys.executable,
        "-m",
        "mt.recipes.diversify",
        "--translate=--beam 1",
        "--",
        *settings,
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\S*forward1: .*[1-9]", done.stdout + done.stderr, re.M)
    again = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert again.returncode == 0 and again.stderr.count("translated before") == 2
    assert (again.stdout + again.stderr).count("is complete and tested") == 3
