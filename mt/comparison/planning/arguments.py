"""What mt-compare is asked to do: its keys, what each means, and how the command line is read."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]
from yaml.constructor import ConstructorError  # type: ignore[import-untyped]

from mt.comparison.planning.question import Limits, mistake
from mt.config.compose import check_keys
from mt.config.setting import setting
from mt.errors import UsageError
from mt.evaluation.evaluation import check_settings
from mt.evaluation.lengths import check_length_side

HEADER = """\
mt-compare: which system is better, and how surely?

usage: mt-compare [compare=NAME] [key=value ...]
       mt-compare runs='[RUN,RUN,...]' [key=value ...]
       mt-compare hyp='{NAME: FILE, ...}' ref=FILE [src=FILE] [key=value ...]

  mt-compare                                                       no attention, Bahdanau, Luong, Transformer; three seeds, equal budgets
  mt-compare compare=quick                                         the same, small: minutes
  mt-compare compare=positions data=multi30k seeds=5 budget.minutes=20
  mt-compare compare=mine.yaml plan=true                           what would be trained, of a comparison of your own
  mt-compare hydra/launcher=joblib hydra.launcher.n_jobs=2 trainer.threads=1       two runs at a time
  mt-compare runs='[runs/rnn,runs/transformer]'                    what is trained already
  mt-compare runs='runs/why_attention-*'                           all of that name
  mt-compare runs='[runs/a-1,runs/a-2,runs/a-3,runs/b-1,runs/b-2,runs/b-3]' baseline=a-1     three seeds of two systems
  mt-compare hyp='{ours: ours.de, theirs: theirs.de}' ref=news.de src=news.en lang=de
  mt-compare hyp='{ours: [seed1.de,seed2.de], theirs: theirs.de}' ref=news.de

The first form trains what is missing, in runs_dir/compare, and keeps what is finished: the same command goes on after an interruption. Any
other key=value is a setting of mt-train for all variants. Each system is compared with the baseline on the same sentences: the difference
with a 95 % interval over sentences and seeds, a p-value corrected for the number of systems, and what that means in words.
Runs that differ in nothing but their seed are one system. The tables are printed. out/report.html shows everything and opens in any
browser; report.md, results.csv, results.json and figures/ are beside it.

Keys, with their defaults"""


@dataclass
class CompareConfig:
    """The settings of a comparison. Those that are None are the file's."""

    compare: str = setting(
        "default",
        "comparison to train for: a file of configs/compare, or the path of a YAML file of one's own",
    )
    variants: Any = setting(
        None, "with compare: other variants, as \"{NAME: ['key=value', ...], ...}\""
    )
    seeds: Any = setting(None, "with compare: number of seeds, or a list of them")
    budget: Limits | None = setting(
        None,
        f"with compare: what each run may spend; set one of {', '.join(f'budget.{each.name}' for each in dataclasses.fields(Limits))}",
    )
    match_parameters: Any = setting(
        None,
        "with compare: true: choose widths so that all have as many parameters as the baseline",
    )
    tests: Any = setting(
        None, "with compare: further test sets, as \"{NAME: ['data.test.KEY=VALUE'], ...}\""
    )
    plan: bool = setting(False, "with compare: show what would be trained, check it, and stop")
    runs: list[str] = setting(
        list,
        "instead: run directories, or patterns such as runs/x-*, by the tests that mt-train left in them",
    )
    hyp: dict[str, Any] = setting(
        dict,
        "instead: files of translations, by the name of the system; a list of files for several seeds",
    )
    ref: str = setting("", "with hyp: file of reference translations")
    src: str = setting("", "with hyp: file of sources, whose length then counts")
    lang: str = setting("", "with hyp: target language, which decides how BLEU tokenises")
    baseline: str = setting(
        "",
        "name of the system that the others are compared with; default: the comparison's, or the first",
    )
    out: str = setting(
        "comparison", "folder of report.html, report.md, results.json, results.csv and figures/"
    )
    length_by: str = setting(
        "", "whose length counts: source or reference; default: the source's, where it is known"
    )
    edges: list[int] = setting(
        list, "upper ends of the length buckets; default: [10,20,30,40,50,60] words"
    )
    threshold: int = setting(0, "longest sentence that counts as short; 0: 20 words")
    tokenize: str = setting("", "BLEU's tokeniser; default: by language")
    lowercase: bool = setting(False, "lower-case for BLEU and chrF")
    ter: bool = setting(False, "TER too, which takes minutes on long, poor translations")
    bootstrap: int = setting(1000, "resamples of the sentences")


OF_PLANS = (
    "compare",
    "variants",
    "seeds",
    "budget",
    "match_parameters",
    "tests",
    "plan",
)  # keys that only training has a use for
CHANGES = (
    "variants",
    "seeds",
    "match_parameters",
    "tests",
    "baseline",
)  # keys that replace what the comparison's file says


