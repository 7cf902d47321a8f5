"""mt-compare: which system is better, and how confident can we be?

Compares variants that it trains first, runs that are trained already, or files of translations.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

from mt.cli import run_command, say
from mt.comparison.inputs import read_files, read_runs, read_variants
from mt.comparison.planning.arguments import Request, help_text, parse
from mt.comparison.planning.jobs import hydra_launcher, train_all
from mt.comparison.planning.overview import overview
from mt.comparison.planning.plan import Planned, make_plan, outcome
from mt.comparison.planning.question import load_question
from mt.comparison.report.markdown import printed_report
from mt.comparison.report.write import write_report
from mt.comparison.results.compute import check_bootstrap, compute_results
from mt.comparison.schema.results import Results
from mt.errors import MTError
from mt.evaluation.metrics import fast_metrics
from mt.run_folder import RunFolder


def main() -> None:
    """Run the command."""
    arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):
        run_command(lambda: print(help_text(), flush=True))
        return
    run_command(lambda: run(parse(arguments)))


def run(request: Request) -> Results | None:
    """Train what is missing, compare, print and write; None if only the plan was asked for."""
    planned = train_missing(request) if request.trains else None
    if request.trains and planned is None:
        return None
    results = compare(request, planned)
    written = write_report(results, Path(request.config.out).expanduser())
    print(printed_report(results), flush=True)
    say(f"\n{written[0]} shows more")
    if planned and planned.failed:
        number = len(planned.failed)
        runs = "1 run is" if number == 1 else f"{number} runs are"
        raise MTError(
            f"{runs} not in this comparison: {describe_failures(planned)}; "
            "the same command tries again"
        )
    return results


def train_missing(request: Request) -> Planned | None:
    """Plan, print the plan and train what is missing; None if only the plan was asked for."""
    with hydra_launcher(request.launcher):
        pass  # that it exists is better known before text is prepared
    question, notes = load_question(request.config.compare, request.changes, request.train)
    check_bootstrap(request.config.bootstrap, len(question.variants))
    plan = make_plan(question, request.train, say, notes)
    if request.config.plan:
        print(overview(plan), flush=True)
        return None
    say(overview(plan))
    planned = outcome(plan, train_all(plan.missing(), request.launcher))
    if planned.baseline not in planned.systems:
        raise MTError(
            f"no run of the baseline {planned.baseline} is finished: {describe_failures(planned)}; "
            "the same command continues"
        )
    return planned


def compare(request: Request, planned: Planned | None) -> Results:
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
    if planned:
        tests = {test.name: test.overrides for test in planned.tests}
        return compute(
            read_variants(planned.systems, tests, say),
            planned.baseline,
            title=planned.title,
            question=planned.question,
            budget=planned.budget,
            match_parameters=planned.matched,
            failed=planned.failed,
        )
    if config.runs:
        return compute(read_runs(config.runs), config.baseline)
    return compute(read_files(config.hyp, config.ref, config.src, config.lang), config.baseline)


def describe_failures(planned: Planned) -> str:
    """Name the failed runs, each with its reason and its log."""
    return "; ".join(
        f"{run.system}, seed {run.seed}: {run.reason} ({RunFolder.at(run.path).log})"
        for run in planned.failed
    )


if __name__ == "__main__":
    main()
