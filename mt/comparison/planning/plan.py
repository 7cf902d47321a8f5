"""Plan of a comparison: all is composed and checked before the first minute of training."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mt.comparison.planning.halving import Rung, choose, plan_rungs, promoted
from mt.comparison.planning.parameters import MAX_DIFFERENCE
from mt.comparison.planning.planned_run import PAUSE, PlannedRun, plan_run
from mt.comparison.planning.spec import ComparisonSpec
from mt.comparison.planning.trial_settings import trial_settings
from mt.comparison.planning.trials import NO_TEST, Trial, check_distinct
from mt.comparison.planning.tuning import tuning_result
from mt.comparison.planning.variants import Variant, compose, compose_variants
from mt.comparison.schema.systems import FailedRun
from mt.comparison.schema.tuning import TuningResult, format_share
from mt.comparison.test_sets import with_test_set
from mt.config.schema import Config, DataConfig
from mt.data.corpus import load_test_set
from mt.data.prepare import Log
from mt.errors import MTError, UsageError


@dataclass(frozen=True)
class ExtraTest:
    """A test set beside the runs' own."""

    name: str
    overrides: list[str]  # of data.test.*
    data: DataConfig  # load_test_set(data) has its pairs and annotations


@dataclass
class Plan:
    """All runs of a comparison."""

    spec: ComparisonSpec
    variants: list[Variant]
    tests: list[ExtraTest]
    matched: list[str]  # widths chosen by match_parameters, a sentence for each changed variant
    notes: list[str]
    rungs: list[Rung] = field(default_factory=list)  # of the trials, if settings are tuned

    def folder(self) -> Path:
        """Return the directory of all runs and trials."""
        first = self.variants[0]
        return (first.runs or [trial.run for trial in first.trials])[0].folder.path.parent

    def runs(self) -> list[PlannedRun]:
        """Return the first run of every variant, then the second of every variant, and so on.

        So a comparison that is stopped early has some of each.
        """
        seeds = range(len(self.spec.seeds))
        return [variant.runs[i] for i in seeds for variant in self.variants if variant.runs]

    def missing(self) -> list[PlannedRun]:
        """Return the runs to train, in order."""
        return [run for run in self.runs() if not run.ended()]

    def missing_in_rung(self, rung: int) -> list[PlannedRun]:
        """Return the trials to train for a rung: the first of every variant, then the second."""
        groups = (promoted(variant.trials, self.rungs, rung) for variant in self.variants)
        return [
            trial.runs[rung]
            for row in itertools.zip_longest(*groups)
            for trial in row
            if trial and not trial.ended(rung)
        ]

    def missing_trials(self) -> list[PlannedRun]:
        """Return the trials to train next: those of the first rung that is not complete."""
        missing = map(self.missing_in_rung, range(len(self.rungs)))
        return next((runs for runs in missing if runs), [])

    def trial_budgets(self) -> float:
        """Return the training that trials still need, in budgets of a run."""
        left = share = 0.0
        for number, rung in enumerate(self.rungs):
            waiting = left > 0  # for the trials that will be promoted to it
            trials = rung.trials * len(self.variants)
            missing = trials if waiting else len(self.missing_in_rung(number))
            left += missing * (rung.share - share)
            share = rung.share
        return left


@dataclass(frozen=True)
class PlanOutcome:
    """A plan after training: all that computing results needs of it."""

    title: str
    question: str
    baseline: str
    budget: str  # of each run, in words
    matched: list[str]  # as in Plan
    # Variant -> finished run directories, in the order of seeds; no variant without one.
    systems: dict[str, list[str]]
    failed: list[FailedRun]
    tests: list[ExtraTest]
    tuning: list[TuningResult]  # empty if nothing is tuned


def make_plan(
    spec: ComparisonSpec, extra: Sequence[str], log: Log, notes: Sequence[str] = ()
) -> Plan:
    """Compose every variant, prepare its text, match sizes, open the tests.

    `extra` are overrides of all variants, after their own. Raises UsageError or MTError, naming the
    variant.
    """
    variants, matched = compose_variants(spec, extra, log)
    tests = [open_test(variants[0], name, own) for name, own in spec.tests.items()]
    plan = Plan(spec, variants, tests, matched, list(notes))
    if spec.tune:
        plan_trials(plan)
    if not plan.missing_trials():
        plan_runs(plan)
    planned = [*plan.runs(), *plan.missing_trials()]
    busy = next((run for run in planned if run.folder.is_being_trained()), None)
    if busy:
        raise MTError(
            f"{busy.folder} is being trained by another process: "
            "wait for it to end, then start the same command again"
        )
    return plan


