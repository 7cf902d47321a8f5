"""Specification of a comparison: a small YAML file, changed by the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf, SCMode
from omegaconf.errors import OmegaConfBaseException

from mt.comparison.planning.budget import RunBudget, check_budget
from mt.comparison.planning.spec_files import HEADING, read_spec_file, to_list
from mt.comparison.planning.trial_settings import check_tuning
from mt.config.compose import parse_overrides
from mt.config.overrides import keep_text
from mt.config.presets import own_folders
from mt.config.schema import keys
from mt.config.setting import is_auto
from mt.errors import UsageError

# Names of variants and tests become names of files.
NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")
FOLDER_NAME = "compare"  # of the runs, in runs_dir
NO_NUMBER = re.compile(r"Value '(.*)' of type '\w+' could not be converted to (Integer|Float)")
NUMBERS = {"Integer": "a whole number", "Float": "a number"}
FIXED = "auto=false"  # no setting is chosen by mt-train


@dataclass
class ComparisonSpec:
    """A comparison: the keys of a file in configs/compare."""

    title: str = ""
    question: str = ""  # that it answers, a sentence for the report
    variants: dict[str, Any] = field(default_factory=dict)  # name -> overrides of mt-train
    baseline: str = ""  # the variant that the others are compared with; "": the first
    overrides: list[str] = field(default_factory=list)  # of all variants, before their own
    seeds: Any = 3  # a list, or the number of seeds: 1 to that
    budget: RunBudget = field(default_factory=RunBudget)
    # Values to try before, for each variant with the same budget: key of mt-train -> list
    tune: dict[str, Any] = field(default_factory=dict)
    trials: int = 0  # number of random combinations of `tune` to try; 0: all
    halving: int = 0  # successive halving: 1 of so many trials trains on; 0: all to the end
    trial_seed: int = 0  # of the trials, and of their random choice
    # Choose widths so that all variants have as many parameters as the baseline.
    match_parameters: bool = False
    # Extra test sets: name -> overrides of data.test.*
    tests: dict[str, Any] = field(default_factory=dict)


def load_spec(
    name: str, changes: dict[str, Any], extra: Sequence[str]
) -> tuple[ComparisonSpec, list[str]]:
    """Load configs/compare/NAME.yaml or the file NAME, and change it by the command line.

    `changes` are values by key, budget.* included; a limit replaces that of the file. `extra` are
    overrides of mt-train for all variants, after their own. If they choose another corpus
    (data=...), the data settings and extra tests of the file are dropped.

    Returns the comparison, and what was dropped in words. Raises UsageError for any mistake.
    """
    given = read_spec_file(name, own_folders(extra))
    notes = []
    if any(override.key_or_group == "data" for override in parse_overrides(extra)):
        notes = drop_data(given)  # of the file: before the changes are applied
    if "variants" in changes:
        given.update(dict.fromkeys(HEADING, ""))
    budget = given["budget"] = given.get("budget") or {}
    if not isinstance(budget, dict):
        raise UsageError(
            f"compare={name}: budget must be keys such as {{steps: 1000}}, got {budget}"
        )
    if any(key.startswith("budget.") and key != "budget.until" for key in changes):
        given["budget"] = {key: value for key, value in budget.items() if key == "until"}
    typed: dict[str, Any] = {}
    for key, value in changes.items():
        section, _, rest = key.partition(".")
        if rest:
            typed.setdefault(section, {})[rest] = value
        else:
            typed[section] = value
    to_spec(typed, "the command line")
    given |= {**typed, "budget": {**given["budget"], **typed.get("budget", {})}}
    spec = to_spec(given, f"compare={name}")
    if "variants" in changes and "baseline" not in changes and spec.baseline not in spec.variants:
        spec.baseline = ""  # it is one of the file's variants
    spec.variants = {key: to_list(value, f"variants.{key}") for key, value in spec.variants.items()}
    spec.tests = {key: to_list(value, f"tests.{key}") for key, value in spec.tests.items()}
    check_spec(spec, extra)
    spec.baseline = spec.baseline or next(iter(spec.variants))
    spec.seeds = seed_list(spec.seeds)
    spec.overrides.insert(0, FIXED)  # settings that are chosen could differ between variants
    return spec, notes


def to_spec(given: dict[str, Any], origin: str) -> ComparisonSpec:
    """Check keys and types."""
    try:
        merged = OmegaConf.merge(OmegaConf.structured(ComparisonSpec), given)
        # Not resolved: what looks like an interpolation is one of mt-train's.
        content = OmegaConf.to_container(merged, resolve=False, structured_config_mode=SCMode.DICT)
    except (OmegaConfBaseException, ValueError) as error:
        raise UsageError(f"{origin}: {describe_error(error)}") from error
    assert isinstance(content, dict)
    values: dict[str, Any] = {str(key): value for key, value in content.items()}
    return ComparisonSpec(**{**values, "budget": RunBudget(**values["budget"])})


def describe_error(error: Exception) -> str:
    """Describe an error of OmegaConf in a line that names the key."""
    lines = str(error).splitlines()
    key = next(
        (line.split(":", 1)[1].strip() for line in lines if line.strip().startswith("full_key:")),
        "",
    )
    text = NO_NUMBER.sub(lambda found: f"{found[1]} is not {NUMBERS[found[2]]}", lines[0])
    return f"{key}: {text}" if key and key not in text else text


def drop_data(given: dict[str, Any]) -> list[str]:
    """Remove settings of the corpus and extra tests; return in words what was removed."""
    settings = given["overrides"]
    dropped = [
        text
        for text, override in zip(settings, parse_overrides(settings), strict=True)
        if override.key_or_group.split(".")[0] == "data"
    ]
    given["overrides"] = [text for text in settings if text not in dropped]
    tests = given.pop("tests", None) or {}
    notes = []
    if dropped:
        notes.append(f"data=... on the command line replaces {', '.join(dropped)}")
    if tests:
        notes.append(
            f"data=... on the command line drops the extra test sets {', '.join(tests)}, "
            "which belong to the corpus of the file"
        )
    return notes


def check_spec(spec: ComparisonSpec, extra: Sequence[str]) -> None:
    """Raise UsageError for mistakes that show before anything is composed."""
    if not spec.variants:
        raise UsageError(
            "a comparison needs variants, each a name with a list of settings: "
            "variants: {rnn: [model=rnn], ...}"
        )
    for kind, names in (("variant", spec.variants), ("test set", spec.tests)):
        for name in names:
            if not NAME.fullmatch(name):
                raise UsageError(f"{name!r} is no name for a {kind}: use letters, digits, - and _")
    if "test" in spec.tests:
        raise UsageError("test is the run's own test set: give the extra one another name")
    if spec.baseline and spec.baseline not in spec.variants:
        raise UsageError(
            f"baseline={spec.baseline} is none of the variants {', '.join(spec.variants)}"
        )
    check_seeds(spec.seeds)
    settings = {f"variant {name}": own for name, own in spec.variants.items()}
    check_tuning(
        spec.tune,
        spec.trials,
        spec.halving,
        spec.trial_seed,
        seed_list(spec.seeds),
        {**settings, "the command line": extra},
    )
    check_budget(spec.budget)
    for origin, overrides in [
        ("overrides", spec.overrides),
        *spec.variants.items(),
        ("the command line", extra),
        (
            "tune",
            [keep_text(f"{k}={value}") for k, values in spec.tune.items() for value in values],
        ),
    ]:
        for override in parse_overrides(overrides):
            check_override(origin, override)
    for name, overrides in spec.tests.items():
        for override in parse_overrides(overrides):
            if not override.key_or_group.startswith("data.test."):
                raise UsageError(
                    f"tests.{name}: {override.key_or_group} is not a setting of data.test.*"
                )


def seed_list(seeds: Any) -> list[int]:
    """Return the seeds, which are a list or a number of them."""
    return list(range(1, seeds + 1)) if isinstance(seeds, int) else seeds


def check_seeds(seeds: Any) -> None:
    """Raise UsageError unless it is a number >= 1, or a list of different seeds >= 0."""
    numbers = seeds if isinstance(seeds, list) else [seeds]
    least = 0 if isinstance(seeds, list) else 1
    if (
        not numbers
        or any(not isinstance(n, int) or isinstance(n, bool) or n < least for n in numbers)
        or len(set(numbers)) < len(numbers)
    ):
        raise UsageError(
            f"seeds must be their number, such as 3, or a list of different ones, such as [1,2,5], "
            f"got {seeds}"
        )


def check_override(origin: str, override: Override) -> None:
    """Raise UsageError for settings that mt-compare itself makes."""
    key = override.key_or_group
    if override.is_sweep_override():
        raise UsageError(
            f"{origin}: {override.input_line} has several values: make each of them a variant"
        )
    value = override.value() if not override.is_delete() else None
    if (key == "auto" and value) or (key in keys() and is_auto(keys()[key], value)):
        raise UsageError(
            f"{origin}: {key}: mt-train would choose settings that differ between variants"
        )
    if key in ("name", "seed", "trainer.test", "trainer.pause_at"):
        raise UsageError(
            f"{origin}: {key} is chosen by mt-compare{': set seeds=...' if key == 'seed' else ''}"
        )
    if key.startswith("trainer.max_"):
        raise UsageError(
            f"{origin}: {key} would make budgets unequal: "
            "set one of budget.minutes, .steps, .target_tokens, .flops"
        )
    if key == "trainer.until":
        raise UsageError(f"{origin}: {key} is chosen for all variants: set budget.until")
    if key == "experiment":
        raise UsageError(
            f"{origin}: experiment=... sets model, data and budget at once: "
            "give the settings of it that you need"
        )
