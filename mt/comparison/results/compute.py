"""Computation of results.json: everything that a report shows. Tables and pages only display it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from mt.comparison.measures.constructions import construction_results
from mt.comparison.measures.costs import (
    bleu_levels,
    is_still_improving,
    mean_cost,
    minutes_to_bleu,
    read_cost,
    read_curve,
    recorded_step,
)
from mt.comparison.measures.scores import score_test, sentence_statistics
from mt.comparison.measures.source_sensitivity import SourceSensitivity, source_sensitivity
from mt.comparison.measures.words import word_results
from mt.comparison.results.provenance import describe_provenance, differing_settings
from mt.comparison.results.sentences import differing_sentences
from mt.comparison.schema.attention import AttentionResult
from mt.comparison.schema.results import Results
from mt.comparison.schema.systems import FailedRun, RunResult, SystemResult
from mt.comparison.schema.tuning import TuningResult
from mt.comparison.statistics.verdict import ALPHA
from mt.comparison.systems import ComparisonInput, System
from mt.errors import UsageError
from mt.evaluation.lengths import measure_lengths
from mt.evaluation.metrics import HEADLINE, build_metrics, fast_metrics
from mt.evaluation.resampling import DEFAULT_RESAMPLES
from mt.evaluation.text_form import empty_notes, reference_notes, tokenised_notes
from mt.tensor_files import count_parameters
from mt.training.plateau import MIN_VALIDATIONS, reached_plateau

MAX_SENTENCES = 60  # shown
MAX_MAPS = 12  # sentences with attention maps
FIRST_REFERENCE_NOTE = (
    "scores use all references; lengths, words and single sentences use the first of each sentence"
)


def compute_results(
    inputs: ComparisonInput,
    baseline: str = "",
    *,
    title: str = "",
    question: str = "",
    command: Sequence[str] = (),
    budget: str = "",
    match_parameters: Sequence[str] = (),
    failed: Sequence[FailedRun] = (),
    tuning: Sequence[TuningResult] = (),
    length_by: str = "",
    edges: Sequence[int] | None = None,
    threshold: int | None = None,
    tokenize: str = "",
    lowercase: bool = False,
    bootstrap: int = DEFAULT_RESAMPLES,
    metrics: Sequence[str] | None = None,
    sentences: int = MAX_SENTENCES,
    maps: int = MAX_MAPS,
    say: Callable[[str], None] = lambda _: None,
) -> Results:
    """Compare systems: scores, differences from the baseline, cost, words, attention, sentences.

    `baseline` is the name of a system, "" for the first. `title`, `question`, `command`, `budget`,
    `match_parameters`, `failed` and `tuning` are stored in the results. `length_by`, `edges` and
    `threshold` are those of `measure_lengths`, `tokenize` and `lowercase` those of `build_metrics`;
    `metrics` are names in `METRICS`, None for the fast ones. `bootstrap` is the number of
    resamples, `sentences` that of the sentences to show, `maps` that of the first of these that get
    attention maps. `say` is called with progress messages.

    p-values are corrected by Holm within a metric: over all pairs of systems on all sentences, and
    over the variants in each group by length.
    Raises UsageError if there is no such baseline, or if there are too few resamples.
    """
    names = inputs.names
    baseline = baseline or names[0]
    if baseline not in names:
        raise UsageError(
            f"there is no system {baseline!r} to compare with: choose one of {', '.join(names)}"
        )
    check_bootstrap(bootstrap, len(names))
    headline = inputs.tests[0]
    chosen, metric_notes = build_metrics(
        inputs.lang,
        tokenize,
        lowercase,
        fast_metrics() if metrics is None else metrics,
        headline.references,
    )
    metric_notes += empty_notes(headline.references)
    metric_notes += reference_notes(headline.scored_references)
    metric_notes += tokenised_notes([], headline.scored_references, tokenize)
    if len(headline.scored_references) > 1:
        metric_notes.append(FIRST_REFERENCE_NOTE)
    tests = []
    signatures: dict[str, str] = {}
    for test in inputs.tests:
        translations = sum(map(len, test.hypotheses.values()))
        say(
            f"scoring the test set {test.name}: "
            f"{len(test.references):,} sentences, {translations} translations"
        )
        length = measure_lengths(test.sources, test.references, length_by, edges, threshold)
        statistics = sentence_statistics(test, chosen)
        result = score_test(test, statistics, length, baseline, bootstrap)
        if test.constructions:
            result.constructions = construction_results(
                test.constructions, statistics, length, baseline, bootstrap
            )
        tests.append(result)
        signatures = signatures or {
            name: statistics[baseline, name][0].score().signature for name in chosen
        }
    sensitivities = {
        name: source_sensitivity(chosen[HEADLINE], runs, headline.scored_references)
        for name, runs in headline.hypotheses.items()
    }
    say("counting words")
    words, word_notes = word_results(inputs, baseline, bootstrap)
    shown = differing_sentences(headline, baseline, sentences)
    attention: list[AttentionResult] = []
    attention_notes: list[str] = []
    if all(run.config is not None for system in inputs.systems for run in system.runs):
        # Imported here because files need not wait for PyTorch.
        from mt.comparison.measures.attention import attention_results

        length = measure_lengths(headline.sources, headline.references, length_by, edges, threshold)
        attention, attention_notes = attention_results(
            inputs, length, baseline, bootstrap, shown[:maps], say
        )
    systems = system_results(inputs.systems, sensitivities)
    provenance, provenance_notes = describe_provenance(
        inputs.systems, command, budget, match_parameters
    )
    return Results(
        title=title,
        question=question,
        provenance=provenance,
        baseline=baseline,
        lang=inputs.lang,
        bootstrap=bootstrap,
        notes=[
            *inputs.notes,
            *metric_notes,
            *sensitivity_notes(sensitivities),
            *word_notes,
            *attention_notes,
            *curve_notes(systems),
            *provenance_notes,
        ],
        signatures=signatures,
        systems=systems,
        failed=list(failed),
        tests=tests,
        words=words,
        attention=attention,
        sentences=shown,
        tuning=list(tuning),
    )


def check_bootstrap(number: int, systems: int) -> None:
    """Raise UsageError if so few resamples could not distinguish any system from the baseline.

    No p-value is below 2 / (1 + number), before the correction by Holm.
    """
    variants = systems - 1
    if 2 * variants / (1 + number) >= ALPHA:
        least = math.ceil(2 * variants / ALPHA)
        raise UsageError(
            f"bootstrap={number} could distinguish none of {variants} variants from the baseline: "
            f"use {least} or more"
        )


def system_results(
    systems: Sequence[System], sensitivities: Mapping[str, SourceSensitivity]
) -> list[SystemResult]:
    """Describe every system: its runs, their costs and validation curves, its settings."""
    curves = {
        run.path: read_curve(run.folder)
        for system in systems
        for run in system.runs
        if run.config is not None
    }
    levels = bleu_levels(list(curves.values()))
    settings = differing_settings(systems)
    results = []
    for system in systems:
        runs = []
        for run in system.runs:
            curve = curves.get(run.path, [])
            plateau_step = recorded_step(run.folder, "plateau")
            runs.append(
                RunResult(
                    path=run.path,
                    seed=run.seed,
                    still_improving=run.config is not None
                    and is_still_improving(curve, plateau_step, run.config),
                    cost=None if run.config is None else read_cost(run.folder),
                    curve=curve,
                    minutes_to_bleu=minutes_to_bleu(curve, levels),
                    plateau_step=plateau_step,
                    decay_step=recorded_step(run.folder, "decay"),
                )
            )
        first, sensitivity = system.runs[0], sensitivities[system.name]
        has_model = first.config is not None and first.folder.model.is_file()
        results.append(
            SystemResult(
                name=system.name,
                still_improving=any(run.still_improving for run in runs),
                ignores_source=sensitivity.ignores_source,
                bleu_on_other_sentences=sensitivity.on_other_sentences,
                parameters=count_parameters(first.folder.model) if has_model else None,
                settings=settings[system.name],
                runs=runs,
                cost=mean_cost([run.cost for run in runs]),
            )
        )
    return results


def curve_notes(systems: Sequence[SystemResult]) -> list[str]:
    """Note each trained system with too few validations to tell whether it was still improving."""
    return [
        f"{system.name} has a run with too few validations to tell whether it was still improving "
        f"at the end: {MIN_VALIDATIONS} or more are needed, one of them in the first half"
        for system in systems
        if system.parameters is not None
        and any(reached_plateau(run.curve) is None for run in system.runs)
    ]


def sensitivity_notes(sensitivities: Mapping[str, SourceSensitivity]) -> list[str]:
    """Warn of each system that has not learned to translate."""
    return [
        f"{name} ignores its source: its BLEU is {each.bleu:.1f}, and {each.on_other_sentences:.1f}"
        " if its translations are scored against other sentences of the same length; it has not"
        " learned to translate, and its scores by length say nothing about length"
        for name, each in sensitivities.items()
        if each.ignores_source
    ]
