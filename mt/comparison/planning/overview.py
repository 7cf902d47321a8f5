"""A plan as text."""

from __future__ import annotations

from mt.cli import format_duration
from mt.comparison.planning.plan import Plan, Variant
from mt.comparison.table import Table, markdown_table


def format_plan(plan: Plan) -> str:
    """Return the question, a table of the variants and what is still to train."""
    spec, budget = plan.spec, plan.spec.budget
    of_baseline = next(v.parameters for v in plan.variants if v.name == spec.baseline)
    rows = [
        [
            variant.name + (" (baseline)" if variant.name == spec.baseline else ""),
            f"{variant.parameters:,}",
            "" if variant.name == spec.baseline else f"{variant.parameters / of_baseline - 1:+.1%}",
            ", ".join(str(run.seed) for run in variant.runs),
            format_state(variant),
        ]
        for variant in plan.variants
    ]
    lines = [f"{spec.title}: {spec.question}" if spec.question else spec.title, ""]
    lines += [
        markdown_table(Table(["variant", "parameters", "against baseline", "seeds", "runs"], rows)),
        "",
    ]
    lines += [f"note: {note}" for note in plan.notes] + [
        f"parameters matched: {text}" for text in plan.matched
    ]
    tests = f" and {', '.join(test.name for test in plan.tests)}" if plan.tests else ""
    lines.append(
        f"each run: {budget}; tested on its test set{tests}; "
        f"stored in {plan.variants[0].runs[0].folder.path.parent}"
    )
    missing = plan.missing()
    runs = len(plan.runs())
    summary = f"{runs} run{'s' * (runs != 1)}, {len(missing)} of them to train"
    if missing and budget.minutes:
        minutes = len(missing) * budget.minutes
        summary += f": at most {format_duration(minutes)} one after the other, and the tests"
    return "\n".join([*lines, summary])


def format_state(variant: Variant) -> str:
    """Say how many runs of a variant are finished, begun and to train."""
    finished = sum(run.finished() for run in variant.runs)
    begun = sum(run.begun() and not run.finished() for run in variant.runs)
    counts = {
        "finished": finished,
        "begun": begun,
        "to train": len(variant.runs) - finished - begun,
    }
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count)
