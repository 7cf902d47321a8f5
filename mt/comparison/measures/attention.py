"""Attention of the systems: alignment, diagnostics by length, and attention maps.

It needs the trained models, which are loaded one at a time, and uses the first test set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mt.comparison.measures.alignments import (
    RunLinks,
    align_run,
    alignment_measures,
    load_inspector,
)
from mt.comparison.measures.layer_alignments import layer_alignments
from mt.comparison.schema.attention import (
    AttentionByLength,
    AttentionDiagnostics,
    AttentionResult,
    ByLayer,
)
from mt.comparison.schema.results import AttentionMap, SentenceResult
from mt.comparison.schema.typed_json import from_json
from mt.comparison.systems import ComparisonInput, TestSet
from mt.decoding.translator import Translator
from mt.evaluation.lengths import Lengths, split_by_length
from mt.inspection.attention_kinds import alignment_layer
from mt.inspection.diagnostics.map_statistics import COVERAGE_STATISTICS, PairStatistics
from mt.inspection.diagnostics.measure import measure_pairs
from mt.inspection.diagnostics.summary import summarise
from mt.inspection.diagnostics.tables import diagnostics_dict
from mt.inspection.inspector import Inspector
from mt.inspection.maps.page import sentence_record
from mt.inspection.maps.sentence_map import sentence_map

MAX_SENTENCES = 300  # whose attention is measured, of the short and of the long ones each


def attention_results(
    inputs: ComparisonInput,
    length: Lengths,
    baseline: str,
    bootstrap: int,
    sentences: Sequence[SentenceResult],
    say: Callable[[str], None],
) -> tuple[list[AttentionResult], list[str]]:
    """Measure the attention of each system, and add attention maps to `sentences`.

    Returns the results and notes. Alignments are those of every run, the rest that of each system's
    first run. A system is left out if all its models have been deleted.
    """
    test, rows = inputs.tests[0], sample_rows(length)
    results: list[AttentionResult] = []
    links: dict[str, list[RunLinks]] = {}
    notes: list[str] = []
    for sentence in sentences:
        sentence.attention = dict.fromkeys(inputs.names)
    for system in inputs.systems:
        runs = [index for index, run in enumerate(system.runs) if run.folder.model.is_file()]
        if not runs:
            model = system.runs[0].folder.model.name
            notes.append(f"{system.name} has no {model}, so its attention is not shown")
            continue
        say(f"measuring the attention of {system.name}")
        inspector = load_inspector(system.runs[runs[0]])
        result = AttentionResult(system.name, inspector.attends, None, None, None)
        if inspector.attention_shapes():
            result.diagnostics = diagnose_rows(inspector.translator, test, length, rows)
        if inspector.attends:
            result.layers, _ = inspector.attention_shapes()["cross"]
            result.aer_layer = 1 + alignment_layer(result.layers)
            for sentence in sentences:
                assert sentence.attention is not None
                sentence.attention[system.name] = attention_map(inspector, sentence, system.name)
            if test.links:
                loaded, readings = {runs[0]: inspector}, inspector.layer_readings()
                links[system.name] = [
                    align_run(system, index, test, readings, loaded.get(index)) for index in runs
                ]
                result.aer_by_layer = layer_alignments(links[system.name], test.links, bootstrap)
        results.append(result)
    measures = alignment_measures(links, test, length, baseline, bootstrap)
    for result in results:
        if result.system in measures:
            result.aer = measures[result.system]["aer"]
            result.unlinked = measures[result.system]["unlinked"]
    return results, [*notes, *attention_notes(test, len(rows))]


def attention_notes(test: TestSet, measured: int) -> list[str]:
    """Say which runs and sentences the values are of."""
    notes = [
        "attention is measured, and shown, in the first run of each system; alignments are of all"
    ]
    if measured < len(test.references):
        notes.append(
            f"attention is measured in {measured:,} of {len(test.references):,} sentences, "
            f"at most {MAX_SENTENCES} short and {MAX_SENTENCES} long ones"
        )
    if not test.links:
        notes.append("the test set has no gold alignments, so there is no alignment error rate")
    return notes


def sample_rows(length: Lengths) -> np.ndarray:
    """Choose up to MAX_SENTENCES short and long sentences each, evenly from the whole test set.

    Returns their rows in ascending order.
    """
    chosen = []
    for rows in (length.short, length.long):
        if len(rows):
            evenly = np.linspace(0, len(rows) - 1, min(MAX_SENTENCES, len(rows)))
            rows = rows[evenly.astype(int)]
        chosen.append(rows)
    return np.sort(np.concatenate(chosen))


def diagnose_rows(
    translator: Translator, test: TestSet, length: Lengths, rows: np.ndarray
) -> AttentionDiagnostics | None:
    """Return the diagnostics of docs/diagnostics.md, and means in each length bucket.

    None if every pair is blank or too long.
    """
    assert test.sources is not None
    used, figures = measure_pairs(
        translator, [test.sources[row] for row in rows], [test.references[row] for row in rows]
    )
    if not figures:
        return None
    counts = length.counts[rows[used]]
    summary = summarise(figures, counts, length.threshold, length.unit, len(rows) - len(used))
    by_length = [
        AttentionByLength(label, len(part), layer_means([figures[row] for row in part]))
        for label, _, _, part in split_by_length(counts, length.edges)
    ]
    diagnostics = from_json(AttentionDiagnostics, diagnostics_dict(summary) | {"by_length": []})
    diagnostics.by_length = by_length
    return diagnostics


def layer_means(sentences: Sequence[PairStatistics]) -> dict[str, dict[str, ByLayer]]:
    """Return kind -> metric -> its mean over sentences and heads, by layer.

    Coverage is that of the heads' mean map.
    """
    means: dict[str, dict[str, ByLayer]] = {}
    for kind, first in sentences[0].kinds.items() if sentences else ():
        maps = [sentence.kinds[kind] for sentence in sentences]
        means[kind] = {}
        for name in first.heads:
            by_layer = [
                each.mean_map[name] if name in COVERAGE_STATISTICS else each.heads[name].mean(1)
                for each in maps
            ]
            means[kind][name] = rounded(np.mean(by_layer, axis=0))
        if first.similarity.shape[1]:
            means[kind]["alike"] = rounded(
                np.mean([each.similarity.mean(1) for each in maps], axis=0)
            )
    return means


def rounded(values: np.ndarray) -> ByLayer:
    """Round to six significant digits; None for NaN."""
    return [None if np.isnan(value) else float(f"{value:.6g}") for value in values]


def attention_map(
    inspector: Inspector, sentence: SentenceResult, system: str
) -> AttentionMap | None:
    """Return the attention to the source while the system reads its own output.

    None if source or output is blank or too long.
    """
    translator = inspector.translator
    source, output = sentence.source, sentence.outputs[system]
    assert source is not None
    texts = translator.normaliser.pair(source, output)
    [encoded] = translator.tokenizer.encode_pairs([texts])
    sizes = len(encoded.source), len(encoded.target)
    if not all(0 < size <= translator.max_pieces for size in sizes):
        return None
    pair = inspector.attention([(source, output)])[0]
    name = f"{system}, sentence {sentence.index + 1}"
    return from_json(AttentionMap, sentence_record(sentence_map(pair, name)))
