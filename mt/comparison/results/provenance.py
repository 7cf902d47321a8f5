"""How a comparison was made: what one needs to make it again, and which settings tell its systems apart."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from typing import Any

from mt.comparison.settings import NEUTRAL, value_of
from mt.comparison.systems import System
from mt.config.schema import Config, keys
from mt.environment import git_commit, package_versions, platform_name
from mt.run_folder import RunFolder


def how_made(
    systems: Sequence[System], command: Sequence[str], budget: str, match_parameters: Sequence[Any]
) -> tuple[dict[str, Any], list[str]]:
    """The entry `made` of results.json, and notes. Hardware is that of the trainings, of files that of this comparison."""
    used = [
        found for system in systems for run in system.runs if (found := hardware_of(run.folder))
    ]
    distinct = [
        json.loads(text)
        for text in dict.fromkeys(json.dumps(each, sort_keys=True) for each in used)
    ]
    here = {"device": "cpu", "cpus": os.cpu_count(), "platform": platform_name()}
    joined = (
        {key: _one_or_all([each[key] for each in distinct]) for key in here} if distinct else here
    )
    notes = []
    if len({each["device"] for each in distinct}) > 1:
        notes.append(
            f"the runs were trained on different devices ({joined['device']}): equal minutes were not an equal budget there"
        )
    made = {
        "command": list(command),
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "versions": package_versions(),
        "commit": git_commit(),
        "hardware": joined,
        "budget": budget,
        "match_parameters": list(match_parameters),
    }
    return made, notes


def hardware_of(folder: RunFolder) -> dict[str, Any] | None:
    """Return device, number of CPUs and platform of a run's last start; None if mt-train left no record."""
    starts = folder.read_starts()
    return {key: starts[-1].get(key) for key in ("device", "cpus", "platform")} if starts else None


def settings_of(systems: Sequence[System]) -> dict[str, dict[str, Any]]:
    """system -> the settings in which it differs from another system, by their keys. Nothing for files.

    Of its first run. Names, seeds and where things are kept are left out, and of each system the
    settings of a family that it is not of.
    """
    configs = {system.name: system.runs[0].config for system in systems}
    found: dict[str, dict[str, Any]] = {system.name: {} for system in systems}
    for key in keys():
        values = {
            name: _value(config, key) for name, config in configs.items() if config is not None
        }
        if key not in NEUTRAL and any(
            value != next(iter(values.values())) for value in values.values()
        ):
            for name, value in values.items():
                if _applies(key, configs[name]):
                    found[name][key] = value
    return found


def _applies(key: str, config: Config | None) -> bool:
    """Whether a setting of the model says anything of this one."""
    family = key.removeprefix("model.").partition(".")[0]
    return (
        config is None
        or family not in ("rnn", "transformer")
        or family in (config.model.encoder, config.model.decoder)
    )


def _value(config: Config, key: str) -> Any:
    value = value_of(config, key)
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _one_or_all(values: Sequence[Any]) -> Any:
    distinct = list(dict.fromkeys(values))
    return distinct[0] if len(distinct) == 1 else ", ".join(map(str, distinct))
