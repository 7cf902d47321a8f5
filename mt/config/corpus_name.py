"""Default names of data sets of one's own, for the default names of runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from mt.files import expand_user

COMPRESSED = (".gz", ".xz", ".zst", ".bz2")
# File names that say nothing about the text; the folder may.
GENERIC = {"all", "bitext", "corpus", "data", "parallel", "source", "src", "text", "train"}


def corpus_name(prefix: str, *values: Any) -> str:
    """Return a name for the data set whose training text the first value that is set names.

    Values are paths, or lists of paths. The name has the stem of the first file, without suffixes
    of format, language and compression, and the number of the others; for a stem that says nothing,
    such as train, it has the folder as well.
    """
    given = next((value for value in values if value), None)
    if not given:
        return prefix
    paths = [given] if isinstance(given, str) or not isinstance(given, Sequence) else list(given)
    name = _describe(expand_user(str(paths[0])))
    more = f"+{len(paths) - 1}" if len(paths) > 1 else ""
    return f"{prefix}-{name}{more}" if name else prefix + more


def _describe(path: Path) -> str:
    if not path.name:
        return ""
    stem = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    stem = stem.with_suffix("")
    if stem.name.lower() not in GENERIC:
        return _clean(stem.name)
    return _clean(f"{path.absolute().parent.name}-{stem.name}")


def _clean(name: str) -> str:
    """Return a name with one underscore for characters that are awkward in a path."""
    return re.sub(r"[^\w.+-]+", "_", name).strip("_.-")


def register() -> None:
    """Make `${corpus_name:PREFIX,VALUE,...}` available in YAML files."""
    OmegaConf.register_new_resolver("corpus_name", corpus_name, replace=True)
