"""What the models look at: alignment error, figures of attention by length, attention maps: `attention` in results.json.

Everything here needs the trained models, one at a time in memory, and is of the first test set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mt.comparison.measures import Measure, evaluate_measures
from mt.comparison.ratio import Ratio
from mt.comparison.systems import Material, Run, TestSet
from mt.data.cleaning import normalise
from mt.data.corpus import file_digest
from mt.decoding.diagnosis import measure_pairs
from mt.decoding.translator import Translator, load
from mt.errors import MTError
from mt.evaluation.alignment import Links, format_links, read_links
from mt.evaluation.diagnostics import COVERAGE, SentenceFigures, summarise
from mt.evaluation.diagnostics_report import diagnostics_dict
from mt.evaluation.lengths import Lengths, split_by_length
from mt.files import write_lines
from mt.report.maps import sentence_map
from mt.report.page import record
from mt.training.checkpoint import MODEL

SAMPLE = 300  # sentences, at most, whose attention is measured, of the short and of the long ones each

Say = Callable[[str], None]


def attention_of(
    material: Material, length: Lengths, baseline: str, bootstrap: int, sentences: Sequence[dict[str, Any]], say: Say
) -> tuple[list[dict[str, Any]], list[str]]:
    """For each system what its attention is like; and notes. `sentences` (of `differing_sentences`) get their attention maps.

    Alignments are of every run, the rest of each system's first run. A system none of whose runs has its model any more is left out.
    """
    test, entries = material.tests[0], []
    links: dict[str, list[list[Links]]] = {}
    for sentence in sentences:
        sentence["attention"] = dict.fromkeys(material.names)
    rows, more = sample(length), []
    for system in material.systems:
        runs = [run for run in system.runs if (Path(run.path).expanduser() / MODEL).is_file()]
        if not runs:
            more.append(f"{system.name} has no {MODEL} any more, so there is nothing about its attention")
            continue
        say(f"looking at the attention of {system.name}")
        translator = open_run(runs[0])
        entry: dict[str, Any] = {"system": system.name, "attends": translator.attends, "aer": None, "diagnostics": None}
        if translator.attention_shapes():
            entry["diagnostics"] = diagnostics(translator, test, length, rows)
        if translator.attends:
            for sentence in sentences:
                sentence["attention"][system.name] = attention_map(translator, sentence, system.name)
            if test.links:
                links[system.name] = [aligned(run, test, translator if run is runs[0] else None) for run in runs]
        entries.append(entry)
    found = alignment_errors(links, test, length, baseline, bootstrap) if test.links else {}
    for entry in entries:
        entry["aer"] = found.get(entry["system"])
    return entries, [*more, *notes(test, len(rows))]


def notes(test: TestSet, measured: int) -> list[str]:
    found = ["attention is measured, and shown, in the first run of each system; alignments are of all"]
    if measured < len(test.references):
        found.append(
            f"attention is measured in {measured:,} of {len(test.references):,} sentences, at most {SAMPLE} short and {SAMPLE} long ones"
        )
    if not test.links:
        found.append("the test set has no gold alignments, so there is no alignment error rate")
    return found


def open_run(run: Run) -> Translator:
    """The model of a run, in float32: rows of bfloat16 weights sum to 1 only within 0.002."""
    assert run.config is not None
    return load(Path(run.path).expanduser(), run.config.trainer.device, "fp32")


def sample(length: Lengths) -> np.ndarray:
    """Rows of short and of long sentences, up to SAMPLE each, evenly from the whole test set; ascending."""
    groups = (length.short, length.long)
    chosen = [rows[np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).astype(int)] if len(rows) else rows for rows in groups]
    return np.sort(np.concatenate(chosen))


def diagnostics(translator: Translator, test: TestSet, length: Lengths, rows: np.ndarray) -> dict[str, Any] | None:
    """As docs/diagnostics.md lists them, with `by_length`: means in each bucket, by kind and figure a list by layer."""
    assert test.sources is not None
    kept, figures = measure_pairs(translator, [test.sources[row] for row in rows], [test.references[row] for row in rows])
    if not figures:
        return None
    counts = length.counts[rows[kept]]
    summed = summarise(figures, counts, length.threshold, length.unit, len(rows) - len(kept))
    buckets = split_by_length(counts, length.edges)
    by_length = [
        {"label": label, "sentences": len(part), "kinds": layer_means([figures[row] for row in part])} for label, _, _, part in buckets
    ]
    return diagnostics_dict(summed) | {"by_length": by_length}


def layer_means(sentences: Sequence[SentenceFigures]) -> dict[str, dict[str, list[float | None]]]:
    """kind -> figure -> by layer its mean over sentences and heads; of coverage, that of the heads' mean map."""
    found: dict[str, dict[str, list[float | None]]] = {}
    for kind, first in sentences[0].kinds.items() if sentences else ():
        maps = [sentence.kinds[kind] for sentence in sentences]
        found[kind] = {
            name: plain(np.mean([m.mean_map[name] if name in COVERAGE else m.heads[name].mean(1) for m in maps], axis=0))
            for name in first.heads
        }
        if first.alike.shape[1]:
            found[kind]["alike"] = plain(np.mean([m.alike.mean(1) for m in maps], axis=0))
    return found


