"""From a question to runs: everything is composed and checked before the first minute of training is spent."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mt.comparison.planning.parameters import match, parameters
from mt.comparison.planning.question import FOLDER, Question
from mt.comparison.schema.systems import FailedRun
from mt.comparison.settings import NEUTRAL_KEYS, get_setting
from mt.config.compose import differences, load_config
from mt.config.schema import Config, DataConfig, keys
from mt.data.corpus import load_corpus
from mt.data.digests import file_digest
from mt.data.prepare import Log, PreparedData, prepare_run
from mt.errors import MTError, UsageError
from mt.run_folder import RunFolder

THREADS = "trainer.threads"  # changes the speed only
TESTING = "trainer.test_beam"  # changes the test only, so that the same training serves


@dataclass(frozen=True)
class PlannedRun:
    """One training of a variant."""

    variant: str
    seed: int
    folder: RunFolder
    overrides: list[str]  # all that mt-train is given
    config: Config

    def finished(self) -> bool:
        """Whether it is trained and tested as planned. The folder's name says that settings and text are the same."""
        folder = self.folder
        if not all(
            path.is_file()
            for path in (folder.config, folder.scores, folder.test_file("hypotheses"))
        ):
            return False
        # Of the beam cost.json tells, which is written after the test; config.yaml has what was
        # asked for when the run was started last.
        try:
            cost = folder.read_cost()
        except MTError:
            return False
        return (
            cost is not None
            and cost.get("test_beam") == get_setting(self.config, TESTING)
            and not differences(folder.read_config(), self.config)
        )

    def begun(self) -> bool:
        """Whether there is something to go on from."""
        return self.folder.checkpoint.exists()


@dataclass(frozen=True)
class ExtraTest:
    """A test set beside the runs' own."""

    name: str
    overrides: list[str]  # of data.test.*
    data: DataConfig  # whose `test` it is: load_corpus(data).test has its pairs and annotations


@dataclass
class Variant:
    """A system to be: settings that differ from the others', and its runs."""

    name: str
    overrides: list[str]  # without seed and folder
    config: Config
    parameters: int = 0
    runs: list[PlannedRun] = field(default_factory=list)


@dataclass
class Plan:
    """What is to be trained for a question, and what of it is there."""

    question: Question
    variants: list[Variant]
    tests: list[ExtraTest]
    matched: list[
        str
    ]  # what match_parameters has chosen, in words, one for each variant that was changed
    notes: list[str]

    def runs(self) -> list[PlannedRun]:
        """The first seed of every variant, then the second: a comparison that is stopped early has something of each."""
        return [
            variant.runs[i] for i in range(len(self.question.seeds)) for variant in self.variants
        ]

    def missing(self) -> list[PlannedRun]:
        return [run for run in self.runs() if not run.finished()]


@dataclass(frozen=True)
class Planned:
    """What a comparison was planned to be and has become: all that computing results needs of it."""

    title: str
    question: str
    baseline: str
    budget: str  # of each run, in words
    matched: list[str]  # as in Plan
    systems: dict[
        str, list[str]
    ]  # variant -> run directories that are finished, in the order of seeds; no variant without one
    failed: list[FailedRun]
    tests: list[ExtraTest]


def make_plan(
    question: Question, extra: Sequence[str], log: Log, notes: Sequence[str] = ()
) -> Plan:
    """Compose every variant, prepare its text, match sizes, open the tests, see what is there. UsageError or MTError, naming the variant.

    `extra`: overrides of all variants, after their own.
    """
    variants = []
    for name, own in question.variants.items():
        overrides = [*question.overrides, *own, *extra, *question.budget.overrides()]
        variants.append(Variant(name, overrides, compose(name, overrides)))
    for i, one in enumerate(variants):
        for other in variants[i + 1 :]:
            if one.config == other.config:
                raise UsageError(
                    f"variants {one.name} and {other.name} are the same: what is set for all has undone what they differ in"
                )
    data = prepare_all(variants, log)
    check_comparable(question, variants, data)
    matched = match_sizes(question, variants, data)
    tests = [open_test(variants[0], name, own) for name, own in question.tests.items()]
    for variant in variants:
        variant.runs = [plan_run(variant, seed, data[variant.name].hash) for seed in question.seeds]
    plan = Plan(question, variants, tests, matched, list(notes))
    busy = next((run for run in plan.runs() if run.folder.is_being_trained()), None)
    if busy:
        raise MTError(
            f"{busy.folder} is being trained by another process: wait for it to end, then start the same command again"
        )
    return plan


def compose(name: str, overrides: list[str]) -> Config:
    try:
        return load_config(overrides)
    except UsageError as error:
        raise UsageError(f"variant {name}: {error}") from error


def prepare_all(variants: Sequence[Variant], log: Log) -> dict[str, PreparedData]:
    """The text of every variant in training form; once for all that have the same."""
    done: list[tuple[tuple[DataConfig, str], PreparedData]] = []
    found = {}
    for variant in variants:
        key = (variant.config.data, variant.config.trainer.init_from)
        data = next((data for known, data in done if known == key), None)
        if data is None:
            try:
                data = prepare_run(variant.config, log)
            except MTError as error:
                raise type(error)(f"variant {variant.name}: {error}") from error
            done.append((key, data))
        found[variant.name] = data
    return found


