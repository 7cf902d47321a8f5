"""A `Config` as YAML text, and one from what was read: types, keys and values checked.

Apart from `compose.py`, because who reads a run directory need not wait for Hydra.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mt.config.checks import check_values
from mt.config.schema import Config, SplitConfig
from mt.errors import UsageError


def to_config(composed: DictConfig) -> Config:
    """Hydra's result as dataclasses, with interpolations resolved and values checked."""
    try:
        config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), composed))
    except OmegaConfBaseException as error:
        raise UsageError(one_line(error)) from error
    assert isinstance(config, Config)
    config.data.mix = {
        name: _split(f"data.mix.{name}", entry) for name, entry in config.data.mix.items()
    }
    check_values(config)
    return config


def _split(key: str, entry: Any) -> SplitConfig:
    """A mixed-in corpus: OmegaConf cannot add typed sections to a dict from the command line, so its type is checked here."""
    try:
        split = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(SplitConfig), entry))
    except (OmegaConfBaseException, ValueError) as error:
        raise UsageError(f"{key}: {one_line(error)}") from error
    assert isinstance(split, SplitConfig)
    return split


def config_to_yaml(config: Config) -> str:
    """All settings as YAML."""
    return OmegaConf.to_yaml(OmegaConf.create(dataclasses.asdict(config)))


def config_from_yaml(text: str) -> Config:
    """The inverse of `config_to_yaml`; unknown keys and wrong types raise UsageError."""
    composed = OmegaConf.create(text)
    if not isinstance(composed, DictConfig):
        raise UsageError("it holds no settings")
    return to_config(composed)


def one_line(error: Exception) -> str:
    """The part of Hydra's and OmegaConf's messages that a person needs."""
    # Hydra's own message only says that merging failed; why is in the error that it wraps.
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    noise = ("full_key:", "reference_type=", "object_type=", "See https", "^")
    key = next(
        (line.removeprefix("full_key:").strip() for line in lines if line.startswith("full_key:")),
        "",
    )
    text = "; ".join(line for line in lines if not line.startswith(noise))
    text = text.replace("LexerNoViableAltException: ", "unexpected character after: ")
    return f"{key}: {text}" if key and key not in text else text
