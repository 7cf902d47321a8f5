"""The recipe of back-translation: its commands, resumption, and a whole run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import ROOT
from mt.config.compose import load_config
from mt.config.overrides import parse_override, quote_value
from mt.data.text_files import read_lines
from mt.errors import MTError, UsageError
from mt.files import write_lines
from mt.recipes import backtranslate, filter_pairs

MONOLINGUAL = ["Ein Satz.", "", "  \u200b", "Zwei  Sätze.", "Drei.", "Vier.", "Fünf."]
KEPT = ["Ein Satz.", "Zwei  Sätze.", "Drei.", "Vier.", "Fünf."]


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch):
    """Return the recipe, with parts of two lines."""
    monkeypatch.setattr(backtranslate, "PART_LINES", 2)
    monkeypatch.setattr(backtranslate, "WEIGHTS", b"weights", raising=False)
    return backtranslate


@pytest.fixture
def commands(recipe, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that the recipe runs; a translation turns the text upside down."""
    seen: list[list[str]] = []

    def run(command: str, *arguments: str) -> None:
        seen.append([command, *arguments])
        if command == "translate":
            files = dict(zip(arguments, arguments[1:], strict=False))
            lines = read_lines(Path(files["--input"]))
            write_lines(Path(files["--output"]), [line[::-1] for line in lines])
        elif "name='m-reverse'" in arguments:
            folder = Path(load_config(list(arguments)).runs_dir) / "m-reverse"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "model.safetensors").write_bytes(recipe.WEIGHTS)

    monkeypatch.setattr(recipe, "run_mt", run)
    return seen


def call(recipe, folder: Path, *flags: str, settings: tuple[str, ...] = ()) -> None:
    (folder / "mono.de").write_text("".join(f"{line}\n" for line in MONOLINGUAL), encoding="utf-8")
    given = [
        "data.train.src=a.en",
        "data.train.tgt=a.de",
        f"runs_dir={quote_value(f'{folder}/runs')}",
    ]
    given.append("name=m")
    recipe.main([str(folder / "mono.de"), *flags, "--", *given, *settings])


def mixed(command: list[str]) -> dict[str, str]:
    """Return the settings of the translated corpus in a command."""
    overrides = (parse_override(each) for each in command if each.startswith("data.mix.bt."))
    return {each.key_or_group.removeprefix("data.mix.bt."): each.value() for each in overrides}


def test_the_recipe_is_a_chain_of_commands(recipe, commands, tmp_path: Path) -> None:
    call(recipe, tmp_path, "--weight", "2", "--translate=--sample", "--reverse", "seed=7")
    assert [command[0] for command in commands] == ["train", *["translate"] * 3, "train"]
    reverse, *parts, final = commands
    given = ["data.train.src=a.en", "data.train.tgt=a.de", f"runs_dir='{tmp_path}/runs'"]
    assert reverse[1:4] == given and set(reverse[4:]) == {
        "data.reverse=true", "name='m-reverse'", "seed=7",
    }  # fmt: skip
    for number, part in enumerate(parts):
        assert part[1:5] == [f"{tmp_path}/runs/m-reverse", "--sample", "--seed", str(number)]
    assert final[1:5] == [*given, "name=m"] and final[5:] == [
        f"data.mix.bt.{key}={quote_value(value)}" for key, value in mixed(final).items()
    ]
    corpus = mixed(final)
    assert (corpus["tag"], corpus["weight"]) == ("<bt>", "2.0")
    assert list(read_lines(Path(corpus["tgt"]))) == KEPT
    assert list(read_lines(Path(corpus["src"]))) == [line[::-1] for line in KEPT]