def open_test(variant: Variant, name: str, overrides: list[str]) -> ExtraTest:
    """Open an extra test set. Raises MTError that names it if it is empty."""
    try:
        data = with_test_set(variant.config, name, overrides).data
        if next(iter(load_test_set(data).pairs()), None) is None:
            raise MTError("it is empty")
    except MTError as error:
        raise type(error)(f"tests.{name}: {error}") from error
    return ExtraTest(name, overrides, data)


def plan_trials(plan: Plan) -> None:
    """Plan the trials of every variant. Raises UsageError for settings that are not possible."""
    spec = plan.spec
    settings_of_trials = trial_settings(spec.tune, spec.trials, spec.trial_seed)
    plan.rungs = plan_rungs(len(settings_of_trials), spec.halving)
    target = next(each.parameters for each in plan.variants if each.name == spec.baseline)
    for variant in plan.variants:
        for settings in settings_of_trials:
            overrides = [*variant.overrides, *settings, NO_TEST]
            config = compose(f"{variant.name}, {', '.join(settings)}", overrides)
            config = replace(config, data=variant.config.data)  # with the size of the vocabulary
            if spec.match_parameters:
                check_match(variant, settings, config, target)
            runs = plan_rung_runs(variant, settings, overrides, config, plan)
            variant.trials.append(Trial(settings, runs))
        check_distinct(variant.trials)


def plan_rung_runs(
    variant: Variant, settings: Sequence[str], overrides: list[str], config: Config, plan: Plan
) -> tuple[PlannedRun, ...]:
    """Plan the runs of a trial, one for each rung, in one folder."""
    label, seed = " ".join([variant.name, *settings]), plan.spec.trial_seed
    if plan.rungs[0].share == 1:
        return (plan_run(variant.name, overrides, config, seed, variant.data_hash, label),)
    shares = [rung.share for rung in plan.rungs]
    return tuple(
        plan_run(
            variant.name,
            [*overrides, f"{PAUSE}={share!r}"],
            replace(config, trainer=replace(config.trainer, pause_at=share)),
            seed,
            variant.data_hash,
            f"{label}, {format_share(share)} of the budget",
            pauses=shares,
        )
        for share in shares
    )


def check_match(variant: Variant, settings: Sequence[str], config: Config, target: int) -> None:
    """Raise UsageError if a trial's model does not have as many parameters as was matched."""
    difference = variant.count(config.model) / target - 1
    if abs(difference) > MAX_DIFFERENCE:
        raise UsageError(
            f"tune: with {', '.join(settings)}, {variant.name} has {difference:+.1%} parameters, "
            "which undoes match_parameters=true: tune no setting that changes the size of the "
            "model, or set match_parameters=false"
        )


def plan_runs(plan: Plan) -> None:
    """Plan the runs of every variant, with the settings of its best trial if there are trials.

    A variant of which every trial failed gets no runs.
    """
    for variant in plan.variants:
        best = choose(variant.trials, plan.rungs)
        if variant.trials and best is None:
            continue
        overrides, config = variant.overrides, variant.config
        if best:
            overrides = [*overrides, *best.settings]
            config = replace(compose(variant.name, overrides), data=config.data)
        variant.runs = [
            plan_run(variant.name, overrides, config, seed, variant.data_hash)
            for seed in plan.spec.seeds
        ]


def plan_outcome(
    plan: Plan, failed: Sequence[FailedRun], failed_trials: Sequence[FailedRun] = ()
) -> PlanOutcome:
    """Collect the finished runs and trials of a plan, and those that failed, now or before.

    A failed trial counts as a failed run if no trial of its variant is finished.
    """
    spec = plan.spec
    failed = add_diverged(failed, plan.runs())
    trials = [trial.run for variant in plan.variants for trial in variant.trials]
    failed_trials = add_diverged(failed_trials, trials)
    finished = {
        variant.name: [str(run.folder) for run in variant.runs if run.finished()]
        for variant in plan.variants
    }
    planned = {variant.name for variant in plan.variants if variant.runs}
    reasons = {trial.path: trial.reason for trial in failed_trials}
    return PlanOutcome(
        title=spec.title,
        question=spec.question,
        baseline=spec.baseline,
        budget=str(spec.budget),
        matched=plan.matched,
        systems={name: paths for name, paths in finished.items() if paths},
        failed=[*failed, *(trial for trial in failed_trials if trial.system not in planned)],
        tests=plan.tests,
        tuning=[
            tuning_result(variant.name, variant.trials, plan.rungs, reasons)
            for variant in plan.variants
            if variant.trials
        ],
    )


def add_diverged(failed: Sequence[FailedRun], runs: Sequence[PlannedRun]) -> list[FailedRun]:
    """Add the runs that diverged when an earlier command trained them."""
    known = {each.path for each in failed}
    return [
        *failed,
        *(
            FailedRun(run.variant, run.seed, str(run.folder), reason)
            for run in runs
            if str(run.folder) not in known and (reason := run.divergence())
        ),
    ]
