"""The value `auto` of settings, and presets that are implied."""

from __future__ import annotations

from pathlib import Path

import pytest

from mt.arguments.train import prepare_arguments
from mt.config.automatic import decode_text, encode_content, encode_override, open_keys
from mt.config.compose import load_config
from mt.config.schema import OptimConfig, get_value, keys
from mt.config.setting import AUTO_NUMBER, default_value
from mt.errors import UsageError


def test_auto_is_a_value_of_settings_that_may_be_chosen_and_of_no_others(tmp_path: Path) -> None:
    assert load_config(["optim.lr=auto"]).optim.lr == AUTO_NUMBER
    assert "optim.lr" in open_keys(load_config(["optim=muon", "optim.lr=auto"]))
    assert "optim.lr" not in open_keys(load_config(["optim.lr=1e-3"]))
    folder = tmp_path / "optim"
    folder.mkdir()
    (folder / "mine.yaml").write_text("lr: 2e-3\nwarmup: auto\noptimizer: auto\n")
    own = load_config([f"hydra.searchpath=[file://{tmp_path}]", "optim=mine"])
    assert (own.optim.lr, own.optim.warmup, own.optim.optimizer) == (2e-3, AUTO_NUMBER, "auto")
    with pytest.raises(UsageError, match=r"optim\.clip"):
        load_config(["optim.clip=auto"])
    with pytest.raises(UsageError, match=r"optim\.warmup must be >= 0"):
        load_config(["optim.warmup=-1"])
    for written in ("++optim.lr=auto", "optim.lr='auto'"):
        assert load_config([written]).optim.lr == AUTO_NUMBER
    assert load_config(["name='x-${optim.lr}-${model.dim}'"]).name == "x-auto-auto"
    named = load_config(["name=tokens-1000000000", "runs_dir=runs-1000000000"])
    assert (named.name, named.runs_dir) == ("tokens-1000000000", "runs-1000000000")
    assert load_config(["name='x-10000000000-${optim.lr}'"]).name == "x-10000000000-auto"
    with pytest.raises(UsageError, match=r"log_every refers to a setting that is auto"):
        load_config(["trainer.log_every=${trainer.val_every}"])
    assert decode_text(f"lr: {AUTO_NUMBER}.0, dim: {AUTO_NUMBER}") == "lr: auto, dim: auto"


def test_auto_is_one_of_the_values_of_a_sweep(tmp_path: Path) -> None:
    number = str(AUTO_NUMBER)
    for value in ("choice(auto,1e-3)", "auto,1e-3", "'auto', 1e-3", 'choice("auto", 1e-3)'):
        encoded = encode_override(f"optim.lr={value}")
        assert number in encoded and "auto" not in encoded and "1e-3" in encoded
        assert prepare_arguments(["-m", f"optim.lr={value}"])
    assert encode_override("optim.optimizer=choice(auto,adamw)").endswith("choice(auto,adamw)")
    params = {"optim.lr": "choice(auto, 1e-3)", "optim.optimizer": "auto,muon"}
    content = encode_content({"hydra": {"sweeper": {"params": params}}})
    expected = {**params, "optim.lr": f"choice({number}, 1e-3)"}
    assert content == {"hydra": {"sweeper": {"params": expected}}}


def test_auto_false_takes_the_defaults_of_the_schema() -> None:
    config = load_config(["auto=false"])
    assert not open_keys(config) and config.optim == OptimConfig()
    for key in open_keys(load_config([])):
        assert get_value(config, key) == default_value(keys()[key])


def test_files_of_ones_own_imply_their_preset(tmp_path: Path) -> None:
    given_config = load_config(["data.train.src=a/mine.en", "data.train.tgt=a/mine.de"])
    assert (given_config.data.name, given_config.name) == ("files-mine", "files-mine-transformer")
    assert load_config(["data.train.file=x.tsv"]).data.name == "files-x"
    assert load_config(["data=hub", "data.train.src=x"]).data.name.startswith("hub")
    assert load_config(["data.train.demo=100"]).data.name == "demo"
    (tmp_path / "experiment").mkdir()
    mine = "# @package _global_\ndefaults:\n  - override /data: multi30k\noptim: {lr: 7e-4}\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(mine)
    experiment = [f"hydra.searchpath=[file://{tmp_path}]", "experiment=mine"]
    own = load_config([*experiment, "data.train.src=x.en", "data.train.tgt=x.de"])
    assert (own.data.name, own.data.train.hub, own.optim.lr) == ("files-x", "", 7e-4)
    assert load_config(experiment).data.name == "multi30k"


def test_a_pause_needs_a_limit() -> None:
    with pytest.raises(UsageError, match=r"pause_at is a share of a limit"):
        load_config(["trainer.until=plateau", "trainer.pause_at=0.5"])
