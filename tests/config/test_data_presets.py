"""The YAML files of configs/data."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from helpers import ROOT
from mt.config import corpus_name
from mt.config.automatic import encode_content
from mt.config.hydra_files import read_settings
from mt.config.schema import Config
from mt.data.sources import source_kinds

CONFIGS = ROOT / "configs" / "data"
corpus_name.register()


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_presets_fit_the_schema_and_say_what_they_are(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    preset = encode_content(read_settings(path), "data")
    config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), {"data": preset}))
    assert isinstance(config, Config) and text.startswith("# ") and config.data.name == path.stem
    parts = [config.data.train, config.data.val, config.data.test]
    expected = {"files": 0, "hub": 0, "tatoeba": 2}.get(path.stem, 3)
    assert [len(source_kinds(part)) for part in parts] == [1] * expected + [0] * (3 - expected)


def test_preset_follows_a_local_copy() -> None:
    schema = OmegaConf.structured(Config)
    preset = encode_content(read_settings(CONFIGS / "iwslt2017.yaml"), "data")
    config = OmegaConf.to_object(
        OmegaConf.merge(schema, {"data": preset}, {"data": {"train": {"hub": "folder"}}})
    )
    assert isinstance(config, Config)
    assert (config.data.val.hub, config.data.test.subset, config.data.test.split) == (
        "folder",
        "iwslt2017-de-en",
        "test",
    )