def check_comparable(
    question: Question, variants: Sequence[Variant], data: dict[str, PreparedData]
) -> None:
    """Refuse what would compare nothing: scores on different tests, or budgets in units that differ."""
    first = variants[0]
    for other in variants[1:]:
        if data[first.name].test_pairs != data[other.name].test_pairs:
            raise UsageError(
                f"variants {first.name} and {other.name} are tested on different text: give both the same data.test.*"
            )
        if first.config.data.languages() != other.config.data.languages():
            raise UsageError(
                f"variants {first.name} and {other.name} translate other languages: give both the same data.*_lang and reverse"
            )
        same = data[first.name].tokenizer.serialized() == data[other.name].tokenizer.serialized()
        if not same and question.budget.target_tokens:
            raise UsageError(
                f"variants {first.name} and {other.name} have different tokenizers, so that equal target tokens are different text: "
                "set budget.minutes, .steps or .flops, or give both the same data.tokenizer.*"
            )


def match_sizes(
    question: Question, variants: Sequence[Variant], data: dict[str, PreparedData]
) -> list[str]:
    """Count parameters; where the question asks for it, change widths so that all have as many as the baseline. Says what it changed."""

    def counter(variant: Variant) -> Any:
        tokenizer = data[variant.name].tokenizer
        return lambda model: parameters(
            model, tokenizer.vocab_size("src"), tokenizer.vocab_size("tgt")
        )

    for variant in variants:
        variant.parameters = counter(variant)(variant.config.model)
    if not question.match_parameters:
        return []
    wanted, notes = (
        next(variant.parameters for variant in variants if variant.name == question.baseline),
        [],
    )
    for variant in variants:
        if variant.name != question.baseline:
            try:
                found = match(variant.config.model, wanted, counter(variant))
            except UsageError as error:
                raise UsageError(f"variant {variant.name}: {error}") from error
            variant.overrides = [*variant.overrides, *found]
            variant.config = compose(variant.name, variant.overrides)
            variant.parameters = counter(variant)(variant.config.model)
            notes.append(
                f"{variant.name}: {', '.join(found)}, {variant.parameters / wanted - 1:+.1%} parameters"
            )
    return notes


def open_test(variant: Variant, name: str, overrides: list[str]) -> ExtraTest:
    """A further test set, which must have something in it."""
    try:
        data = load_config([*variant.overrides, *overrides]).data
        if next(iter(load_corpus(data).test.pairs()), None) is None:
            raise MTError("it is empty")
    except MTError as error:
        raise type(error)(f"tests.{name}: {error}") from error
    return ExtraTest(name, overrides, data)


def plan_run(variant: Variant, seed: int, data_hash: str) -> PlannedRun:
    """The run of a seed, in a folder that is named for all that decides what it learns."""
    settings = {
        name: plain(get_setting(variant.config, name))
        for name in keys()
        if name not in (*NEUTRAL_KEYS, THREADS, TESTING)
    }
    given = [settings, data_hash, *start_of(variant)]
    digest = hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()[:8]
    base, name = Path(variant.config.runs_dir) / FOLDER, f"{variant.name}-{seed}-{digest}"
    overrides = [
        *variant.overrides,
        f"seed={seed}",
        f"name={quoted(name)}",
        f"runs_dir={quoted(str(base))}",
    ]
    config = dataclasses.replace(variant.config, seed=seed, name=name, runs_dir=str(base))
    return PlannedRun(variant.name, seed, RunFolder.at(base / name), overrides, config)


def start_of(variant: Variant) -> list[str]:
    """The weights that fine-tuning starts from, by their content: the run of that name may have been trained anew."""
    if not variant.config.trainer.init_from:
        return []
    model = RunFolder.at(variant.config.trainer.init_from).model
    if not model.is_file():
        raise MTError(
            f"variant {variant.name}: trainer.init_from={variant.config.trainer.init_from} has no {model.name}: its training did not end"
        )
    return [file_digest(model)]


def plain(value: Any) -> Any:
    """For JSON: data.mix holds dataclasses."""
    return (
        {name: dataclasses.asdict(entry) for name, entry in value.items()}
        if isinstance(value, dict)
        else value
    )


def quoted(text: str) -> str:
    """As a value of an override, whatever characters it has. Hydra takes a backslash as it is where there is no quote to escape."""
    return (
        "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'" if "'" in text else f"'{text}'"
    )


def outcome(plan: Plan, failed: Sequence[FailedRun]) -> Planned:
    """What has become of a plan, after `failed` runs failed."""
    question = plan.question
    finished = {
        variant.name: [str(run.folder) for run in variant.runs if run.finished()]
        for variant in plan.variants
    }
    return Planned(
        title=question.title,
        question=question.question,
        baseline=question.baseline,
        budget=str(question.budget),
        matched=plan.matched,
        systems={name: paths for name, paths in finished.items() if paths},
        failed=list(failed),
        tests=plan.tests,
    )
