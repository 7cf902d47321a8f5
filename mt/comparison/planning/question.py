"""What a comparison asks: variants, seeds, budget and tests, as a small YAML file has them and the command line changes them."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, SCMode
from omegaconf.errors import OmegaConfBaseException

from mt.config.compose import config_dir
from mt.errors import UsageError

NAME = re.compile(r"[A-Za-z0-9][\w.+-]*")  # of variants and tests: they become names of files
FOLDER = "compare"  # of the YAML files in configs/, and of the runs in runs_dir


@dataclass
class Limits:
    """How long each run trains: exactly one of them is not 0."""

    minutes: float = 0.0
    steps: int = 0
    target_tokens: int = 0
    flops: float = 0.0

    def overrides(self) -> list[str]:
        """As settings of mt-train, whatever limits a variant has of its own."""
        return [
            *(f"trainer.max_{name}={value!r}" for name, value in asdict(self).items()),
            "trainer.max_epochs=0",
        ]

    def __str__(self) -> str:
        words = {
            "minutes": "minutes",
            "steps": "steps",
            "target_tokens": "target tokens",
            "flops": "FLOPs",
        }
        return " and ".join(
            f"{value:,.10g} {words[name]}" for name, value in asdict(self).items() if value
        )


@dataclass
class Question:
    """A comparison: the keys of a file in configs/compare."""

    title: str = ""
    question: str = ""  # what it is to find out, in a sentence
    variants: dict[str, Any] = field(default_factory=dict)  # name -> overrides of mt-train
    baseline: str = ""  # the variant that the others are compared with; the first where empty
    overrides: list[str] = field(default_factory=list)  # of all variants, before their own
    seeds: Any = 3  # a number (1 to that) or a list
    budget: Limits = field(default_factory=Limits)
    match_parameters: bool = (
        False  # choose widths so that all variants have as many parameters as the baseline
    )
    tests: dict[str, Any] = field(
        default_factory=dict
    )  # further test sets: name -> overrides of data.test.*


def load_question(
    name: str, changes: dict[str, Any], extra: Sequence[str]
) -> tuple[Question, list[str]]:
    """The comparison in configs/compare/NAME.yaml, or in a file of one's own, changed by the command line.

    `changes` are values by key, budget.* included; a budget replaces the file's. `extra` are
    overrides of mt-train for all variants, after their own. Where they choose another corpus
    (data=...), the file's settings of data and its further tests, which are of another one, no
    longer apply. Returns the question and what was left out so, in words. UsageError for all that
    is wrong with it.
    """
    given = read(name)
    given["overrides"] = as_list(given.get("overrides") or [], "overrides")
    # What the file says of its own corpus goes before anything is added.
    notes = (
        drop_data(given)
        if any(override.key_or_group == "data" for override in parse(extra))
        else []
    )
    if any(key.startswith("budget.") for key in changes):
        given.pop("budget", None)
    for key, value in changes.items():
        section, _, rest = key.partition(".")
        if rest:
            given.setdefault(section, {})[rest] = value
        else:
            given[section] = value
    question = typed(given, f"compare={name}")
    if (
        "variants" in changes
        and "baseline" not in changes
        and question.baseline not in question.variants
    ):
        question.baseline = ""  # of the file, which has other ones
    question.title = question.title or Path(name).stem
    question.variants = {
        each: as_list(value, f"variants.{each}") for each, value in question.variants.items()
    }
    question.tests = {
        each: as_list(value, f"tests.{each}") for each, value in question.tests.items()
    }
    check(question, extra)
    question.baseline = question.baseline or next(iter(question.variants))
    question.seeds = (
        list(range(1, question.seeds + 1)) if isinstance(question.seeds, int) else question.seeds
    )
    return question, notes


def comparisons() -> list[str]:
    """Names of the comparisons that come with mt."""
    return sorted(path.stem for path in (config_dir() / FOLDER).glob("*.yaml"))


def read(name: str) -> dict[str, Any]:
    """A YAML file as it is."""
    own = name.endswith((".yaml", ".yml"))
    path = Path(name).expanduser() if own else config_dir() / FOLDER / f"{name}.yaml"
    if not path.is_file():
        near = difflib.get_close_matches(name, comparisons(), 1)
        known = (
            f"did you mean {near[0]}?"
            if near
            else f"there are {', '.join(comparisons())}, or give the path of a YAML file of your own"
        )
        raise UsageError(f"no comparison {name}: {'there is no such file' if own else known}")
    try:
        loaded = OmegaConf.load(path)
    except Exception as error:  # the YAML parser has many kinds of them
        raise UsageError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(loaded, DictConfig):
        raise UsageError(f"{path} is no comparison: it has no keys such as variants and budget")
    made = OmegaConf.to_container(loaded, resolve=False)
    assert isinstance(made, dict)
    return {str(key): value for key, value in made.items()}


def typed(given: dict[str, Any], origin: str) -> Question:
    """Keys and types checked."""
    try:
        merged = OmegaConf.merge(OmegaConf.structured(Question), given)
        # Not resolved: what looks like an interpolation is one of mt-train's.
        plain = OmegaConf.to_container(merged, resolve=False, structured_config_mode=SCMode.DICT)
    except (OmegaConfBaseException, ValueError) as error:
        raise UsageError(f"{origin}: {mistake(error)}") from error
    assert isinstance(plain, dict)
    made: dict[str, Any] = {str(key): value for key, value in plain.items()}
    return Question(**{**made, "budget": Limits(**made["budget"])})


def mistake(error: Exception) -> str:
    """What OmegaConf found wrong, in a line that has the key."""
    lines = str(error).splitlines()
    key = next(
        (line.split(":", 1)[1].strip() for line in lines if line.strip().startswith("full_key:")),
        "",
    )
    return f"{key}: {lines[0]}" if key and key not in lines[0] else lines[0]


def as_list(value: Any, key: str) -> list[str]:
    """Overrides, of which a single one may stand without brackets."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise UsageError(
            f"{key} is to be a list of settings of mt-train, such as [model=rnn,optim.lr=1e-3]"
        )
    return value


