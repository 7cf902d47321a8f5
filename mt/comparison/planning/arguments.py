"""Command line of mt-compare: its keys and their help, and the parser."""

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

from mt.comparison.planning.budget import RunBudget
from mt.comparison.planning.spec import ComparisonSpec, describe_error
from mt.config.compose import check_keys
from mt.config.overrides import keep_text, parse_override
from mt.config.presets import SEARCH_PATH, collect_folders
from mt.config.setting import setting
from mt.errors import UsageError
from mt.evaluation.evaluation import check_settings
from mt.evaluation.lengths import check_length_side
from mt.files import expand_user

BUDGET_NAMES = [field.name for field in dataclasses.fields(RunBudget)]
BUDGET_KEYS = ", ".join(f"budget.{name}" for name in BUDGET_NAMES if name != "until")

HEADER = """\
mt-compare: compare systems, with confidence intervals and significance tests.

usage: mt-compare [compare=NAME] [key=value ...]
       mt-compare runs='[RUN,RUN,...]' [key=value ...]
       mt-compare hyp='{NAME: FILE, ...}' ref=FILE [src=FILE] [key=value ...]

Train and compare variants:
  mt-compare                      no attention, Bahdanau, Luong, Transformer; tuned, three seeds
  mt-compare compare=quick        short sentences, one seed; takes minutes
  mt-compare compare=positions data=multi30k seeds=5 budget.minutes=20
  mt-compare compare=mine.yaml plan=true         check your own comparison, train nothing
  mt-compare --config-dir conf compare=mine      conf/compare/mine.yaml; conf/ is like configs/
Compare trained runs:
  mt-compare runs='[runs/rnn,runs/transformer]'
  mt-compare runs='runs/why_attention-*'
  mt-compare runs='[runs/a-1,runs/a-2,runs/b-1,runs/b-2]' baseline=a-1     two seeds each
Compare files of translations:
  mt-compare hyp='{ours: ours.de, theirs: theirs.de}' ref=news.de src=news.en lang=de
  mt-compare hyp='{ours: [seed1.de,seed2.de], theirs: theirs.de}' ref='[news.a.de,news.b.de]'

The first form trains missing runs in runs_dir/compare and reuses finished ones; after an
interruption, the same command continues. Any other key=value is a setting of mt-train for all
variants. Every system is compared with the baseline on the same sentences. The report gives the
difference with a 95 % interval over sentences and seeds, a p-value corrected for the number of
systems, and a verdict. Runs that differ only in their seed are one system.

The main tables are printed. report.html, the whole report in one file for any browser, report.md,
results.csv, results.json, figures/ and tables/ (LaTeX) are written to the folder `out`.

keys and their default values:"""


@dataclass
class CompareConfig:
    """The settings of mt-compare. None: as in the comparison's file."""

    compare: str = setting(
        "default",
        "comparison to train: a file of configs/compare, such as ladder or findings/luong-2015, or "
        "the path of a YAML file",
    )
    variants: Any = setting(
        None,
        "(training only) variants, instead of the file's: \"{NAME: ['key=value', ...], ...}\"",
    )
    seeds: Any = setting(None, "(training only) number of seeds, or a list of them")
    budget: RunBudget | None = setting(
        None,
        f"(training only) limit of each run; set one of {BUDGET_KEYS}; budget.until=plateau: end "
        "earlier, when a run has stopped improving (trainer.until)",
    )
    tune: Any = setting(
        None,
        "(training only) values to try for each variant, with a run of the same budget for each "
        "combination; validation chooses: '{optim.lr: [1e-3,2e-3], model.dropout: [0,0.1]}'",
    )
    trials: Any = setting(
        None, "(training only) number of random combinations of tune to try; 0: all"
    )
    halving: Any = setting(
        None,
        "(training only) successive halving: of N trials, such as 3, only the best trains on "
        "after a share of the budget; 0: all are trained to the end",
    )
    trial_seed: Any = setting(
        None, "(training only) seed of the trials, which must be none of the seeds of the runs"
    )
    match_parameters: Any = setting(
        None, "(training only) true: choose widths that match the baseline's number of parameters"
    )
    tests: Any = setting(
        None, "(training only) extra test sets: \"{NAME: ['data.test.KEY=VALUE'], ...}\""
    )
    jobs: int = setting(
        0, "(training only) number of runs at a time; 0: one per core, on a GPU one at a time"
    )
    plan: bool = setting(False, "(training only) check and show what would be trained, then stop")
    runs: list[str] = setting(
        list, "run directories to compare, or patterns such as runs/x-*, instead of training"
    )
    hyp: dict[str, Any] = setting(
        dict,
        "files of translations to compare, by system name, instead of training; a list of files "
        "is one system with several seeds",
    )
    ref: list[str] = setting(
        list, "(hyp only) file of reference translations, or a list of files: several references"
    )
    src: str = setting(
        "", "(hyp only) file of sources; sentences are then grouped by source length"
    )
    lang: str = setting("", "(hyp only) target language code, which selects BLEU's tokenizer")
    baseline: str = setting(
        "",
        "system with which the others are compared; default: that of the file, or the first system",
    )
    out: str = setting(
        "comparison", "folder of report.html, report.md, results.json, results.csv and figures/"
    )
    length_by: str = setting(
        "",
        "side whose length groups the sentences: source or reference; default: source, if given",
    )
    edges: list[int] = setting(
        list, "upper ends of the length buckets; default: [10,20,30,40,50,60] words"
    )
    threshold: int = setting(0, "maximum length of a short sentence; 0: 20 words")
    tokenize: str = setting("", "BLEU's tokenizer; default: by language")
    lowercase: bool = setting(False, "lower-case the text for BLEU and chrF")
    ter: bool = setting(False, "also compute TER, which takes minutes on long, poor translations")
    bootstrap: int = setting(1000, "number of bootstrap resamples")


LIST_KEYS = ("runs", "ref", "edges")  # one value is a list of one
OWN_KEYS = {key.name for key in dataclasses.fields(CompareConfig)}
FILE_KEYS = OWN_KEYS & {key.name for key in dataclasses.fields(ComparisonSpec)}
SPEC_KEYS = FILE_KEYS - {"budget"}  # replace those of the comparison's file; budget.* are apart
TRAINING_KEYS = {"compare", "jobs", "plan", *FILE_KEYS} - {"baseline"}  # of no use otherwise


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
        elif name == "budget" and rest not in BUDGET_NAMES:
            raise UsageError(f"unknown key {key}: set one of {BUDGET_KEYS}")
        elif rest and name != "budget":
            raise UsageError(f"unknown key {key}: mt-compare --help lists the keys")
        elif rest:
            request.changes[key] = override.value()
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


def help_text() -> str:
    """Return the text of `mt-compare --help`."""
    defaults = CompareConfig()
    lines = [HEADER]
    for key in dataclasses.fields(CompareConfig):
        default = getattr(defaults, key.name)
        shown = "" if default in ("", None, [], {}) else f" = {default}"
        lines.append(f"  {key.name}{shown}\n      {key.metadata['help']}")
    return "\n".join(lines)
