"""Provenance of a comparison, and the settings that distinguish its systems."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Sequence
from typing import Any

from mt.comparison.schema.systems import Hardware, Provenance, Setting
from mt.comparison.settings import NEUTRAL_KEYS
from mt.comparison.systems import System
from mt.config.schema import Config, get_value, keys
from mt.environment import PACKAGE, git_commit, package_versions, platform_name, short_commit
from mt.run_folder import RunFolder


def describe_provenance(
    systems: Sequence[System], command: Sequence[str], budget: str, match_parameters: Sequence[str]
) -> tuple[Provenance, list[str]]:
    """Describe how a comparison was made; returns the description and notes.

    Hardware is that of the trainings, for files that of this machine.
    """
    runs = [run for system in systems for run in system.runs]
    used = [hardware for run in runs if (hardware := read_hardware(run.folder))]
    used = used or [Hardware("cpu", os.cpu_count(), platform_name())]
    hardware = Hardware(
        **{
            field.name: _join_distinct([getattr(each, field.name) for each in used])
            for field in dataclasses.fields(Hardware)
        }
    )
    notes = []
    if len({each.device for each in used}) > 1:
        notes.append(
            f"the runs were trained on different devices ({hardware.device}): "
            "there, equal minutes were not an equal budget"
        )
    starts = [start for run in runs for start in run.folder.read_starts()]
    own = {"commit": git_commit(), "versions": package_versions()}
    made_by = {version for each in (own, *starts) if (version := mt_version(each))}
    if len(made_by) > 1:
        notes.append(
            f"different versions of mt ({', '.join(sorted(made_by))}) trained the runs and made "
            "this report: a change between them may be the reason of a difference"
        )
    provenance = Provenance(
        command=list(command),
        date=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        versions=package_versions(),
        commit=git_commit(),
        hardware=hardware,
        budget=budget,
        match_parameters=list(match_parameters),
        settings=shared_settings(systems),
    )
    return provenance, notes


def read_hardware(folder: RunFolder) -> Hardware | None:
    """Return the hardware of a run's last start, or None if mt-train left no record."""
    starts = folder.read_starts()
    if not starts:
        return None
    last = starts[-1]
    return Hardware(last.get("device"), last.get("cpus"), last.get("platform"))


def mt_version(start: dict[str, Any]) -> str | None:
    """Return the commit of mt in the record of a start, or its version if it was installed."""
    commit, versions = start.get("commit"), start.get("versions")
    if isinstance(commit, str):
        return short_commit(commit)
    version = versions.get(PACKAGE) if isinstance(versions, dict) else None
    return version if isinstance(version, str) else None


def differing_settings(systems: Sequence[System]) -> dict[str, dict[str, Setting]]:
    """Return system -> key -> value for the settings in which systems differ; none for files.

    Takes each system's first run. Names, seeds and paths are left out, and so are settings of a
    model family that the system does not belong to.
    """
    settings: dict[str, dict[str, Setting]] = {system.name: {} for system in systems}
    configs = _first_configs(systems)
    for key, values in _setting_values(configs).items():
        if len(set(map(repr, values.values()))) > 1:
            for name, value in values.items():
                if _applies(key, configs[name]):
                    settings[name][key] = value
    return settings


def shared_settings(systems: Sequence[System]) -> dict[str, Setting]:
    """Return key -> value for the settings that all systems share; none for files."""
    configs = _first_configs(systems)
    return {
        key: next(iter(values.values()))
        for key, values in _setting_values(configs).items()
        if len(set(map(repr, values.values()))) == 1
        and any(_applies(key, config) for config in configs.values())
    }


def _first_configs(systems: Sequence[System]) -> dict[str, Config]:
    configs = {system.name: system.runs[0].config for system in systems}
    return {name: config for name, config in configs.items() if config is not None}


def _setting_values(configs: dict[str, Config]) -> dict[str, dict[str, Setting]]:
    """Return key -> system -> value."""
    return {
        key: {name: _scalar(get_value(config, key)) for name, config in configs.items()}
        for key in keys()
        if key not in NEUTRAL_KEYS
    }


def _applies(key: str, config: Config) -> bool:
    """Return False for settings of a family (`model.rnn`, `model.transformer`) it does not use."""
    family = key.removeprefix("model.").partition(".")[0]
    return family not in ("rnn", "transformer") or family in (
        config.model.encoder,
        config.model.decoder,
    )


def _scalar(value: Any) -> Setting:
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _join_distinct(values: Sequence[Any]) -> Any:
    distinct = list(dict.fromkeys(values))
    return distinct[0] if len(distinct) == 1 else ", ".join(map(str, distinct))
