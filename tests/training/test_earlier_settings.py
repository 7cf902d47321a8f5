"""Runs of versions that lacked a setting whose default changes what they do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from mt.config.automatic import with_values
from mt.config.compose import differences, load_config
from mt.config.schema import absent_values, get_value
from mt.config.yaml import config_to_yaml
from mt.run_folder import RunFolder
from mt.training.start import recall_settings


def test_a_run_of_an_earlier_version_continues_with_its_cleaning(
    tiny_run: Callable[..., list[str]],
) -> None:
    config = load_config(tiny_run(60))
    folder = RunFolder.at(Path(config.runs_dir) / config.name)
    (folder.path / "last").mkdir(parents=True)
    (folder.path / "model.safetensors").touch()
    stored = yaml.safe_load(config_to_yaml(config))
    for name in absent_values():
        section, _, key = name.rpartition(".")
        owner = stored
        for part in section.split("."):
            owner = owner[part]
        del owner[key]
    folder.config.write_text(yaml.safe_dump(stored))
    before = folder.read_config()
    assert (before.data.clean.unescape, before.data.clean.max_copied) == (False, 0.0)
    recalled = recall_settings(config, folder)  # the same command
    assert not differences(before, recalled)
    assert {name: get_value(recalled, name) for name in absent_values()} == absent_values()
    given = with_values(config, {"data.clean.max_copied": 0.5})
    (changed,) = differences(before, recall_settings(given, folder))
    assert str(changed) == "data.clean.max_copied was 0.0, now 0.5"
