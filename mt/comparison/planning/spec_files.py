"""Files of comparisons: where they are, how they are read, and how one extends another."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mt.config.hydra_files import read_settings
from mt.config.overrides import keep_text
from mt.config.presets import COMPARISONS, config_dir, find_option
from mt.errors import UsageError
from mt.files import expand_user

EXTENDS = "extends"  # key that names another file
HEADING = ("title", "question")  # keys of a heading, which suits the variants of its file only


def comparisons(folders: Iterable[Path] = ()) -> list[str]:
    """Return the names of the comparisons that come with mt, or are in further folders."""
    parents = (folder / COMPARISONS for folder in (config_dir(), *folders))
    return sorted(
        path.relative_to(parent).with_suffix("").as_posix()
        for parent in parents
        for path in parent.rglob("*.yaml")
    )


def read_spec_file(
    name: str, folders: Sequence[Path] = (), extended_by: Sequence[str] = ()
) -> dict[str, Any]:
    """Read a comparison with those that it extends; check what is needed to join them.

    The keys of a file replace those of the file that it extends, but its `overrides` follow that
    file's. With variants of its own, it has also its own title, question and baseline.
    """
    if name in extended_by:
        raise UsageError(f"compare={extended_by[0]}: {name} extends itself")
    own = _read_yaml(name, folders)
    own["overrides"] = to_list(own.get("overrides") or [], "overrides")
    parent = own.pop(EXTENDS, None)
    if parent is None:
        return own
    if not isinstance(parent, str):
        raise UsageError(f"compare={name}: {EXTENDS} must be the name of a comparison")
    given = read_spec_file(parent, folders, [*extended_by, name])
    if "variants" in own:
        dropped = (*HEADING, "baseline")
        given = {key: value for key, value in given.items() if key not in dropped}
    return {**given, **own, "overrides": given["overrides"] + own["overrides"]}


def _read_yaml(name: str, folders: Sequence[Path]) -> dict[str, Any]:
    """Read a YAML file without checks of its content."""
    is_path = name.endswith((".yaml", ".yml"))
    path = expand_user(name) if is_path else find_option(COMPARISONS, name, folders)
    if not path or not path.is_file():
        names = comparisons(folders)
        if is_path:
            hint = "there is no such file"
        elif similar := difflib.get_close_matches(name, names, 1):
            hint = f"did you mean {similar[0]}?"
        else:
            hint = f"there are {', '.join(names)}, or give the path of a YAML file of your own"
        raise UsageError(f"no comparison {name}: {hint}")
    content = read_settings(path)
    if not isinstance(content, dict):
        raise UsageError(f"{path} is no comparison: it has no keys such as variants and budget")
    if "seeds" in content:  # the type of all other keys is in the dataclass
        content["seeds"] = to_integers(content["seeds"])
    return {str(key): value for key, value in content.items()}


def to_integers(value: Any) -> Any:
    """Convert text, or each text of a list, to an integer if it is one."""
    if isinstance(value, list):
        return [to_integers(entry) for entry in value]
    return int(value) if isinstance(value, str) and re.fullmatch(r"[-+]?\d+", value) else value


def to_list(value: Any, key: str) -> list[str]:
    """Check a list of overrides; a single one needs no brackets."""
    if isinstance(value, str):
        return [keep_text(value)]
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise UsageError(
            f"{key} must be a list of settings of mt-train, such as [model=rnn,optim.lr=1e-3]"
        )
    return [keep_text(each) for each in value]
