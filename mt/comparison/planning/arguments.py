"""Command line of mt-compare: what is given, checked before a file is read."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]
from yaml.constructor import ConstructorError  # type: ignore[import-untyped]

from mt.comparison.planning.compare_config import (
    BUDGET_KEYS,
    BUDGET_NAMES,
    LIST_KEYS,
    SPEC_KEYS,
    TRAINING_KEYS,
    CompareConfig,
)
from mt.comparison.planning.spec import describe_error
from mt.config.compose import check_keys
from mt.config.overrides import keep_text, parse_override
from mt.config.presets import SEARCH_PATH, collect_folders
from mt.errors import UsageError
from mt.evaluation.evaluation import check_settings
from mt.evaluation.lengths import check_length_side
from mt.files import expand_user


@dataclass
class Request:
    """A parsed command line."""

    config: CompareConfig
    # Values that replace those of the comparison's file, by key, budget.* included.
    changes: dict[str, Any] = field(default_factory=dict)
    train: list[str] = field(default_factory=list)  # settings of mt-train, for all variants
    launcher: list[str] = field(default_factory=list)  # settings of Hydra

    @property
    def trains(self) -> bool:
        """Return whether runs are planned and trained instead of given."""
        return not (self.config.runs or self.config.hyp)


def parse_arguments(arguments: Sequence[str]) -> Request:
    """Parse key=value arguments.

    Raises UsageError for mistakes that show without reading a file.
    """
    fields = dataclasses.fields(CompareConfig)
    known = [key.name for key in fields]
    text_keys = {key.name for key in fields if key.type in ("str", "list[str]")}
    arguments = collect_folders(
        [keep_text(keep_text(each), text_keys.__contains__) for each in arguments]
    )
    folders = [each for each in arguments if each.startswith(f"{SEARCH_PATH}=")]
    given: dict[str, Any] = {}
    request = Request(CompareConfig())
    for argument in arguments:
        override = _parse_override(argument)
        key = override.key_or_group
        name, _, rest = key.partition(".")
        if key.startswith(("hydra.", "hydra/")):
            request.launcher.append(argument)
        elif name not in known or override.is_add() or override.is_delete():
            _check_training_key(key, [*folders, argument], known)
            request.train.append(argument)
        elif override.is_sweep_override():
            raise UsageError(f"{argument} has several values: write a list as {key}='[a,b]'")
        elif name == "budget":
            limits = {rest: override.value()} if rest else override.value()
            if not isinstance(limits, dict):
                raise UsageError(f"{key} must be keys such as {{steps: 1000}}, got {limits}")
            _check_names(argument)
            for limit, value in limits.items():
                if limit not in BUDGET_NAMES:
                    raise UsageError(f"unknown key budget.{limit}: set one of {BUDGET_KEYS}")
                request.changes[f"budget.{limit}"] = value
        elif rest:
            raise UsageError(f"unknown key {key}: mt-compare --help lists the keys")
        else:
            if name in ("hyp", "variants", "tests", "tune"):
                _check_names(argument)
            value = override.value()
            if name == "hyp" and not isinstance(value, dict):
                raise UsageError(f"{argument} has no names: write hyp='{{NAME: FILE, NAME: FILE}}'")
            given[key] = [value] if name in LIST_KEYS and not isinstance(value, list) else value
    try:
        config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(CompareConfig), given))
    except OmegaConfBaseException as error:
        raise UsageError(describe_error(error)) from error
    assert isinstance(config, CompareConfig)
    request.config = config
    request.train = [*folders, *request.train]  # so that all that composes finds them
    request.changes |= {key: given[key] for key in SPEC_KEYS if key in given}
    _check_combination(request, given)
    if config.bootstrap < 100:
        raise UsageError(f"bootstrap must be >= 100 for a 95 % interval, got {config.bootstrap}")
    check_settings(config.edges or None, config.threshold or None, config.bootstrap)
    check_length_side(config.length_by, bool(config.src or not config.hyp))
    return request


def _parse_override(argument: str) -> Override:
    try:
        return parse_override(argument)
    except HydraException as error:
        if argument.startswith(("variants=", "tests=")):
            example = "variants=\"{a: ['model=rnn'], b: ['model=transformer']}\""
            raise UsageError(
                f"cannot read {argument}: quote every setting and then the whole, as in {example}"
            ) from error
        raise UsageError(
            f"cannot read {argument}: quote lists and names, as in runs='[runs/a,runs/b]'"
        ) from error


def _check_names(argument: str) -> None:
    """Raise UsageError for a repeated name, of which Hydra would silently use the last value."""
    try:
        OmegaConf.create(argument.replace("=", ": ", 1))
    except ConstructorError as error:
        if "duplicate key" in str(error.problem):
            raise UsageError(f"{argument} has a name twice: {error.problem}") from error
    except YAMLError:  # not everything that Hydra reads is YAML
        return


def _check_training_key(key: str, arguments: list[str], known: list[str]) -> None:
    """Raise UsageError unless the key is one of mt-train."""
    if near := difflib.get_close_matches(key, known, 1, 0.7):
        raise UsageError(f"unknown key {key}: did you mean {near[0]}?")
    try:
        check_keys(arguments)
    except UsageError as error:
        raise UsageError(
            str(error).replace(
                "mt-train --help lists", "mt-compare --help and mt-train --help list"
            )
        ) from error


def _check_combination(request: Request, given: dict[str, Any]) -> None:
    """Raise UsageError for keys that have no use together with the others."""
    config = request.config
    for name in ("runs", "hyp"):
        if name in given and not getattr(config, name):
            raise UsageError(f"{name} is empty: name something to compare; see mt-compare --help")
    if config.runs and config.hyp:
        raise UsageError(
            "give either runs='[RUN,RUN]' or hyp='{NAME: FILE, NAME: FILE}' ref=FILE; "
            "see mt-compare --help"
        )
    if config.hyp and not config.ref:
        raise UsageError("hyp needs ref=FILE, the translations to compare with")
    for name in ("ref", "src", "lang"):
        if not config.hyp and getattr(config, name):
            raise UsageError(
                f"{name} needs hyp: runs are compared on the tests that are stored with them"
            )
    if (out := expand_user(config.out)).exists() and not out.is_dir():
        raise UsageError(f"out={config.out} is a file: name a folder")
    if not request.trains:
        names = (*given, *request.changes)
        keys = [name for name in names if name.split(".")[0] in TRAINING_KEYS]
        unused = [*keys, *request.train, *request.launcher]
        if unused:
            raise UsageError(
                f"{unused[0]} is for training, but {'runs' if config.runs else 'hyp'} "
                "compares existing translations"
            )
