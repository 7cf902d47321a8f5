"""The recipe of back-translation: its commands, resumption, and a whole run."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import ROOT
from mt.config.compose import load_config
from mt.config.overrides import parse_override, quote_value
from mt.data.text_files import read_lines
from mt.errors import MTError, UsageError
from mt.files import write_lines
from mt.recipes import backtranslate, diversify, filter_pairs, steps

MONOLINGUAL = ["Ein Satz.", "", "  \u200b", "Zwei  Sätze.", "Drei.", "Vier.", "Fünf."]
KEPT = ["Ein Satz.", "Zwei  Sätze.", "Drei.", "Vier.", "Fünf."]


@pytest.fixture
def call(given_text) -> Callable[..., None]:
    """Run the recipe in a folder, with flags and further settings."""

    def run(folder: Path, *flags: str, settings: tuple[str, ...] = ()) -> None:
        write_lines(folder / "mono.de", MONOLINGUAL)
        given = given_text(folder, ["Text."], ["Text."])
        backtranslate.main([str(folder / "mono.de"), *flags, "--", *given, *settings])

    return run


def mixed(command: list[str]) -> dict[str, str]:
    """Return the settings of the translated corpus in a command."""
    overrides = (parse_override(each) for each in command if each.startswith("data.mix.bt."))
    return {each.key_or_group.removeprefix("data.mix.bt."): each.value() for each in overrides}


def test_the_recipe_is_a_chain_of_commands(call, commands, tmp_path: Path) -> None:
    call(tmp_path, "--weight", "2", "--translate=--sample", "--reverse", "seed=7")
    assert [command[0] for command in commands] == ["train", *["translate"] * 3, "train"]
    reverse, *parts, final = commands
    given = final[1 : final.index("name=m")]
    assert f"runs_dir='{tmp_path}/runs'" in given
    assert reverse[1:] == [*given, "data.reverse=true", "name='m-reverse'", "seed=7"]
    for number, part in enumerate(parts):
        assert part[1:5] == [f"{tmp_path}/runs/m-reverse", "--sample", "--seed", str(number)]
    assert final[len(given) + 2 :] == [
        f"data.mix.bt.{key}={quote_value(value)}" for key, value in mixed(final).items()
    ]
    corpus = mixed(final)
    assert (corpus["tag"], corpus["weight"]) == ("<bt>", "2.0")
    assert list(read_lines(Path(corpus["tgt"]))) == KEPT
    assert list(read_lines(Path(corpus["src"]))) == [line[::-1] for line in KEPT]


@pytest.mark.medium
def test_an_interrupted_recipe_goes_on_where_it_was(
    call, commands, weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = steps.run_mt

    def stop_at_second_part(command: str, *arguments: str) -> None:
        if sum(each[0] == "translate" for each in commands) == 1 and command == "translate":
            raise SystemExit(130)
        run(command, *arguments)

    monkeypatch.setattr(steps, "run_mt", stop_at_second_part)
    with pytest.raises(SystemExit, match="130"):
        call(tmp_path)
    monkeypatch.setattr(steps, "run_mt", run)
    commands.clear()
    call(tmp_path)
    assert [command[0] for command in commands] == ["train", "translate", "translate", "train"]
    first = mixed(commands[-1])
    assert list(read_lines(Path(first["src"]))) == [line[::-1] for line in KEPT]
    commands.clear()
    call(tmp_path)  # finished: the trainings say so themselves
    assert [command[0] for command in commands] == ["train", "train"]
    assert mixed(commands[-1]) == first
    for flags in (["--translate=--beam 2"], ["--limit", "4"]):  # other text
        commands.clear()
        call(tmp_path, *flags)
        assert "translate" in {command[0] for command in commands}
    assert list(read_lines(Path(mixed(commands[-1])["tgt"]))) == KEPT[:2]
    commands.clear()
    weights["m-reverse"] = b"others"  # the reverse model was trained further
    call(tmp_path)
    assert "translate" in {command[0] for command in commands}


def test_a_reversed_direction_swaps_the_sides(call, commands, tmp_path: Path) -> None:
    call(tmp_path, settings=("data.reverse=true",))
    assert "data.reverse=false" in commands[0] and "data.reverse=true" not in commands[0]
    assert list(read_lines(Path(mixed(commands[-1])["src"]))) == KEPT


@pytest.mark.parametrize("name", ["a,b", "a, b's"])
def test_folders_may_have_any_name(call, commands, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    call(folder)
    translated = load_config(commands[-1][1:]).data.mix["bt"]
    assert list(read_lines(Path(translated.tgt))) == KEPT
    assert (translated.tag, translated.weight) == ("<bt>", 1.0)


@pytest.mark.medium
def test_a_command_that_fails_ends_the_recipe_with_its_code(
    capsys: pytest.CaptureFixture,
) -> None:
    with pytest.raises(SystemExit) as stop:
        steps.run_mt("translate", "no such run")
    assert stop.value.code == 1
    assert "$ mt-translate 'no such run'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mono.de"], "give the settings of mt-train after --"),
        (["mono.de", "--limit", "-1", "--", "name=x"], "--limit must be >= 0, got -1"),
    ],
)
def test_wrong_usage(arguments, message, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stop:
        backtranslate.main(arguments)
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_what_cannot_work_is_refused_before_the_first_training(
    call, commands, tmp_path: Path
) -> None:
    with pytest.raises(MTError, match=f"no such file: {tmp_path}/no.de"):
        call(tmp_path, f"{tmp_path}/no.de")
    languages = ("data.src_lang=en", "data.tgt_lang=de", "data.both_directions=true")
    with pytest.raises(UsageError, match="data.both_directions would also train"):
        call(tmp_path, settings=languages)
    with pytest.raises(UsageError, match="weight of training corpus bt must be > 0"):
        call(tmp_path, "--weight", "0")
    with pytest.raises(UsageError, match="tag"):
        call(tmp_path, "--tag", "two words")
    assert not commands


@pytest.mark.parametrize("recipe_of", [backtranslate, diversify, filter_pairs])
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