def plain(values: np.ndarray) -> list[float | None]:
    """Six digits, and null for what is not defined."""
    return [None if np.isnan(value) else float(f"{value:.6g}") for value in values]


def attention_map(translator: Translator, sentence: dict[str, Any], system: str) -> dict[str, Any] | None:
    """The attention to the source in the system's own output, as pages show it; None where either is blank or too long."""
    source, output = sentence["source"], sentence["outputs"][system]
    texts = {"src": normalise(source, translator.unicode), "tgt": normalise(output, translator.unicode)}
    sizes = [len(translator.tokenizer.encode(text, side)) for side, text in texts.items()]
    if not all(0 < size <= translator.max_pieces for size in sizes):
        return None
    return record(sentence_map(translator.attention([(source, output)])[0], f"{system}, sentence {sentence['index'] + 1}"))


def aligned(run: Run, test: TestSet, translator: Translator | None) -> list[Links]:
    """Links between sources and references by a run's attention, kept in the run for the next time."""
    assert test.sources is not None
    folder = Path(run.path).expanduser()
    text = "\n".join((*test.sources, *test.references)).encode("utf-8", "surrogateescape")
    key = hashlib.blake2b(text + file_digest(folder / MODEL).encode(), digest_size=6).hexdigest()
    stored = folder / "tests" / f"{test.name}-{key}.alignments.txt"
    if stored.is_file() and len(found := read_links(stored)) == len(test.sources):
        return found
    links = (translator or open_run(run)).align(zip(test.sources, test.references, strict=True))
    write_lines(stored, map(format_links, links))
    return links


def alignment_errors(
    links: dict[str, list[list[Links]]], test: TestSet, length: Lengths, baseline: str, bootstrap: int
) -> dict[str, dict[str, Any]]:
    """system -> `overall`, `short`, `long`: error rates (figures of `evaluate_measures`), over the sentences with gold links."""
    assert test.links is not None
    golds = test.links
    known = np.array([bool(gold.possible) for gold in golds])
    groups = {"overall": np.flatnonzero(known), "short": length.short[known[length.short]], "long": length.long[known[length.long]]}
    found: dict[str, dict[str, Any]] = {system: dict.fromkeys(groups) for system in links}
    ratios = {system: [hits(each, golds) for each in runs] for system, runs in links.items()}
    for group, rows in groups.items():
        if not len(rows) or not links:
            continue
        measure = Measure({system: [each.take(rows) for each in runs] for system, runs in ratios.items()}, False, from_hundred=True)
        for system, figure in evaluate_measures({"aer": measure}, baseline, bootstrap)["aer"].items():
            found[system][group] = figure
    return found


def hits(found: Sequence[Links], golds: Sequence[Links]) -> Ratio:
    """Of each sentence |A and S| + |A and P| of |A| + |S|: 1 less their ratio is the alignment error rate (`score_alignments`)."""
    if len(found) != len(golds):
        raise MTError(f"there are {len(found)} lines of alignments but {len(golds)} of gold: line i of each must belong together")
    return Ratio.of(
        [
            (len(a.possible & gold.sure) + len(a.possible & gold.possible), len(a.possible) + len(gold.sure))
            for a, gold in zip(found, golds, strict=True)
        ]
    )
