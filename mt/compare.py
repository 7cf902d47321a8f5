"""mt-compare: which system is better, and how surely?

Of variants that it trains first; of runs that are trained; or of any systems' output, given as
files.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mt.cli import run_command, say
from mt.comparison.planning.arguments import CompareConfig, Request, help_text, parse
from mt.comparison.planning.jobs import hydra_launcher, train_all
from mt.comparison.planning.overview import overview
from mt.comparison.planning.plan import Planned, make_plan, outcome
from mt.comparison.planning.question import load_question
from mt.comparison.report.markdown import summary
from mt.comparison.report.write import write_report
from mt.comparison.results.compare import check_resamples, compare
from mt.comparison.systems import Material, of_files, of_runs, of_variants
from mt.errors import MTError
from mt.evaluation.metrics import fast_metrics
from mt.run_folder import RunFolder


def main() -> None:
    """Entry point of the command."""
    arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):
        run_command(lambda: print(help_text(), flush=True))
        return
    run_command(lambda: run(parse(arguments)))


def run(request: Request) -> dict[str, Any] | None:
    """Train what is missing, compare, print and write. None where only the plan was asked for."""
    config = request.config
    planned = train_missing(request) if request.trains else None
    if request.trains and planned is None:
        return None
    settings: dict[str, Any] = {
        "length_by": config.length_by,
        "edges": config.edges or None,
        "threshold": config.threshold or None,
        "tokenize": config.tokenize,
        "lowercase": config.lowercase,
        "bootstrap": config.bootstrap,
        "metrics": [*fast_metrics(), *(["ter"] if config.ter else [])],
        "command": ["mt-compare", *sys.argv[1:]],
        "say": say,
    }
    results = (
        of_plan(planned, settings)
        if planned
        else compare(material(config), config.baseline, **settings)
    )
    written = write_report(results, Path(config.out).expanduser())
    print(summary(results), flush=True)
    say(f"\n{written[0]} shows more")
    if planned and planned.failed:
        runs = "1 run is" if len(planned.failed) == 1 else f"{len(planned.failed)} runs are"
        raise MTError(
            f"{runs} not in this comparison: {failures(planned)}; the same command tries again"
        )
    return results


def train_missing(request: Request) -> Planned | None:
    """Plan, say what is planned, train what is not there yet. None where only the plan was asked for."""
    with hydra_launcher(request.launcher):
        pass  # it is there: better known before text is prepared
    question, notes = load_question(request.config.compare, request.changes, request.train)
    check_resamples(request.config.bootstrap, len(question.variants))
    plan = make_plan(question, request.train, say, notes)
    if request.config.plan:
        print(overview(plan), flush=True)
        return None
    say(overview(plan))
    planned = outcome(plan, train_all(plan.missing(), request.launcher))
    if planned.baseline not in planned.systems:
        raise MTError(
            f"no run of the baseline {planned.baseline} is finished: {failures(planned)}; the same command goes on from here"
        )
    return planned


def of_plan(planned: Planned, settings: dict[str, Any]) -> dict[str, Any]:
    """The finished runs of a plan compared, each variant a system of its name."""
    return compare(
        of_variants(planned.systems, {test.name: test.overrides for test in planned.tests}, say),
        planned.baseline,
        title=planned.title,
        question=planned.question,
        budget=planned.budget,
        match_parameters=planned.matched,
        failed=planned.failed,
        **settings,
    )


def material(config: CompareConfig) -> Material:
    """What the settings name."""
    if config.runs:
        return of_runs(config.runs)
    return of_files(config.hyp, config.ref, config.src, config.lang)


def failures(planned: Planned) -> str:
    return "; ".join(
        f"{each['system']}, seed {each['seed']}: {each['reason']} ({RunFolder.at(each['path']).log})"
        for each in planned.failed
    )


if __name__ == "__main__":
    main()
