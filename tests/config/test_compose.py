"""Composition with files that are merged once, compared with Hydra's of all files and values."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from mt.config.compose import load_config
from mt.config.presets import config_dir
from mt.config.yaml import to_config
from mt.errors import UsageError


@pytest.mark.parametrize(
    "overrides",
    [
        ["optim.lr=3e-3", "model=rnn", "attention=luong", "model.rnn.hidden=64"],
        ["experiment=demo", "model/size=tiny", "seed=7", "optim.betas=[0.5,0.6]"],
        ["++optim.clip=2", "++trainer.keep=3", "trainer.report_to=[wandb]"],
        ["++data.mix.news.demo=5", "++data.mix.news.weight=0.5", "data.concat=0.5"],
        ["name='x-${optim.lr}'", "model.dim=64", "model.dim=32"],
    ],
)
def test_settings_are_those_of_hydra(overrides: list[str]) -> None:
    for _ in range(2):  # the second time, files are merged already
        composed = load_config(overrides)
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        assert composed == to_config(compose("train", overrides))


def test_settings_do_not_depend_on_what_was_composed_before() -> None:
    before = load_config(["model=rnn"])
    load_config(
        ["model=rnn", "optim.betas=[0,0]", "data.mix.a.demo=5", "trainer.report_to=[wandb]"]
    )
    with pytest.raises(UsageError):
        load_config(["model=rnn", "optim.lr=1", "model.dim=x"])
    assert load_config(["model=rnn"]) == before


def test_files_of_ones_own_are_read_again(tmp_path: Path) -> None:
    file = tmp_path / "optim" / "mine.yaml"
    file.parent.mkdir()
    for lr in (0.5, 0.25):
        file.write_text(f"lr: {lr}", encoding="utf-8")
        assert load_config(["--config-dir", str(tmp_path), "optim=mine"]).optim.lr == lr
