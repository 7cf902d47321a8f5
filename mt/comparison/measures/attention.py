"""What the models look at: alignment error, figures of attention by length, attention maps: `attention` in results.json.

Everything here needs the trained models, one at a time in memory, and is of the first test set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mt.comparison.measures.alignments import Linked, alignment_figures, link_run, open_run
from mt.comparison.systems import Material, TestSet
from mt.data.cleaning import normalise
from mt.decoding.translator import Translator
from mt.evaluation.lengths import Lengths, split_by_length
from mt.inspection.diagnose import measure_pairs
from mt.inspection.diagnostics import COVERAGE, SentenceFigures, summarise
from mt.inspection.diagnostics_tables import diagnostics_dict
from mt.inspection.inspector import Inspector
from mt.inspection.maps import sentence_map
from mt.inspection.page import record

SAMPLE = (
    300  # sentences, at most, whose attention is measured, of the short and of the long ones each
)

Say = Callable[[str], None]


def attention_of(
    material: Material,
    length: Lengths,
    baseline: str,
    bootstrap: int,
    sentences: Sequence[dict[str, Any]],
    say: Say,
) -> tuple[list[dict[str, Any]], list[str]]:
    """For each system what its attention is like; and notes. `sentences` (of `differing_sentences`) get their attention maps.

    Alignments are of every run, the rest of each system's first run. A system none of whose runs
    has its model any more is left out.
    """
    test, rows = material.tests[0], sample(length)
    entries: list[dict[str, Any]] = []
    linked: dict[str, list[Linked]] = {}
    more: list[str] = []
    for sentence in sentences:
        sentence["attention"] = dict.fromkeys(material.names)
    for system in material.systems:
        runs = [index for index, run in enumerate(system.runs) if run.folder.model.is_file()]
        if not runs:
            more.append(
                f"{system.name} has no {system.runs[0].folder.model.name} any more, so there is nothing about its attention"
            )
            continue
        say(f"looking at the attention of {system.name}")
        inspector = open_run(system.runs[runs[0]])
        entry: dict[str, Any] = {"system": system.name, "attends": inspector.attends}
        entry["diagnostics"] = (
            diagnostics(inspector.translator, test, length, rows)
            if inspector.attention_shapes()
            else None
        )
        if inspector.attends:
            for sentence in sentences:
                sentence["attention"][system.name] = attention_map(inspector, sentence, system.name)
            if test.links:
                opened = {runs[0]: inspector}
                linked[system.name] = [
                    link_run(system, index, test, opened.get(index)) for index in runs
                ]
        entries.append(entry)
    figures = alignment_figures(linked, test, length, baseline, bootstrap)
    return [
        entry | figures.get(entry["system"], {"aer": None, "unlinked": None}) for entry in entries
    ], [*more, *notes(test, len(rows))]


def notes(test: TestSet, measured: int) -> list[str]:
    found = [
        "attention is measured, and shown, in the first run of each system; alignments are of all"
    ]
    if measured < len(test.references):
        found.append(
            f"attention is measured in {measured:,} of {len(test.references):,} sentences, at most {SAMPLE} short and {SAMPLE} long ones"
        )
    if not test.links:
        found.append("the test set has no gold alignments, so there is no alignment error rate")
    return found


def sample(length: Lengths) -> np.ndarray:
    """Rows of short and of long sentences, up to SAMPLE each, evenly from the whole test set; ascending."""
    groups = (length.short, length.long)
    chosen = [
        rows[np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).astype(int)]
        if len(rows)
        else rows
        for rows in groups
    ]
    return np.sort(np.concatenate(chosen))


def diagnostics(
    translator: Translator, test: TestSet, length: Lengths, rows: np.ndarray
) -> dict[str, Any] | None:
    """As docs/diagnostics.md lists them, with `by_length`: means in each bucket, by kind and figure a list by layer."""
    assert test.sources is not None
    kept, figures = measure_pairs(
        translator, [test.sources[row] for row in rows], [test.references[row] for row in rows]
    )
    if not figures:
        return None
    counts = length.counts[rows[kept]]
    summed = summarise(figures, counts, length.threshold, length.unit, len(rows) - len(kept))
    buckets = split_by_length(counts, length.edges)
    by_length = [
        {
            "label": label,
            "sentences": len(part),
            "kinds": layer_means([figures[row] for row in part]),
        }
        for label, _, _, part in buckets
    ]
    return diagnostics_dict(summed) | {"by_length": by_length}


def layer_means(sentences: Sequence[SentenceFigures]) -> dict[str, dict[str, list[float | None]]]:
    """kind -> figure -> by layer its mean over sentences and heads; of coverage, that of the heads' mean map."""
    found: dict[str, dict[str, list[float | None]]] = {}
    for kind, first in sentences[0].kinds.items() if sentences else ():
        maps = [sentence.kinds[kind] for sentence in sentences]
        found[kind] = {
            name: plain(
                np.mean(
                    [m.mean_map[name] if name in COVERAGE else m.heads[name].mean(1) for m in maps],
                    axis=0,
                )
            )
            for name in first.heads
        }
        if first.alike.shape[1]:
            found[kind]["alike"] = plain(np.mean([m.alike.mean(1) for m in maps], axis=0))
    return found


def plain(values: np.ndarray) -> list[float | None]:
    """Six digits, and null for what is not defined."""
    return [None if np.isnan(value) else float(f"{value:.6g}") for value in values]


def attention_map(
    inspector: Inspector, sentence: dict[str, Any], system: str
) -> dict[str, Any] | None:
    """The attention to the source in the system's own output, as pages show it; None where either is blank or too long."""
    translator = inspector.translator
    source, output = sentence["source"], sentence["outputs"][system]
    texts = {
        "src": normalise(source, translator.unicode),
        "tgt": normalise(output, translator.unicode),
    }
    sizes = [len(translator.tokenizer.encode(text, side)) for side, text in texts.items()]
    if not all(0 < size <= translator.max_pieces for size in sizes):
        return None
    return record(
        sentence_map(
            inspector.attention([(source, output)])[0],
            f"{system}, sentence {sentence['index'] + 1}",
        )
    )