@dataclass
class Request:
    """A command line, read."""

    config: CompareConfig
    changes: dict[str, Any] = field(
        default_factory=dict
    )  # of the comparison's file, by key, budget.* included
    train: list[str] = field(default_factory=list)  # settings of mt-train, for all variants
    launcher: list[str] = field(default_factory=list)  # settings of Hydra

    @property
    def trains(self) -> bool:
        """Whether runs are planned and trained, instead of given."""
        return not (self.config.runs or self.config.hyp)


def parse(arguments: Sequence[str]) -> Request:
    """key=value arguments as settings. UsageError for what is wrong with them as far as it shows without reading a file."""
    known = [each.name for each in dataclasses.fields(CompareConfig)]
    given: dict[str, Any] = {}
    request = Request(CompareConfig())
    for argument in arguments:
        override = _parse(argument)
        key = override.key_or_group
        name, _, rest = key.partition(".")
        if key.startswith(("hydra.", "hydra/")):
            request.launcher.append(argument)
        elif name not in known or override.is_add() or override.is_delete():
            _check_of_training(key, argument, known)
            request.train.append(argument)
        elif override.is_sweep_override():
            raise UsageError(f"{argument} is several values: write a list as {key}='[a,b]'")
        elif (name == "budget") != bool(rest) or (
            rest and rest not in {each.name for each in dataclasses.fields(Limits)}
        ):
            limits = ", ".join(f"budget.{each.name}" for each in dataclasses.fields(Limits))
            raise UsageError(
                f"unknown key {key}: "
                + (
                    f"set one of {limits}"
                    if name == "budget"
                    else "mt-compare --help lists what there is"
                )
            )
        elif rest:
            request.changes[key] = override.value()
        else:
            if name in ("hyp", "variants", "tests"):
                _check_names(argument)
            value = override.value()
            if name == "hyp" and not isinstance(value, dict):
                raise UsageError(f"{argument} has no names: write hyp='{{NAME: FILE, NAME: FILE}}'")
            given[key] = (
                [value] if name in ("runs", "edges") and not isinstance(value, list) else value
            )
    try:
        config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(CompareConfig), given))
    except OmegaConfBaseException as error:
        raise UsageError(mistake(error)) from error
    assert isinstance(config, CompareConfig)
    request.config = config
    request.changes |= {key: given[key] for key in CHANGES if key in given}
    _check(request, given)
    if config.bootstrap < 100:
        raise UsageError(
            f"bootstrap={config.bootstrap} resamples give no 95 % interval: use 100 or more"
        )
    check_settings(config.edges or None, config.threshold or None, config.bootstrap)
    check_length_side(config.length_by, bool(config.src or not config.hyp))
    return request


def _parse(argument: str) -> Override:
    try:
        return OverridesParser.create().parse_overrides([argument])[0]
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
    """Refuse two values under one name, of which Hydra would take the last and say nothing."""
    try:
        OmegaConf.create(argument.replace("=", ": ", 1))
    except ConstructorError as error:
        if "duplicate key" in str(error.problem):
            raise UsageError(f"{argument} has a name twice: {error.problem}") from error
    except YAMLError:  # not everything that Hydra reads is YAML
        return


def _check_of_training(key: str, argument: str, known: list[str]) -> None:
    """A key that is not mt-compare's must be one of mt-train's."""
    if near := difflib.get_close_matches(key, known, 1, 0.7):
        raise UsageError(f"unknown key {key}: did you mean {near[0]}?")
    try:
        check_keys([argument])
    except UsageError as error:
        raise UsageError(
            str(error).replace(
                "mt-train --help lists", "mt-compare --help and mt-train --help list"
            )
        ) from error


def _check(request: Request, given: dict[str, Any]) -> None:
    """Refuse keys that have no use beside the others."""
    config = request.config
    for name in ("runs", "hyp"):
        if name in given and not getattr(config, name):
            raise UsageError(f"{name} names nothing to compare; see mt-compare --help")
    if config.runs and config.hyp:
        raise UsageError(
            "give either runs='[RUN,RUN]' or hyp='{NAME: FILE, NAME: FILE}' ref=FILE; see mt-compare --help"
        )
    if config.hyp and not config.ref:
        raise UsageError("hyp needs ref=FILE, the translations to compare with")
    for name in ("ref", "src", "lang"):
        if not config.hyp and getattr(config, name):
            raise UsageError(
                f"{name} goes with hyp: runs are compared on the tests that are stored with them"
            )
    if (out := Path(config.out).expanduser()).exists() and not out.is_dir():
        raise UsageError(f"out={config.out} is a file: name a folder")
    if not request.trains:
        out_of_place = (
            [name for name in (*given, *request.changes) if name.split(".")[0] in OF_PLANS]
            + request.train
            + request.launcher
        )
        if out_of_place:
            raise UsageError(
                f"{out_of_place[0]} is for training: {'runs' if config.runs else 'hyp'} compares what is there as it is"
            )


def help_text() -> str:
    """What `mt-compare --help` prints."""
    defaults = CompareConfig()
    lines = [HEADER]
    for each in dataclasses.fields(CompareConfig):
        default = getattr(defaults, each.name)
        lines.append(
            f"  {each.name}{f' = {default}' if default not in ('', None, [], {}) else ''}\n      {each.metadata['help']}"
        )
    return "\n".join(lines)