def drop_data(given: dict[str, Any]) -> list[str]:
    """Take away what is said of the corpus; returns in words what that was."""
    settings = given["overrides"]
    gone = [
        text
        for text, override in zip(settings, parse(settings), strict=True)
        if override.key_or_group.split(".")[0] == "data"
    ]
    given["overrides"] = [text for text in settings if text not in gone]
    tests = given.pop("tests", None) or {}
    notes = [f"data=... on the command line replaces {', '.join(gone)}"] if gone else []
    return [
        *notes,
        *(
            [f"and the further test sets {', '.join(tests)}, which are of that corpus"]
            if tests
            else []
        ),
    ]


def check(question: Question, extra: Sequence[str]) -> None:
    """What can be known to be wrong before anything is composed."""
    if not question.variants:
        raise UsageError(
            "a comparison needs variants, each a name with a list of settings: variants: {rnn: [model=rnn], ...}"
        )
    for kind, names in (("variant", question.variants), ("test set", question.tests)):
        for name in names:
            if not NAME.fullmatch(name):
                raise UsageError(f"{name!r} is no name for a {kind}: use letters, digits, - and _")
    if "test" in question.tests:
        raise UsageError("test is the run's own test set: give the further one another name")
    if question.baseline and question.baseline not in question.variants:
        raise UsageError(
            f"baseline={question.baseline} is none of the variants {', '.join(question.variants)}"
        )
    check_seeds(question.seeds)
    for name, value in asdict(question.budget).items():
        if not 0 <= value < math.inf:
            raise UsageError(f"budget.{name}={value:g} is not possible: give more than 0")
    given = [name for name, value in asdict(question.budget).items() if value]
    if len(given) != 1:
        what = f"both {' and '.join(given)}" if len(given) > 1 else "none"
        raise UsageError(
            f"the budget has {what}: set one of budget.minutes, budget.steps, budget.target_tokens, budget.flops"
        )
    for origin, overrides in [
        ("overrides", question.overrides),
        *question.variants.items(),
        ("the command line", extra),
    ]:
        for override in parse(overrides):
            check_override(origin, override)
    for name, overrides in question.tests.items():
        for override in parse(overrides):
            if not override.key_or_group.startswith("data.test."):
                raise UsageError(
                    f"tests.{name}: {override.key_or_group} is not about a test set: give settings of data.test.*"
                )


def check_seeds(seeds: Any) -> None:
    """A number of at least 1, or a list of different ones."""
    numbers = seeds if isinstance(seeds, list) else [seeds]
    least = 0 if isinstance(seeds, list) else 1
    if (
        not numbers
        or any(not isinstance(n, int) or isinstance(n, bool) or n < least for n in numbers)
        or len(set(numbers)) < len(numbers)
    ):
        raise UsageError(
            f"seeds={seeds} is not possible: give their number, such as 3, or a list of different ones, such as [1,2,5]"
        )


def check_override(origin: str, override: Override) -> None:
    """Refuse what the comparison itself decides."""
    key = override.key_or_group
    if override.is_sweep_override():
        raise UsageError(
            f"{origin}: {override.input_line} is several values: make each of them a variant"
        )
    if key in ("name", "seed"):
        raise UsageError(
            f"{origin}: {key} is chosen by mt-compare{': set seeds=...' if key == 'seed' else ''}"
        )
    if key.startswith("trainer.max_"):
        raise UsageError(
            f"{origin}: {key} would make budgets unequal: set one of budget.minutes, .steps, .target_tokens, .flops"
        )
    if key == "experiment":
        raise UsageError(
            f"{origin}: experiment=... sets model and data and budget at once: give the settings that you want of it"
        )


def parse(overrides: Sequence[str]) -> list[Override]:
    """UsageError for what is no override."""
    found = []
    for text in overrides:
        try:
            found += OverridesParser.create().parse_overrides([text])
        except HydraException as error:
            raise UsageError(
                f"cannot read {text}: write key=value, and quote special characters: 'key=\"a,b\"'"
            ) from error
    return found
