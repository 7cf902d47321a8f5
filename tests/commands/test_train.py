"""The command line of mt-train: folders of one's own, sweeps, completion, failed starts."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import mt
from mt import compare, evaluate, export, train, translate
from mt.arguments.train import complete_arguments, prepare_arguments
from mt.comparison.planning.arguments import parse_arguments
from mt.comparison.planning.spec import load_spec
from mt.config.compose import load_config
from mt.errors import UsageError
from mt.version import __version__

FOLDERS = ("--config-dir conf", "-cd conf", "--config-dir=conf", "hydra.searchpath=[file://conf]")


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of presets of one's own, in the working directory."""
    monkeypatch.chdir(tmp_path)
    files = {
        "experiment/mine.yaml": "# @package _global_\n"
        "defaults:\n  - override /data: norwegian\n  - override /model: rnn\n"
        "name: mine\nseed: 7\noptim: {lr: 1e-2}\n",
        "data/norwegian.yaml": "name: 12:30\ntgt_lang: no\nsrc_lang: sv\ntrain: {src: 1e3}\n",
        "attention/own.yaml": "# @package model\nrnn: {attention: general}\n",
        "compare/mine.yaml": "variants: {a: [data=norwegian], b: [data=norwegian, model=rnn]}\n"
        "budget: {steps: 3}\n",
    }
    for name, text in files.items():
        path = tmp_path / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "conf"


def started(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list:
    """Return the configurations with which the command starts trainings."""
    configs: list = []
    monkeypatch.setattr(sys, "argv", ["mt-train", *arguments])
    monkeypatch.setattr("mt.train.train", configs.append)
    train.main()
    return configs


@pytest.mark.parametrize("folder", FOLDERS)
def test_presets_of_ones_own_are_found(folder, conf, monkeypatch):
    (config,) = started(monkeypatch, *folder.split(), "experiment=mine", "attention=own")
    assert (config.name, config.seed, config.optim.lr) == ("mine", 7, 0.01)
    assert (config.data.tgt_lang, config.data.name, config.data.train.src) == ("no", "12:30", "1e3")
    assert (config.model.decoder, config.model.rnn.attention) == ("rnn", "general")


@pytest.mark.parametrize("folder", FOLDERS)
def test_comparisons_of_ones_own_are_found(folder, conf):
    request = parse_arguments([*folder.split(), "compare=mine", "optim.lr=2e-3"])
    spec, _ = load_spec(request.config.compare, request.changes, request.train)
    for own, family in zip(spec.variants.values(), ("transformer", "rnn"), strict=True):
        config = load_config([*own, *request.train])
        assert (config.data.tgt_lang, config.optim.lr) == ("no", 0.002)
        assert config.model.decoder == family
    assert request.launcher[0].startswith("hydra.searchpath=")  # for the jobs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--config-dir nosuch experiment=mine", "--config-dir nosuch: there is no folder nosuch"),
        ("hydra.searchpath=[file://nosuch] seed=1", "there is no folder nosuch"),
        ("hydra.searchpath=[pkg://nosuch.conf] seed=1", "there is no package nosuch.conf"),
        ("hydra.searchpath=conf seed=1", "write a list of folders"),
        ("--config-dir", "--config-dir needs a folder"),
        ("--config-dir conf experiment=min", "did you mean experiment=mine?"),
        ("--config-dir conf data=norvegian", "did you mean data=norwegian?"),
        ("--config-dir conf attention=own", "attention=own applies to rnn models only"),
    ],
)
def test_mistakes_are_named_in_one_line(arguments, message, conf):
    for parse in (prepare_arguments, parse_arguments):
        if parse is parse_arguments and "applies" in message:
            continue  # of a variant, which is composed later
        with pytest.raises(UsageError) as error:
            parse(shlex.split(arguments))
        assert message in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_would_be_hidden_by_one_of_mt_is_refused(conf):
    (conf / "data" / "files.yaml").write_text("name: mine\n", encoding="utf-8")
    with pytest.raises(UsageError, match="data/files.yaml has the name of a file of mt"):
        prepare_arguments(["--config-dir", "conf", "data=files"])


def test_a_preset_that_is_not_yaml_is_named(conf):
    (conf / "data" / "norwegian.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(UsageError, match="norwegian.yaml: not valid YAML"):
        prepare_arguments(["--config-dir", "conf", "data=norwegian"])


@pytest.mark.medium
@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ("seed=1,2", ["demo-transformer-seed-1", "demo-transformer-seed-2"]),
        ("seed=1,2 name=x", ["x-seed-1", "x-seed-2"]),
        ("seed=1,2 name='s-${seed}'", ["s-1", "s-2"]),
        ("name=a,b", ["a", "b"]),
        (
            "model=rnn,transformer optim.lr=1e-2",
            ["demo-rnn-model-rnn", "demo-transformer-model-transformer"],
        ),
        ("model/size=tiny,base experiment=demo", ["demo-model_size-tiny", "demo-model_size-base"]),
        (
            "data.mix.x.file=x.tsv data.mix.x.weight=1,2 name=a",
            ["a-data.mix.x.weight-1", "a-data.mix.x.weight-2"],
        ),
        ("data.tgt_lang=no,true", ["demo-transformer-data.tgt_lang-no", None]),
    ],
)
def test_the_runs_of_a_sweep_have_names_of_their_own(arguments, names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    configs = started(monkeypatch, "trainer.max_steps=5", "-m", *shlex.split(arguments))
    found = [config.name for config in configs]
    assert len(set(found)) == len(names)
    assert all(name in (None, expected) for name, expected in zip(names, found, strict=True))


def test_every_value_of_a_sweep_is_checked_before_the_first_run():
    with pytest.raises(UsageError, match="optim.lr"):
        prepare_arguments(["-m", "seed=1,2", "optim.lr=1e-3,2e-3,abc"])


@pytest.mark.medium
def test_the_shell_completes_options_and_own_files(conf):
    environment = {**os.environ, "PYTHONPATH": str(Path(mt.__file__).parent.parent)}
    environment["COMP_LINE"] = "mt-train --config-dir conf experiment="
    done = subprocess.run(
        [sys.executable, "-m", "mt.train", "-sc", "query=bash"],
        capture_output=True,
        text=True,
        timeout=100,
        env=environment,
    )
    assert {"experiment=demo", "experiment=mine"} <= set(done.stdout.split()), done.stderr
    assert complete_arguments(["-sc", "install=bash"]) == ["-sc", "install=bash"]


@pytest.mark.parametrize("command", [train, translate, evaluate, compare, export])
def test_the_version_is_that_of_mt(command, monkeypatch, capsys):
    name = f"mt-{command.__name__.rsplit('.', 1)[1]}"
    monkeypatch.setattr(sys, "argv", [name, "--version"])
    try:
        command.main()
    except SystemExit as end:
        assert end.code == 0
    assert capsys.readouterr().out == f"{name} {__version__}\n"


def test_a_failed_start_leaves_no_folder_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys, "argv", "mt-train data=files data.train.src=no.en data.train.tgt=no.de".split()
    )
    with pytest.raises(SystemExit) as end:
        train.main()
    assert end.value.code == 1 and list(tmp_path.iterdir()) == []
