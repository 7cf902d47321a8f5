"""Speed of learning and its result: validation at equal target tokens, and the test at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean

from mt.comparison.report.blocks import Block, Bullets, Note, Paragraph, Section
from mt.comparison.report.queries import (
    find_entry,
    headline_test,
    is_distinguishable,
    system_cell,
)
from mt.comparison.report.sections.scores import score_cell
from mt.comparison.report.text import count_noun, format_large, format_number, quote_name
from mt.comparison.schema.results import Results
from mt.comparison.schema.systems import RunResult, SystemResult, ValidationPoint
from mt.comparison.table import Cell, Table
from mt.evaluation.metrics import HEADLINE
from mt.training.plateau import MIN_BLEU_RISE

SHARES = (0.25, 0.5, 1.0)  # of the tokens that all runs have reached
MAX_COSINE_RATIO = 1.02  # greatest over least length of runs that count as equally long
NOTE = (
    "Validation BLEU (loss) at equal numbers of target tokens: means over the runs, interpolated "
    "between validations. The greatest number is that which all runs have reached before the final "
    "decay of the learning rate: a decay improves the scores at once, so that validations before "
    "and after it cannot be compared. To plateau: cost up to the validation that saw it, without "
    "the decay. Differences in validation BLEU are not tested."
)
# Settings in which systems must not differ, or their validations cannot be compared.
VALIDATION_SETTINGS = ("data.val.", "data.val_sets", "trainer.val_set", "trainer.val_beam")
HOLDOUT_SETTINGS = ("data.holdout", "data.train.", "data.mix")  # the same, if it is held out
VOCABULARY_SETTINGS = ("data.tokenizer.", "data.train.", "data.mix", "data.clean.")
VOCABULARY_NOTE = (
    "The systems differ in training text or tokenizer, and so perhaps in their vocabularies: equal "
    "numbers of target tokens are then not the same amount of text, and losses per token cannot be "
    "compared."
)


def learning(results: Results) -> Section:
    """Show who learns faster, at the same budget, and who is better in the end."""
    title = "Same budget and end of training"
    if not (levels := token_levels(results)):
        return Section("learning", title, [])
    summary, reversals = compare_orders(results, levels[-1])
    blocks: list[Block] = [Paragraph(summary), Bullets(reversals)]
    blocks += [learning_table(results, levels), Note(NOTE)]
    if _differ_in(results, VOCABULARY_SETTINGS):
        blocks.append(Note(VOCABULARY_NOTE))
    return Section("learning", title, blocks, short_title="Learning")


def token_levels(results: Results) -> list[float]:
    """Return numbers of target tokens at which every run has a validation on either side.

    There are none for a single system, if a run has no curve, if systems are validated differently,
    or if cosine schedules of different lengths have different rates at equal tokens.
    """
    curves = [stable_curve(run) for system in results.systems for run in system.runs]
    if len(results.systems) < 2 or not all(curves) or not _is_validated_alike(results):
        return []
    ends = [curve[-1][0] for curve in curves]
    if max(ends) > MAX_COSINE_RATIO * min(ends) and _has_cosine_schedule(results):
        return []
    first, last = max(curve[0][0] for curve in curves), min(ends)
    return [last * share for share in SHARES if last * share >= first]


def _is_validated_alike(results: Results) -> bool:
    """Return whether all systems have the same validation set and beam."""
    settings = {**results.provenance.settings, **results.systems[0].settings}
    is_given = any(settings.get(f"data.val.{kind}") for kind in ("src", "file", "hub", "demo"))
    return not _differ_in(results, VALIDATION_SETTINGS + (() if is_given else HOLDOUT_SETTINGS))


def _differ_in(results: Results, prefixes: tuple[str, ...]) -> bool:
    """Return whether systems differ in a setting that begins with one of these."""
    return any(key.startswith(prefixes) for system in results.systems for key in system.settings)


def _has_cosine_schedule(results: Results) -> bool:
    shared = results.provenance.settings
    return any(
        {**shared, **system.settings}.get("optim.schedule") == "cosine"
        for system in results.systems
    )


def stable_curve(run: RunResult) -> list[tuple[int, ValidationPoint]]:
    """Return the validations before the final decay, each after its number of target tokens."""
    return [
        (point.target_tokens, point)
        for point in run.curve
        if point.target_tokens and (run.decay_step is None or point.step < run.decay_step)
    ]


def learning_table(results: Results, levels: Sequence[float]) -> Table:
    """Return a row for each system: validations at equal tokens, its plateau, its test."""
    scores = headline_test(results).overall.scores
    rows: list[list[Cell | str]] = [
        [
            system_cell(system),
            *(_validation_cell(system, level) for level in levels),
            *_plateau_cells(system),
            score_cell(find_entry(scores, system.name)),
        ]
        for system in results.systems
    ]
    header = ["system", *(f"BLEU (loss) at {format_large(level)} tokens" for level in levels)]
    header += ["tokens to plateau", "steps", "minutes", "test BLEU, in the end"]
    return Table(header, rows).without_empty_columns()


def compare_orders(results: Results, level: float) -> tuple[str, list[str]]:
    """Say whether the systems that are ahead at equal tokens are better in the end.

    Returns a sentence, and one for each pair in which the order is reversed. Only pairs whose test
    BLEU differs significantly count, and only gaps of 0.5 or more in validation BLEU.
    """
    systems, test = {system.name: system for system in results.systems}, headline_test(results)
    early = {name: _bleu_at(system, level) for name, system in systems.items()}
    late = {s.system: s.mean for s in test.overall.scores if s.metric == HEADLINE}
    at, count, reversals = f"at {format_large(level)} target tokens", 0, []
    for pair in test.pairs:
        if pair.metric != HEADLINE or not is_distinguishable(pair):
            continue
        count += 1
        worse, better = sorted((pair.system, pair.other), key=late.__getitem__)
        if early[worse] - early[better] >= MIN_BLEU_RISE:
            reversals.append(
                f"{quote_name(worse)} is ahead of {quote_name(better)} {at} (validation BLEU "
                f"{early[worse]:.1f} and {early[better]:.1f}), and behind it in the end (test BLEU "
                f"{late[worse]:.1f} and {late[better]:.1f})."
            )
    if not count:
        return (
            "No two systems differ significantly in test BLEU, so there is no order in the end "
            f"to compare with that {at}.",
            [],
        )
    differing = f"{count_noun(count, 'pair')} of systems with a significant difference in test BLEU"
    gap = f"at least {MIN_BLEU_RISE} points of validation BLEU {at}"
    if not reversals:
        return f"The orders agree: {differing}, none in the opposite order by {gap}.", []
    number = len(reversals)
    return f"The orders disagree: {differing}, {number} in the opposite order by {gap}.", reversals


def value_at(
    run: RunResult, level: float, get: Callable[[ValidationPoint], float | None]
) -> float | None:
    """Interpolate a value of the validations on either side of a number of target tokens.

    None if one of them does not have it.
    """
    curve = stable_curve(run)
    before = max((entry for entry in curve if entry[0] <= level), key=lambda entry: entry[0])
    after = min((entry for entry in curve if entry[0] >= level), key=lambda entry: entry[0])
    low, high = get(before[1]), get(after[1])
    if low is None or high is None:
        return None
    if before[0] == after[0]:
        return low
    return low + (high - low) * (level - before[0]) / (after[0] - before[0])


def _bleu_at(system: SystemResult, level: float) -> float:
    return mean(value_at(run, level, lambda point: point.bleu) or 0.0 for run in system.runs)


def _validation_cell(system: SystemResult, level: float) -> Cell:
    losses = [value_at(run, level, lambda point: point.loss) for run in system.runs]
    known = [loss for loss in losses if loss is not None]
    loss = f"{mean(known):.3f}" if len(known) == len(losses) else ""
    return Cell(f"{_bleu_at(system, level):.1f}", loss)


def _plateau_cells(system: SystemResult) -> list[Cell]:
    """Return target tokens, steps and minutes to the plateau, as means over the runs that saw it.

    They are empty if no run did.
    """
    points = [point for run in system.runs for point in run.curve if point.step == run.plateau_step]
    if not points:
        return [Cell("")] * 3
    runs = len(system.runs)
    some = f"{len(points)} of {runs} runs" if len(points) < runs else ""
    tokens = [point.target_tokens for point in points if point.target_tokens]
    return [
        Cell(format_large(mean(tokens)) if tokens else "", some),
        Cell(format_large(mean(point.step for point in points))),
        Cell(format_number(mean(point.minutes for point in points))),
    ]
