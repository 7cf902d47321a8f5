"""A plan as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mt.comparison.planning.halving import Rung, choose, cost_share, promoted
from mt.comparison.planning.plan import Plan
from mt.comparison.planning.planned_run import PlannedRun
from mt.comparison.planning.variants import Variant
from mt.comparison.schema.tuning import format_share
from mt.comparison.table import Table, markdown_table
from mt.progress_display import format_duration


def format_plan(plan: Plan) -> str:
    """Return the question, a table of the variants and what is still to train."""
    spec, budget = plan.spec, plan.spec.budget
    waiting = plan.missing_trials()
    no_runs = "after the trials" if waiting else "none: every trial failed"
    of_baseline = next(v.parameters for v in plan.variants if v.name == spec.baseline)
    rows = [
        [
            variant.name + (" (baseline)" if variant.name == spec.baseline else ""),
            f"{variant.parameters:,}",
            "" if variant.name == spec.baseline else f"{variant.parameters / of_baseline - 1:+.1%}",
            ", ".join(map(str, spec.seeds)),
            *([format_trials(plan, variant)] if spec.tune else []),
            format_state(variant.runs) if variant.runs else no_runs,
        ]
        for variant in plan.variants
    ]
    header = ["variant", "parameters", "against baseline", "seeds"]
    header += ["trials", "runs"] if spec.tune else ["runs"]
    heading = ": ".join(text for text in (spec.title, spec.question) if text)
    lines = [heading, ""] if heading else []
    lines += [
        markdown_table(Table(header, rows)),
        "",
    ]
    lines += [f"note: {note}" for note in plan.notes] + [
        f"parameters matched: {text}" for text in plan.matched
    ]
    tests = f" and {', '.join(test.name for test in plan.tests)}" if plan.tests else ""
    lines.append(f"each run: {budget}; tested on its test set{tests}; stored in {plan.folder()}")
    runs = len(plan.variants) * len(spec.seeds)
    to_test = sum(run.trained() for run in plan.missing())
    missing = len(plan.missing()) - to_test if plan.runs() else runs
    summary = f"{runs} run{'s' * (runs != 1)}, {missing} of them to train"
    summary += f" and {to_test} to test again" * bool(to_test)
    if spec.tune:
        lines.append(
            f"tuning of {' and '.join(spec.tune)}: {describe_rungs(plan.rungs)}; "
            f"{len(waiting)} trial{'s' * (len(waiting) != 1)} to train"
            f"{' before the next promotion' * (len(plan.rungs) > 1)}; "
            "validation chooses the settings of each variant"
        )
    budgets = missing + plan.trial_budgets()
    if budgets and budget.minutes:
        minutes = budgets * budget.minutes
        summary += f": at most {format_duration(minutes)} one after the other, and the tests"
    return "\n".join([*lines, summary])


def format_choices(plan: Plan) -> str:
    """Return the settings that validation chose for each variant, a line each."""
    lines = []
    for variant in plan.variants:
        best = choose(variant.trials, plan.rungs)
        settings = ", ".join(best.settings) if best else "none, as no trial is finished"
        lines.append(f"chosen for {variant.name}: {settings}")
    return "\n".join(lines)


def describe_rungs(rungs: Sequence[Rung]) -> str:
    """Say how many trials each variant has, with which share of the budget, and what they cost."""
    is_whole = rungs[0].share == 1
    share = "" if is_whole else f"{format_share(rungs[0].share)} of "
    text = f"{rungs[0].trials} trials of each variant with {share}the budget of a run"
    for rung in rungs[1:]:
        text += f", the best {rung.trials} with {format_share(rung.share)} of it"
    cost = f" ({100 * cost_share(rungs):.0f} % of the cost of whole trials)"
    return text if is_whole else text + cost


def format_trials(plan: Plan, variant: Variant) -> str:
    """Say how many trials of a variant are trained."""
    if plan.rungs[0].share == 1:
        return format_state([trial.run for trial in variant.trials])
    counts = []
    for number, rung in enumerate(plan.rungs):
        group = promoted(variant.trials, plan.rungs, number)
        trained = sum(trial.validation(number) is not None for trial in group)
        counts.append(f"{trained} of {rung.trials} with {format_share(rung.share)}")
    return ", ".join(counts)


def format_state(runs: Sequence[PlannedRun]) -> str:
    """Say how many runs are finished, diverged, to test again, begun and to train."""

    def state(run: PlannedRun) -> str:
        if run.ended():
            return "finished" if run.finished() else "diverged"
        if run.trained():
            return "to test again"
        return "begun" if run.begun() else "to train"

    counts = Counter(map(state, runs))
    order = ("finished", "diverged", "to test again", "begun", "to train")
    return ", ".join(f"{counts[name]} {name}" for name in order if counts[name])
