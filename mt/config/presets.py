"""Folders of YAML files: that of mt, and folders of one's own.

`--config-dir FOLDER` and `hydra.searchpath=[FOLDER, ...]` add folders with the layout of `configs`,
such as FOLDER/data/mine.yaml for data=mine. The flag becomes an override, so that all that composes
settings gets the folders with the overrides.
"""

from __future__ import annotations

import importlib.resources
import importlib.util
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from hydra.errors import HydraException

from mt.config.overrides import parse_override, quote_value
from mt.errors import UsageError
from mt.files import expand_user

SEARCH_PATH = "hydra.searchpath"
FLAGS = ("--config-dir", "-cd")
# That name files of one's own.
FILE_KEYS = ("data.train.src", "data.train.file", "data.prepared")
COMPARISONS = "compare"  # the folder of files of mt-compare


def config_dir() -> Path:
    """Return the directory of YAML files: in the package if installed, next to it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def groups(folders: Iterable[Path] = ()) -> dict[str, list[str]]:
    """Return the config groups with their options: the files of mt and of further folders."""
    options: dict[str, list[str]] = {}
    for folder in (config_dir(), *folders):
        for path in sorted(folder.rglob("*.yaml")):
            name = path.parent.relative_to(folder).as_posix()
            in_group = name != "." and name.split("/")[0] != COMPARISONS
            if in_group and path.stem not in options.get(name, []):
                options.setdefault(name, []).append(path.stem)
    return options


def find_option(group: str, option: str, folders: Iterable[Path] = ()) -> Path | None:
    """Return the file of an option; None if there is none."""
    paths = (folder / group / f"{option}.yaml" for folder in (config_dir(), *folders))
    return next((path for path in paths if path.is_file()), None)


def collect_folders(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with all folders of one's own in one override, which comes first.

    Raises UsageError if a folder does not exist, or has a file of the same name as one of mt, which
    would never be read.
    """
    others: list[str] = []
    entries: list[tuple[str, str]] = []  # what names the folder, and its location
    remaining = iter(arguments)
    for argument in remaining:
        flag, equals, value = argument.partition("=")
        if flag in FLAGS:
            if not equals and (value := next(remaining, "")) == "":
                raise UsageError(f"{flag} needs a folder of YAML files")
            entries.append((f"{flag} {value}", value))
        elif flag == SEARCH_PATH:
            entries += [(argument, location) for location in _locations(argument)]
        else:
            others.append(argument)
    if not entries:
        return others
    folders = [_folder(origin, location) for origin, location in entries]
    for (origin, _), folder in zip(entries, folders, strict=True):
        _check_names(origin, folder)
    listed = ",".join(quote_value(f"file://{folder}") for folder in dict.fromkeys(folders))
    return [f"{SEARCH_PATH}=[{listed}]", *others]


def imply_preset(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with data=files if they name files of training text, but no data set.

    Those files take the place of a data set that an experiment chooses.
    """
    names = [argument.partition("=")[0].lstrip("+") for argument in arguments]
    if "data" in names or not any(name in FILE_KEYS for name in names):
        return list(arguments)
    first = next(i for i, name in enumerate(names) if name in FILE_KEYS)
    return [*arguments[:first], "data=files", *arguments[first:]]


def own_folders(arguments: Iterable[str]) -> list[Path]:
    """Return the folders of one's own that overrides name. Raises UsageError if one is missing."""
    return [
        _folder(argument, location)
        for argument in arguments
        if argument.startswith(f"{SEARCH_PATH}=")
        for location in _locations(argument)
    ]


def _locations(argument: str) -> list[str]:
    """Return the values of an override of hydra.searchpath."""
    try:
        override = parse_override(argument)
        value = None if override.is_sweep_override() else override.value()
    except HydraException:
        value = None
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise UsageError(
            f"cannot read {argument}: write a list of folders, as in '{SEARCH_PATH}=[file://conf]'"
        )
    return value


def _folder(origin: str, location: str) -> Path:
    """Return the folder at file://PATH, PATH or pkg://MODULE."""
    scheme, separator, rest = location.rpartition("://")
    if scheme == "pkg":
        try:
            package, *below = rest.split("/")
            path = Path(str(importlib.resources.files(package).joinpath(*below)))
        except (ImportError, TypeError) as error:
            raise UsageError(f"{origin}: there is no package {rest}") from error
    elif separator and scheme != "file":
        raise UsageError(f"{origin}: write file://FOLDER or pkg://MODULE, got {location}")
    else:
        path = expand_user(rest)
    if not os.path.isdir(path):  # False for a name that is too long, too
        raise UsageError(f"{origin}: there is no folder {rest}")
    return path.resolve()


def _check_names(origin: str, folder: Path) -> None:
    """Raise UsageError for a file whose name mt has already, as mt's would be read instead."""
    if folder == config_dir():
        return
    for path in sorted(folder.rglob("*.yaml")):
        ours = config_dir() / path.relative_to(folder)
        if ours.is_file() and ours.read_bytes() != path.read_bytes():
            name = path.relative_to(folder).as_posix()
            raise UsageError(
                f"{origin}: {name} has the name of a file of mt, which is read first: rename it"
            )
