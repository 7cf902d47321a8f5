"""Alignment by attention: error rates against gold links, and source words without a link.

Links are computed once for a run and a text, and stored in the run directory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mt.comparison.measures.coverage import unlinked_words
from mt.comparison.measures.measure import Measure, evaluate_measures
from mt.comparison.schema.attention import AlignmentMeasure
from mt.comparison.statistics.ratio import Ratio
from mt.comparison.stored_lines import read_stored, store
from mt.comparison.systems import System, SystemRun, TestSet
from mt.data.digests import file_digest
from mt.data.links import Links, format_links, parse_lines
from mt.data.tags import list_tags
from mt.data.text_files import read_lines
from mt.decoding.load import load
from mt.errors import MTError, UsageError
from mt.evaluation.alignment import READINGS
from mt.evaluation.lengths import Lengths
from mt.inspection.alignments import LayerReading
from mt.inspection.attention_kinds import alignment_layer
from mt.inspection.inspector import Inspector


@dataclass(frozen=True)
class RunLinks:
    """The links from a run's attention."""

    references: dict[LayerReading, list[Links]]  # between sources and references
    outputs: list[Links]  # between sources and the run's own translations, by `default_reading`

    @property
    def default(self) -> list[Links]:
        """The links between sources and references by `default_reading`."""
        return self.references[default_reading(list(self.references))]


def default_reading(readings: Sequence[LayerReading]) -> LayerReading:
    """Return the one of all readings that `Inspector.align` uses."""
    layers = 1 + max(each.layer for each in readings)
    return LayerReading(alignment_layer(layers), READINGS[0])


def load_inspector(run: SystemRun) -> Inspector:
    """Load the model of a run in float32: rows of bfloat16 weights sum to 1 only within 0.002.

    Sources have the tag of the run's own test set. Raises UsageError if that has several.
    """
    assert run.config is not None
    stored = run.folder.test_file("tags")
    tags = set(read_lines(stored)) if stored.is_file() else set()
    if len(tags) > 1:
        raise UsageError(
            f"the test set of {run.path} has several tags ({list_tags(tags)}): "
            "mt-compare reads attention with one tag only; mt-evaluate reads it with each"
        )
    return Inspector(load(run.path, run.config.trainer.device, "fp32", tag=next(iter(tags), None)))


def align_run(
    system: System,
    index: int,
    test: TestSet,
    readings: Sequence[LayerReading],
    inspector: Inspector | None,
) -> RunLinks:
    """Align the test set with one of a system's runs, by all readings that it has.

    `inspector` has the model of the run if it is loaded.
    """
    run, outputs = system.runs[index], test.hypotheses[system.name][index]
    default = default_reading(readings)
    return RunLinks(
        stored_links(run, test, test.references, readings, default, inspector),
        stored_links(run, test, outputs, [default], default, inspector)[default],
    )


def stored_links(
    run: SystemRun,
    test: TestSet,
    targets: Sequence[str],
    readings: Sequence[LayerReading],
    default: LayerReading,
    inspector: Inspector | None,
) -> dict[LayerReading, list[Links]]:
    """Return links between the sources and these targets, from the run directory if they are there.

    Otherwise they are computed by one pass of the model, and stored there in a file for each
    reading. The name of a file has the reading unless it is the default.
    """
    assert test.sources is not None
    text = "\n".join((*test.sources, *targets)).encode("utf-8", "surrogateescape")
    key = hashlib.blake2b(text + file_digest(run.folder.model).encode(), digest_size=6).hexdigest()
    paths = {}
    for each in readings:
        suffix = "" if each == default else f".layer{each.layer + 1}-{each.reading}"
        paths[each] = run.folder.extra_tests / f"{test.name}-{key}{suffix}.alignments.txt"
    stored = {each: read_stored(run.folder, path) or [] for each, path in paths.items()}
    if all(len(lines) == len(test.sources) for lines in stored.values()):
        return {each: parse_lines(stored[each], str(path)) for each, path in paths.items()}
    pairs = zip(test.sources, targets, strict=True)
    links = (inspector or load_inspector(run)).align_layers(pairs, readings)
    for each, path in paths.items():
        store(run.folder, path, map(format_links, links[each]))
    return links


def alignment_measures(
    links: Mapping[str, Sequence[RunLinks]],
    test: TestSet,
    length: Lengths,
    baseline: str,
    bootstrap: int,
) -> dict[str, dict[str, AlignmentMeasure]]:
    """Return system -> "aer" (error rate) and "unlinked" (source words without a link).

    In per cent, less is better, over the sentences with gold links. The baseline may be missing.
    """
    if not links or not test.links:
        return {}
    golds = test.links
    has_gold = np.array([bool(gold.possible) for gold in golds])
    errors = {
        system: [link_counts(run.default, golds) for run in runs] for system, runs in links.items()
    }
    unlinked = {
        system: [unlinked_words(run.outputs, golds) for run in runs]
        for system, runs in links.items()
    }
    results = {
        system: {"aer": AlignmentMeasure(), "unlinked": AlignmentMeasure()} for system in links
    }
    groups = {"overall": np.arange(len(golds)), "short": length.short, "long": length.long}
    for group, rows in groups.items():
        rows = rows[has_gold[rows]]
        if not len(rows):
            continue

        def select(ratios: Mapping[str, Sequence[Ratio]]) -> dict[str, list[Ratio]]:
            return {system: [each.take(rows) for each in runs] for system, runs in ratios.items()}  # noqa: B023

        measures = {
            "aer": Measure(select(errors), False, complement=True),
            "unlinked": Measure(select(unlinked), False),
        }
        for name, values in evaluate_measures(measures, baseline, bootstrap).items():
            for system, value in values.items():
                setattr(results[system][name], group, value)
    return results


def link_counts(links: Sequence[Links], golds: Sequence[Links]) -> Ratio:
    """Return |A and S| + |A and P| over |A| + |S| for each sentence.

    The alignment error rate is 1 minus their ratio (`score_alignments`). Raises MTError if the
    lists differ in length.
    """
    if len(links) != len(golds):
        raise MTError(
            f"there are {len(links)} lines of alignments but {len(golds)} of gold links: "
            "line i of each must belong together"
        )
    return Ratio.of(
        [
            (
                len(a.possible & gold.sure) + len(a.possible & gold.possible),
                len(a.possible) + len(gold.sure),
            )
            for a, gold in zip(links, golds, strict=True)
        ]
    )
