"""Conversion of a `Config` to YAML and back, with checks of keys, types and values.

Separate from `compose.py`, so that reading a run directory does not import Hydra.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import re
from collections.abc import Mapping
from typing import Any

import yaml  # type: ignore[import-untyped]
from omegaconf import DictConfig, OmegaConf
from omegaconf._utils import get_omega_conf_dumper
from omegaconf.errors import OmegaConfBaseException

from mt.config.automatic import decode_text, with_defaults
from mt.config.checks import check_values
from mt.config.data_schema import NAMED, NAMED_SPLITS
from mt.config.schema import Config, SplitConfig, absent_values, keys
from mt.config.text_yaml import TextLoader
from mt.errors import UsageError

MAX_DEPTH = 20  # of nested mappings and lists in the settings of a run


def to_config(composed: DictConfig) -> Config:
    """Convert a composed configuration to dataclasses; resolve interpolations and check values."""
    try:
        merged = OmegaConf.merge(_schema(Config), composed)
        config = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        raise UsageError(one_line(error)) from error
    assert isinstance(config, Config)
    for key in NAMED_SPLITS:
        entries = getattr(config.data, key)
        check_groups({"data": {key: entries}})  # which OmegaConf does not
        splits = {name: _split(f"data.{key}.{name}", entry) for name, entry in entries.items()}
        setattr(config.data, key, splits)
    for key in ("name", "runs_dir"):
        if OmegaConf.is_interpolation(merged, key):  # as in name='x-${optim.lr}'
            setattr(config, key, decode_text(getattr(config, key)))
    check_values(config)
    return config if config.auto else with_defaults(config)


@functools.cache
def _schema(kind: type) -> DictConfig:
    """Return the types and defaults of a dataclass, for `OmegaConf.merge`, which copies them."""
    return OmegaConf.structured(kind)


def _split(key: str, entry: Any) -> SplitConfig:
    """Convert a split with a name, whose type OmegaConf does not check when it is added."""
    try:
        split = OmegaConf.to_object(OmegaConf.merge(_schema(SplitConfig), entry))
    except (OmegaConfBaseException, ValueError) as error:
        raise UsageError(f"{key}: {one_line(error)}") from error
    assert isinstance(split, SplitConfig)
    return split


def config_to_yaml(config: Config) -> str:
    """Return all settings as YAML."""
    # Like OmegaConf.to_yaml, which would parse `${`.
    return yaml.dump(
        dataclasses.asdict(config),
        Dumper=get_omega_conf_dumper(),
        default_flow_style=False,
        allow_unicode=True,
        sort_keys=False,
    )


def config_from_yaml(text: str) -> Config:
    """Invert `config_to_yaml`; settings that are missing have the value of versions without them.

    Values are plain text: `${...}` is not resolved, since a run may come from elsewhere. Raises
    UsageError if the text is not YAML, uses aliases, or has unknown keys or wrong types.
    """
    return copy.deepcopy(_parse_config(text))  # the caller may change it


@functools.lru_cache(maxsize=256)
def _parse_config(text: str) -> Config:
    """Parse and check the settings of a run, once: a comparison reads those of a run ten times."""
    try:
        content = yaml.load(text, Loader=_PlainLoader)
        if not isinstance(content, dict):
            raise UsageError("not a YAML mapping of settings")
        check_groups(content)
        earlier = OmegaConf.create()
        for key, value in absent_values().items():
            OmegaConf.update(earlier, key, value)
        stored = OmegaConf.create(escape_interpolations(content))
        return to_config(OmegaConf.merge(earlier, stored))  # type: ignore[arg-type]
    except (yaml.YAMLError, OmegaConfBaseException) as error:
        raise UsageError(one_line(error)) from error
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError) as error:
        raise UsageError(f"not the settings of a run: {error}") from error


def check_groups(content: Mapping[str, Any], prefix: str = "") -> None:
    """Raise UsageError if a group of settings in nested content has a value instead of settings."""
    for name, value in content.items():
        key = f"{prefix}{name}"
        if example := setting_in_group(key):
            if not isinstance(value, Mapping):
                raise group_error(key, example, value)
            check_groups(value, f"{key}.")


def setting_in_group(key: str) -> str:
    """Return a setting of the group `key`, such as optim, data.train or data.mix.NAME; else ""."""
    if key.startswith(NAMED):
        return "" if key.count(".") > 2 else f"{key}.src"
    if f"{key}." in NAMED:
        return f"{key}.news.src"
    return next((name for name in keys() if name.startswith(f"{key}.")), "")


def group_error(key: str, example: str, value: Any) -> UsageError:
    """Return the error for a group that was given a value; `example` is one of its settings."""
    return UsageError(f"{key} is a group: set its settings, such as {example}, got {value}")


class _PlainLoader(TextLoader):
    """A loader that refuses aliases, which expand exponentially, and deep nesting."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not allowed")
        if self.depth == MAX_DEPTH:
            raise yaml.YAMLError("nested too deeply")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def escape_interpolations(value: Any) -> Any:
    """Return YAML content with interpolations escaped, so that OmegaConf takes them as text."""
    if isinstance(value, dict):
        return {key: escape_interpolations(item) for key, item in value.items()}
    if isinstance(value, list):
        return [escape_interpolations(item) for item in value]
    if isinstance(value, str):  # a backslash before $ escapes it, unless it is escaped itself
        return re.sub(r"(\\*)\$\{", lambda match: 2 * match[1] + r"\${", value)
    return value


def one_line(error: Exception) -> str:
    """Return the useful part of an error message of Hydra or OmegaConf in one line."""
    # Hydra's own message only says that merging failed; the wrapped error has the reason.
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    lines = [line.strip() for line in decode_text(str(cause)).splitlines() if line.strip()]
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
