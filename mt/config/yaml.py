"""Conversion of a `Config` to YAML and back, with checks of keys, types and values.

Separate from `compose.py`, so that reading a run directory does not import Hydra.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mt.config.checks import check_values
from mt.config.schema import Config, SplitConfig
from mt.config.text_yaml import load_text_yaml
from mt.errors import UsageError


def to_config(composed: DictConfig) -> Config:
    """Convert a composed configuration to dataclasses; resolve interpolations and check values."""
    try:
        config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), composed))
    except OmegaConfBaseException as error:
        raise UsageError(one_line(error)) from error
    assert isinstance(config, Config)
    if not isinstance(config.data.mix, dict):
        raise UsageError(
            "data.mix must hold corpora by name, as in +data.mix.news.src=a.en, "
            f"got {config.data.mix}"
        )
    config.data.mix = {
        name: _split(f"data.mix.{name}", entry) for name, entry in config.data.mix.items()
    }
    check_values(config)
    return config


def _split(key: str, entry: Any) -> SplitConfig:
    """Convert an entry of data.mix, whose type OmegaConf does not check when it is added."""
    try:
        split = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(SplitConfig), entry))
    except (OmegaConfBaseException, ValueError) as error:
        raise UsageError(f"{key}: {one_line(error)}") from error
    assert isinstance(split, SplitConfig)
    return split


def config_to_yaml(config: Config) -> str:
    """Return all settings as YAML."""
    return OmegaConf.to_yaml(OmegaConf.create(dataclasses.asdict(config)))


def config_from_yaml(text: str) -> Config:
    """Invert `config_to_yaml`. Raises UsageError if there are unknown keys or wrong types."""
    composed = OmegaConf.create(load_text_yaml(text))
    if not isinstance(composed, DictConfig):
        raise UsageError("not a YAML mapping of settings")
    return to_config(composed)


def one_line(error: Exception) -> str:
    """Return the useful part of an error message of Hydra or OmegaConf in one line."""
    # Hydra's own message only says that merging failed; the wrapped error has the reason.
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    noise = ("full_key:", "reference_type=", "object_type=", "See https", "^")
    prefix = "full_key:"
    key = next((line.removeprefix(prefix).strip() for line in lines if line.startswith(prefix)), "")
    text = "; ".join(line for line in lines if not line.startswith(noise))
    if empty := re.match(r"field '([\w.]+)' is not Optional|Incompatible value 'None'", text):
        return (
            f"{empty[1] or key} must have a value, got null: "
            "write it with quotes, 'null', if the word is meant"
        )
    text = text.replace("LexerNoViableAltException: ", "unexpected character after: ")
    return f"{key}: {text}" if key and key not in text else text
