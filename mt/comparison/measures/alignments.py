"""How well attention aligns words: error rates against gold links, and source words that nothing in the output was linked to.

Links are computed once for a run and a text, and kept in the run directory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mt.comparison.measures.coverage import unlinked_words
from mt.comparison.measures.measure import Measure, evaluate_measures
from mt.comparison.statistics.ratio import Ratio
from mt.comparison.systems import System, SystemRun, TestSet
from mt.data.digests import file_digest
from mt.data.links import Links, format_links, read_links
from mt.decoding.load import load
from mt.errors import MTError
from mt.evaluation.lengths import Lengths
from mt.files import write_lines
from mt.inspection.inspector import Inspector


@dataclass(frozen=True)
class Linked:
    """The links that a run's attention makes."""

    references: list[Links]  # between sources and references
    outputs: list[Links]  # between sources and the run's own translations


def open_run(run: SystemRun) -> Inspector:
    """The model of a run, in float32: rows of bfloat16 weights sum to 1 only within 0.002."""
    assert run.config is not None
    return Inspector(load(run.path, run.config.trainer.device, "fp32"))


def link_run(system: System, index: int, test: TestSet, inspector: Inspector | None) -> Linked:
    """Of one of a system's runs; `inspector` has its model where it is loaded already."""
    run = system.runs[index]
    return Linked(
        *(
            aligned(run, test, lines, inspector)
            for lines in (test.references, test.hypotheses[system.name][index])
        )
    )


def aligned(
    run: SystemRun, test: TestSet, targets: Sequence[str], inspector: Inspector | None
) -> list[Links]:
    """Links between the sources and these targets by a run's attention, kept in the run for the next time."""
    assert test.sources is not None
    text = "\n".join((*test.sources, *targets)).encode("utf-8", "surrogateescape")
    key = hashlib.blake2b(text + file_digest(run.folder.model).encode(), digest_size=6).hexdigest()
    stored = run.folder.extra_tests / f"{test.name}-{key}.alignments.txt"
    if stored.is_file() and len(found := read_links(stored)) == len(test.sources):
        return found
    links = (inspector or open_run(run)).align(zip(test.sources, targets, strict=True))
    write_lines(stored, map(format_links, links))
    return links


def alignment_figures(
    linked: Mapping[str, Sequence[Linked]],
    test: TestSet,
    length: Lengths,
    baseline: str,
    bootstrap: int,
) -> dict[str, dict[str, Any]]:
    """system -> `aer` (error rate) and `unlinked` (words lost), each with `overall`, `short` and `long`: figures of `evaluate_measures`.

    In per cent, less is better, over the sentences that have gold links; None for a group without
    any. The baseline may be missing.
    """
    if not linked or not test.links:
        return {}
    golds, known = test.links, np.array([bool(gold.possible) for gold in test.links])
    errors = {
        system: [hits(each.references, golds) for each in runs] for system, runs in linked.items()
    }
    lost = {
        system: [unlinked_words(each.outputs, golds) for each in runs]
        for system, runs in linked.items()
    }
    groups = {"overall": np.arange(len(golds)), "short": length.short, "long": length.long}
    found: dict[str, dict[str, Any]] = {
        system: {name: dict.fromkeys(groups) for name in ("aer", "unlinked")} for system in linked
    }
    for group, rows in groups.items():
        rows = rows[known[rows]]
        if not len(rows):
            continue
        measures = {
            name: Measure(
                {system: [each.take(rows) for each in runs] for system, runs in ratios.items()},
                False,
                from_hundred=error,
            )
            for name, ratios, error in (("aer", errors, True), ("unlinked", lost, False))
        }
        for name, figures in evaluate_measures(measures, baseline, bootstrap).items():
            for system, figure in figures.items():
                found[system][name][group] = figure
    return found


def hits(found: Sequence[Links], golds: Sequence[Links]) -> Ratio:
    """Of each sentence |A and S| + |A and P| of |A| + |S|: 1 less their ratio is the alignment error rate (`score_alignments`)."""
    if len(found) != len(golds):
        raise MTError(
            f"there are {len(found)} lines of alignments but {len(golds)} of gold: line i of each must belong together"
        )
    return Ratio.of(
        [
            (
                len(a.possible & gold.sure) + len(a.possible & gold.possible),
                len(a.possible) + len(gold.sure),
            )
            for a, gold in zip(found, golds, strict=True)
        ]
    )
