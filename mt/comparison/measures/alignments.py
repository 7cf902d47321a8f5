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
from mt.decoding.load import load
from mt.errors import MTError
from mt.evaluation.lengths import Lengths
from mt.inspection.inspector import Inspector


@dataclass(frozen=True)
class RunLinks:
    """The links from a run's attention."""

    references: list[Links]  # between sources and references
    outputs: list[Links]  # between sources and the run's own translations


def load_inspector(run: SystemRun) -> Inspector:
    """Load the model of a run in float32: rows of bfloat16 weights sum to 1 only within 0.002."""
    assert run.config is not None
    return Inspector(load(run.path, run.config.trainer.device, "fp32"))


def align_run(system: System, index: int, test: TestSet, inspector: Inspector | None) -> RunLinks:
    """Align the test set with one of a system's runs; `inspector` has its model if it is loaded."""
    run, outputs = system.runs[index], test.hypotheses[system.name][index]
    return RunLinks(
        stored_links(run, test, test.references, inspector),
        stored_links(run, test, outputs, inspector),
    )


def stored_links(
    run: SystemRun, test: TestSet, targets: Sequence[str], inspector: Inspector | None
) -> list[Links]:
    """Return links between the sources and these targets, from the run directory if they are there.

    Otherwise they are computed and stored there.
    """
    assert test.sources is not None
    text = "\n".join((*test.sources, *targets)).encode("utf-8", "surrogateescape")
    key = hashlib.blake2b(text + file_digest(run.folder.model).encode(), digest_size=6).hexdigest()
    path = run.folder.extra_tests / f"{test.name}-{key}.alignments.txt"
    if len(stored := read_stored(run.folder, path) or []) == len(test.sources):
        return parse_lines(stored, str(path))
    links = (inspector or load_inspector(run)).align(zip(test.sources, targets, strict=True))
    store(run.folder, path, map(format_links, links))
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
        system: [link_counts(run.references, golds) for run in runs]
        for system, runs in links.items()
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