def test_an_interrupted_recipe_goes_on_where_it_was(
    recipe, commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recipe.run_mt

    def stop_at_second_part(command: str, *arguments: str) -> None:
        if sum(each[0] == "translate" for each in commands) == 1 and command == "translate":
            raise SystemExit(130)
        run(command, *arguments)

    monkeypatch.setattr(recipe, "run_mt", stop_at_second_part)
    with pytest.raises(SystemExit, match="130"):
        call(recipe, tmp_path)
    monkeypatch.setattr(recipe, "run_mt", run)
    commands.clear()
    call(recipe, tmp_path)
    assert [command[0] for command in commands] == ["train", "translate", "translate", "train"]
    first = mixed(commands[-1])
    assert list(read_lines(Path(first["src"]))) == [line[::-1] for line in KEPT]
    commands.clear()
    call(recipe, tmp_path)  # finished: the trainings say so themselves
    assert [command[0] for command in commands] == ["train", "train"]
    assert mixed(commands[-1]) == first
    for flags in (["--translate=--beam 2"], ["--limit", "4"]):  # other text
        commands.clear()
        call(recipe, tmp_path, *flags)
        assert "translate" in {command[0] for command in commands}
    assert list(read_lines(Path(mixed(commands[-1])["tgt"]))) == KEPT[:2]
    commands.clear()
    monkeypatch.setattr(recipe, "WEIGHTS", b"others")  # the reverse model was trained further
    call(recipe, tmp_path)
    assert "translate" in {command[0] for command in commands}


def test_a_reversed_direction_swaps_the_sides(recipe, commands, tmp_path: Path) -> None:
    call(recipe, tmp_path, settings=("data.reverse=true",))
    assert "data.reverse=false" in commands[0] and "data.reverse=true" not in commands[0]
    assert list(read_lines(Path(mixed(commands[-1])["src"]))) == KEPT


@pytest.mark.parametrize("name", ["a,b", "a, b's"])
def test_folders_may_have_any_name(recipe, commands, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    call(recipe, folder)
    translated = load_config(commands[-1][1:]).data.mix["bt"]
    assert list(read_lines(Path(translated.tgt))) == KEPT
    assert (translated.tag, translated.weight) == ("<bt>", 1.0)


def test_a_command_that_fails_ends_the_recipe_with_its_code(
    recipe, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as stop:
        recipe.run_mt("translate", "no such run")
    assert stop.value.code == 1
    assert "$ mt-translate 'no such run'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mono.de"], "give the settings of mt-train after --"),
        (["mono.de", "--limit", "-1", "--", "name=x"], "--limit must be >= 0, got -1"),
    ],
)
def test_wrong_usage(recipe, arguments, message, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stop:
        recipe.main(arguments)
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_what_cannot_work_is_refused_before_the_first_training(
    recipe, commands, tmp_path: Path
) -> None:
    with pytest.raises(MTError, match=f"no such file: {tmp_path}/no.de"):
        call(recipe, tmp_path, f"{tmp_path}/no.de")
    languages = ("data.src_lang=en", "data.tgt_lang=de", "data.both_directions=true")
    with pytest.raises(UsageError, match="data.both_directions would also train"):
        call(recipe, tmp_path, settings=languages)
    assert not commands


@pytest.mark.parametrize("recipe_of", [backtranslate, filter_pairs])
def test_help_names_the_command(recipe_of, capsys: pytest.CaptureFixture) -> None:
    """It is in the wheel, so the command works without a checkout."""
    with pytest.raises(SystemExit) as stop:
        recipe_of.main(["--help"])
    assert stop.value.code == 0
    assert f"usage: python -m {recipe_of.__name__} " in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_the_recipe_trains_a_model_with_back_translated_text(tiny_run, tmp_path: Path) -> None:
    """The whole recipe, and again when it is finished."""
    settings = [each for each in tiny_run(60) if not each.startswith("trainer.max_minutes")]
    settings = [*settings, "trainer.max_steps=3", "model=transformer", "model/size=tiny"]
    # Outputs of an untrained model would be dropped.
    settings += [f"data.clean.{name}=0" for name in ("max_repeats", "max_copied", "max_ratio")]
    command = [sys.executable, "-m", "mt.recipes.backtranslate"]
    command += [str(tmp_path / "train.tgt"), "--translate=--beam 1", "--", *settings]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"training pairs by tag: none \d+, <bt> \d+", done.stdout + done.stderr)
    again = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert again.returncode == 0 and "translated before" in again.stderr
    assert "is complete and tested" in again.stdout + again.stderr
