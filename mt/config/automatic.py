"""Settings with the value `auto`, which mt-train chooses when it has read the text.

Numbers hold `AUTO_NUMBER` in place of the word, so that settings keep their types. The rules of the
choice are in `mt.training.automatic`.
"""

from __future__ import annotations

import copy
import re
from typing import Any

from mt.config.schema import Config, get_value, keys
from mt.config.setting import AUTO, AUTO_NUMBER, default_value, is_auto

SWEEP = "hydra.sweeper.params."  # in front of a setting whose values a file of settings lists


def open_keys(config: Config) -> list[str]:
    """Return the keys of the settings that are `auto`."""
    return [key for key, field in keys().items() if is_auto(field, get_value(config, key))]


def with_values(config: Config, values: dict[str, Any]) -> Config:
    """Return the settings with other values for some dotted keys."""
    changed = copy.deepcopy(config)
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        owner = get_value(changed, section) if section else changed
        setattr(owner, name, value)
    return changed


def with_defaults(config: Config) -> Config:
    """Return the settings with the default value of the schema for each that is `auto`."""
    return with_values(config, {key: default_value(keys()[key]) for key in open_keys(config)})


def encode_override(argument: str) -> str:
    """Return an override such as optim.lr=auto with the number that stands for the word.

    The values of a sweep, such as optim.lr=auto,1e-3 or choice(auto,1e-3), too.
    """
    key, equals, value = argument.partition("=")
    if not equals or not _is_number(key.lstrip("+")):
        return argument
    return f"{key}={_encode(value)}"


def decode_text(text: str) -> str:
    """Return text, such as a name, with the word in place of the number that stands for it."""
    return re.sub(rf"{AUTO_NUMBER}(\.0)?(?!\d)", AUTO, text)


def encode_content(content: Any, prefix: str = "") -> Any:
    """Return the content of a YAML file with the number for the word where the type needs it.

    `prefix` is the section of the settings that the file holds, such as optim.
    """
    if isinstance(content, dict):
        return {
            key: encode_content(value, f"{prefix}.{key}" if prefix else str(key))
            for key, value in content.items()
        }
    return _encode(content) if isinstance(content, str) and _is_number(prefix) else content


def _encode(text: str) -> str:
    """Return the text of a number, or of several, with the number that stands for the word."""
    return re.sub(rf"(['\"]?)\b{AUTO}\b\1", str(AUTO_NUMBER), text)


def _is_number(key: str) -> bool:
    """Return whether a setting is a number that may be `auto`."""
    field = keys().get(key.removeprefix(SWEEP))
    return bool(field and field.metadata["auto"] and field.type != "str")
