"""The configuration schema: every setting with its type, default, valid values and help text.

The files `*_schema.py` define the sections, and this file joins them. Settings are defined nowhere
else: the YAML files under `configs/` only choose values, and `mt-train --help` prints these
definitions. `mt.config.compose` builds a `Config` from YAML files and overrides. No module below
the commands sees Hydra's `DictConfig`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from dataclasses import Field, dataclass
from typing import Any, get_type_hints

from mt.config.cleaning_schema import CleanConfig
from mt.config.data_schema import (
    DataConfig,
    NoiseConfig,
    SplitConfig,
    TokenizerConfig,
)
from mt.config.model_schema import ModelConfig, RNNConfig, TransformerConfig
from mt.config.regularise_schema import RegulariseConfig
from mt.config.setting import group, setting
from mt.config.training_schema import OptimConfig, TrainerConfig

__all__ = [
    "CleanConfig",
    "Config",
    "DataConfig",
    "ModelConfig",
    "NoiseConfig",
    "OptimConfig",
    "RNNConfig",
    "RegulariseConfig",
    "SplitConfig",
    "TokenizerConfig",
    "TrainerConfig",
    "TransformerConfig",
    "absent_values",
    "fields",
    "get_value",
    "keys",
]


@dataclass
class Config:
    """All settings of a training run."""

    name: str = setting(
        "${data.name}-${model.decoder}",
        "name of the run; the run directory is runs_dir/name",
        resumable=True,
    )
    runs_dir: str = setting("runs", "directory that contains the run directories", resumable=True)
    seed: int = setting(
        1, "random seed of the initial weights, data order, dropout, noise and subword sampling"
    )
    auto: bool = setting(
        True,
        "choose the settings whose value is auto from the text, the budget and the speed of the "
        "machine; false: use their default values in this list",
        resumable=True,
    )
    data: DataConfig = group(DataConfig, "parallel text")
    model: ModelConfig = group(ModelConfig, "encoder and decoder")
    optim: OptimConfig = group(OptimConfig, "optimizer, learning-rate schedule and loss")
    regularise: RegulariseConfig = group(
        RegulariseConfig, "word dropout, and losses over several passes"
    )
    trainer: TrainerConfig = group(TrainerConfig, "training loop")


def fields(kind: type = Config, prefix: str = "") -> Iterator[tuple[str, Field, bool]]:
    """Yield (dotted name, dataclass field, whether it is a section) of all keys, as defined."""
    hints = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        name = prefix + field.name
        is_section = dataclasses.is_dataclass(hints[field.name])
        yield name, field, is_section
        if is_section:
            yield from fields(hints[field.name], name + ".")


def get_value(config: Any, key: str) -> Any:
    """Return the value of a dotted key."""
    return functools.reduce(getattr, key.split("."), config)


@functools.cache
def absent_values() -> dict[str, Any]:
    """Return the values of settings in runs from before they existed, if not the defaults."""
    declared = {name: field.metadata["absent"] for name, field in keys().items()}
    return {name: value for name, value in declared.items() if value is not None}


@functools.cache
def keys() -> dict[str, Field]:
    """Return the field of every setting by its dotted name."""
    return {name: field for name, field, is_section in fields() if not is_section}
