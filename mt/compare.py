"""mt-compare: which system is better, and how confident can we be?

Compares variants that it trains first, runs that are trained already, or files of translations.
"""

from __future__ import annotations

if __name__ == "__main__":  # signals must be caught before the imports below, which take seconds
    from mt.cli import CONTINUES, run_module

    run_module("mt.compare", CONTINUES)

import functools
import sys
from collections.abc import Sequence

from mt.cli import CONTINUES, run_command, say
from mt.comparison.inputs import read_files, read_runs, read_variants
from mt.comparison.planning.arguments import Request, parse_arguments
from mt.comparison.planning.compare_config import help_text
from mt.comparison.planning.hydra_launcher import check_launcher
from mt.comparison.planning.jobs import STOPPED, train_all
from mt.comparison.planning.overview import format_choices, format_plan
from mt.comparison.planning.parallel import choose_jobs
from mt.comparison.planning.plan import Plan, PlanOutcome, make_plan, plan_outcome, plan_runs
from mt.comparison.planning.spec import load_spec
from mt.comparison.report.markdown import printed_report
from mt.comparison.report.write import write_report
from mt.comparison.results.compute import check_bootstrap, compute_results
from mt.comparison.schema.results import Results
from mt.comparison.schema.systems import FailedRun
from mt.errors import MTError
from mt.evaluation.metrics import fast_metrics
from mt.files import expand_user
from mt.run_folder import RunFolder
from mt.version import __version__


def main() -> None:
    """Run the command."""
    arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):
        run_command(lambda: print(help_text(), flush=True))
        return
    if "--version" in arguments:
        run_command(lambda: print(f"mt-compare {__version__}", flush=True))
        return
    run_command(lambda: run(parse_arguments(arguments)), CONTINUES)


def run(request: Request) -> Results | None:
    """Train what is missing, compare, print and write; None if only the plan was asked for."""
    outcome = train_missing(request) if request.trains else None
    if request.trains and outcome is None:
        return None
    results = compare(request, outcome)
    written = write_report(results, expand_user(request.config.out))
    print(printed_report(results), flush=True)
    say(f"\n{written[0]} shows more")
    if outcome and outcome.failed:
        number = len(outcome.failed)
        runs = "1 run is" if number == 1 else f"{number} runs are"
        raise MTError(
            f"{runs} not in this comparison: {describe_failures(outcome)}; "
            "the same command tries again, except what diverged: delete its directory for that"
        )
    return results


def train_missing(request: Request) -> PlanOutcome | None:
    """Plan, print the plan and train what is missing; None if only the plan was asked for."""
    check_launcher(request.launcher)  # before text is prepared
    spec, notes = load_spec(request.config.compare, request.changes, request.train)
    check_bootstrap(request.config.bootstrap, len(spec.variants))
    jobs, threads = choose_jobs(request.config.jobs, spec, request.train, request.launcher)
    plan = make_plan(spec, [*request.train, *threads], say, notes)
    if request.config.plan:
        print(format_plan(plan), flush=True)
        return None
    say(format_plan(plan))
    failed_trials = train_trials(plan, request.launcher, jobs)
    if spec.tune:
        plan_runs(plan)
        say(format_choices(plan))
    failed = train_all(plan.missing(), request.launcher, jobs)
    outcome = plan_outcome(plan, failed, failed_trials)
    if outcome.baseline not in outcome.systems:
        raise MTError(
            f"no run of the baseline {outcome.baseline} is finished: {describe_failures(outcome)}; "
            "the same command continues"
        )
    return outcome


def train_trials(plan: Plan, launcher: Sequence[str], jobs: int) -> list[FailedRun]:
    """Train the missing trials, rung by rung; return those that failed."""
    failed: list[FailedRun] = []
    for rung in range(len(plan.rungs)):
        failed += train_all(plan.missing_in_rung(rung), launcher, jobs)
        if any(trial.reason == STOPPED for trial in failed):  # validation has to know them all
            raise MTError(f"a trial was {STOPPED}: the same command continues")
    return failed


def compare(request: Request, outcome: PlanOutcome | None) -> Results:
    """Compute the results of finished runs of a plan, of run directories, or of files."""
    config = request.config
    compute = functools.partial(
        compute_results,
        length_by=config.length_by,
        edges=config.edges or None,
        threshold=config.threshold or None,
        tokenize=config.tokenize,
        lowercase=config.lowercase,
        bootstrap=config.bootstrap,
        metrics=[*fast_metrics(), *(["ter"] if config.ter else [])],
        command=["mt-compare", *sys.argv[1:]],
        say=say,
    )
    if outcome:
        tests = {test.name: test.overrides for test in outcome.tests}
        return compute(
            read_variants(outcome.systems, tests, say),
            outcome.baseline,
            title=outcome.title,
            question=outcome.question,
            budget=outcome.budget,
            match_parameters=outcome.matched,
            failed=outcome.failed,
            tuning=outcome.tuning,
        )
    if config.runs:
        return compute(read_runs(config.runs, say=say), config.baseline)
    return compute(read_files(config.hyp, config.ref, config.src, config.lang), config.baseline)


def describe_failures(outcome: PlanOutcome) -> str:
    """Name the failed runs, each with its reason and its log."""
    return "; ".join(
        f"{run.system}, seed {run.seed}: {run.reason} ({RunFolder.at(run.path).log})"
        for run in outcome.failed
    )
