"""mt-compare: which system is better, and how surely?

Of variants that it trains first; of runs that are trained; or of any systems' output, given as files.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from mt.comparison.arguments import CompareConfig, Request, help_text, parse
from mt.comparison.jobs import hydra_launcher, train_all
from mt.comparison.overview import overview
from mt.comparison.plan import Planned, make_plan, outcome
from mt.comparison.question import load_question
from mt.comparison.results import compare
from mt.comparison.systems import TestSet, of_files, of_runs
from mt.comparison.tables import markdown
from mt.errors import MTError, run_command
from mt.files import write_text


def main() -> None:
    """Entry point of the command."""
    arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):
        print(help_text(), flush=True)
        return
    run_command(lambda: run(parse(arguments)))


def run(request: Request) -> dict[str, Any] | None:
    """Train what is missing, compare, print and write. None where only the plan was asked for."""
    config = request.config
    planned = train_missing(request) if request.trains else None
    if request.trains and planned is None:
        return None
    results = compare(
        of_planned(planned) if planned else test_set(config),
        planned.baseline if planned else config.baseline,
        edges=config.edges or None,
        threshold=config.threshold or None,
        tokenize=config.tokenize,
        lowercase=config.lowercase,
        bootstrap=config.bootstrap,
        ter=config.ter,
    )
    report, folder = markdown(results), Path(config.out).expanduser()
    write_text(folder / "results.json", json.dumps(results, ensure_ascii=False, indent=1) + "\n")
    write_text(folder / "report.md", f"# Comparison\n\n{report}\n")
    print(report, flush=True)
    if planned and planned.failed:
        raise MTError(f"{len(planned.failed)} runs are not in this comparison: {failures(planned)}; the same command tries them again")
    return results


def train_missing(request: Request) -> Planned | None:
    """Plan, say what is planned, train what is not there yet. None where only the plan was asked for."""
    with hydra_launcher(request.launcher):
        pass  # it is there: better known before text is prepared
    question, notes = load_question(request.config.compare, request.changes, request.train)
    plan = make_plan(question, request.train, say, notes)
    if request.config.plan:
        print(overview(plan), flush=True)
        return None
    say(overview(plan))
    planned = outcome(plan, train_all(plan.missing(), request.launcher))
    if planned.baseline not in planned.systems:
        raise MTError(f"no run of the baseline {planned.baseline} is finished: {failures(planned)}; the same command goes on from here")
    return planned


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def failures(planned: Planned) -> str:
    return "; ".join(f"{each['system']}, seed {each['seed']}: {each['reason']} ({each['path']}/train.log)" for each in planned.failed)


def test_set(config: CompareConfig) -> TestSet:
    """What the settings name."""
    if config.runs:
        return of_runs(config.runs)
    return of_files(config.hyp, config.ref, config.src, config.lang)


def of_planned(planned: Planned) -> TestSet:
    """The finished runs of a plan, each variant a system of its name."""
    test = of_runs([path for paths in planned.systems.values() for path in paths])
    names = {path: name for name, paths in planned.systems.items() for path in paths}
    return dataclasses.replace(test, systems=[dataclasses.replace(system, name=names[system.runs[0].path]) for system in test.systems])


if __name__ == "__main__":
    main()
