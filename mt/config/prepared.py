"""The index of a prepared corpus, and its settings in those of a run that names `data.prepared`.

`mt-prepare --output` writes `index.json` (`INDEX`) into a folder or below a URL, and the files
beside it, in a folder that is named by the hash of the corpus.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mt.config.data_schema import DataConfig
from mt.config.schema import absent_values
from mt.config.setting import AUTO_NUMBER
from mt.config.yaml import escape_interpolations
from mt.errors import MTError, UsageError
from mt.locations import Content, explain_errors, join_location, local_path, open_location

INDEX = "index.json"
FORMAT = 1  # of the index and of the files that it lists
# Settings of `data` that are those of the run, not of the preparation.
OWN_SETTINGS = ("prepared", "cache", "workers", "offline", "concat")
# Values that the text replaces, as it has in the corpus.
AUTOMATIC = (("tokenizer.vocab_size", 0), ("tokenizer.max_vocab_size", AUTO_NUMBER))


@dataclass(frozen=True)
class PreparedIndex:
    """Hold what is needed to train on a prepared corpus without its text."""

    hash: str  # that of the cache folder
    start: list[str]  # digests of the tokenizer of trainer.init_from; empty: none
    settings: dict[str, Any]  # of the section data, with the size of the vocabulary
    files: dict[str, Content]

    def to_json(self) -> str:
        """Return the content of the file."""
        return json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False, indent=1) + "\n"


def read_index(location: str) -> PreparedIndex:
    """Read the index at a folder or URL, at a URL once. Raises MTError if there is no valid one."""
    return _require_index(location) if local_path(location) else _require_index_once(location)


def _require_index(location: str) -> PreparedIndex:
    if index := find_index(location):
        return index
    raise MTError(
        f"there is no {join_location(location, INDEX)}: give a folder or URL to which "
        "mt-prepare --output has written a corpus"
    )


_require_index_once = functools.cache(_require_index)


def find_index(location: str) -> PreparedIndex | None:
    """Read the index at a folder or URL; None if there is none. Raises MTError if it is invalid."""
    place = join_location(location, INDEX)
    with explain_errors(f"read {place}"):
        try:
            with open_location(place, "rb") as file:
                content = file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
    try:
        return _parse(json.loads(content), place)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MTError(f"{place} is damaged ({error!r}): write the corpus anew") from error


def _parse(content: dict[str, Any], place: str) -> PreparedIndex:
    if content["format"] != FORMAT:
        raise MTError(
            f"{place} has format {content['format']!r}, and this version of mt reads format "
            f"{FORMAT}: prepare the corpus with this version"
        )
    files = {name: Content(*entry) for name, entry in content["files"].items()}
    for name in (content["hash"], *files):
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise ValueError(f"{name!r} is not the name of a file")
    return PreparedIndex(content["hash"], list(content["start"]), dict(content["settings"]), files)


def shaping_settings(config: DataConfig) -> dict[str, Any]:
    """Return the settings for an index: those that shape a corpus, its name and its weights."""
    return {name: value for name, value in asdict(config).items() if name not in OWN_SETTINGS}


def use_prepared(composed: DictConfig, named: Collection[str]) -> DictConfig:
    """Return composed settings with those of the corpus at data.prepared, if that is given.

    `named` are the keys on the command line. A setting counts as given if it is one of them, or has
    another value than the schema's. Raises UsageError if one is given and differs.
    """
    location = composed.data.prepared
    if not location:
        return composed
    recorded = flatten(read_index(location).settings)
    defaults = flatten(asdict(DataConfig()))
    used = _absent() | recorded
    for key, value in flatten(OmegaConf.to_container(composed.data, resolve=True)).items():
        is_given = f"data.{key}" in named or value != defaults.get(key)
        if key in OWN_SETTINGS:
            used[key] = value
        elif not is_given or value == recorded.get(key) or (key, value) in AUTOMATIC:
            continue
        elif key in recorded and key.rpartition(".")[2] in ("name", "weight"):
            used[key] = value
        else:
            before = f"with {recorded[key]}" if recorded.get(key) else "without"
            raise UsageError(
                f"data.{key}={value} contradicts data.prepared={location}, which was prepared "
                f"{before}: leave it out, or prepare the text anew"
            )
    content = OmegaConf.to_container(composed)
    assert isinstance(content, dict)
    return OmegaConf.create({**content, "data": escape_interpolations(nest(used))})


def _absent() -> dict[str, Any]:
    """Return the values of settings that a corpus of an earlier version does not record."""
    values = absent_values().items()
    return {key[len("data.") :]: value for key, value in values if key.startswith("data.")}


def flatten(section: Any, prefix: str = "") -> dict[str, Any]:
    """Return the settings of nested sections by their dotted names, such as train.src."""
    flat: dict[str, Any] = {}
    for name, value in section.items():
        is_section = isinstance(value, dict) and value
        flat |= flatten(value, f"{prefix}{name}.") if is_section else {f"{prefix}{name}": value}
    return flat


def nest(flat: dict[str, Any]) -> dict[str, Any]:
    """Invert `flatten`."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *sections, name = key.split(".")
        section = nested
        for each in sections:
            section = section.setdefault(each, {})
        section[name] = value
    return nested
