"""A plan as people read it, before anything is trained."""

from __future__ import annotations

from mt.cli import format_duration
from mt.comparison.planning.plan import Plan, Variant
from mt.comparison.table import Table, markdown_table


def overview(plan: Plan) -> str:
    """The question, a table of the variants, what is there and what is to be done; ends without a newline."""
    question, budget = plan.question, plan.question.budget
    of_baseline = next(v.parameters for v in plan.variants if v.name == question.baseline)
    rows = [
        [
            variant.name + (" (baseline)" if variant.name == question.baseline else ""),
            f"{variant.parameters:,}",
            ""
            if variant.name == question.baseline
            else f"{variant.parameters / of_baseline - 1:+.1%}",
            ", ".join(str(run.seed) for run in variant.runs),
            state(variant),
        ]
        for variant in plan.variants
    ]
    lines = [f"{question.title}: {question.question}" if question.question else question.title, ""]
    lines += [
        markdown_table(Table(["variant", "parameters", "against baseline", "seeds", "runs"], rows)),
        "",
    ]
    lines += [f"note: {note}" for note in plan.notes] + [
        f"parameters matched: {text}" for text in plan.matched
    ]
    tests = f" and {', '.join(test.name for test in plan.tests)}" if plan.tests else ""
    lines.append(
        f"each run: {budget}; tested on its test set{tests}; kept in {plan.variants[0].runs[0].folder.path.parent}"
    )
    missing = plan.missing()
    runs = len(plan.runs())
    summary = f"{runs} run{'s' * (runs != 1)}, {len(missing)} of them to train"
    if missing and budget.minutes:
        summary += f": {format_duration(len(missing) * budget.minutes)} one after the other at most, and the tests"
    return "\n".join([*lines, summary])


def state(variant: Variant) -> str:
    """How many of a variant's runs are finished, begun, and not."""
    finished = sum(run.finished() for run in variant.runs)
    begun = sum(run.begun() and not run.finished() for run in variant.runs)
    counts = {
        "finished": finished,
        "begun": begun,
        "to train": len(variant.runs) - finished - begun,
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)
