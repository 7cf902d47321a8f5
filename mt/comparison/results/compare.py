"""A comparison in figures: everything that a report shows, as JSON types. Computing ends here; tables and pages only show it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mt.comparison.measures.costs import (
    FEWEST,
    levels,
    mean_cost,
    reaches,
    read_cost,
    read_curve,
    still_improving,
)
from mt.comparison.measures.scores import of_test, statistics_of
from mt.comparison.measures.source_sensitivity import Floor, floor_of
from mt.comparison.measures.words import words_of
from mt.comparison.results.provenance import how_made, settings_of
from mt.comparison.results.sentences import differing_sentences
from mt.comparison.statistics.verdict import ALPHA
from mt.comparison.systems import Material, System
from mt.errors import UsageError
from mt.evaluation.evaluation import choose_metrics
from mt.evaluation.lengths import measure_lengths
from mt.evaluation.metrics import HEADLINE, fast_metrics
from mt.evaluation.resampling import DEFAULT_RESAMPLES
from mt.run_folder import count_parameters

VERSION = 2  # raised when the meaning of a key changes
SENTENCES, MAPS = 60, 12  # shown, and of them with attention maps


def compare(
    material: Material,
    baseline: str = "",
    *,
    title: str = "",
    question: str = "",
    command: Sequence[str] = (),
    budget: str = "",
    match_parameters: Sequence[Any] = (),
    failed: Sequence[Mapping[str, Any]] = (),
    length_by: str = "",
    edges: Sequence[int] | None = None,
    threshold: int | None = None,
    tokenize: str = "",
    lowercase: bool = False,
    bootstrap: int = DEFAULT_RESAMPLES,
    metrics: Sequence[str] | None = None,
    sentences: int = SENTENCES,
    maps: int = MAPS,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Everything about these systems: scores with intervals overall and by length, differences from the baseline, cost, words,
    attention, sentences. `docs/comparison.md` lists the keys.

    `baseline`: a system's name; empty: the first. `title`, `question`, `command`, `budget` (in
    words), `match_parameters` and `failed` (objects with system, seed, path and reason) are passed
    on. `length_by`, `edges` and `threshold` as in `measure_lengths`; `tokenize` and `lowercase` as
    in `build_metrics`; `metrics` are names in `METRICS`, None: the fast ones. p-values are corrected by Holm over the systems, within a metric and a group
    of sentences. `sentences` are shown, the first `maps` of them with attention. `say` is told what
    is going on.
    """
    names = material.names
    baseline = baseline or names[0]
    if baseline not in names:
        raise UsageError(
            f"there is no system {baseline!r} to compare with: choose one of {', '.join(names)}"
        )
    check_resamples(bootstrap, len(names))
    names_of_metrics = fast_metrics() if metrics is None else metrics
    built, more = choose_metrics(
        material.tests[0].references, material.lang, tokenize, lowercase, names_of_metrics
    )
    notes = [*material.notes, *more]
    tests = []
    signatures: dict[str, str] = {}
    for test in material.tests:
        say(
            f"scoring the test set {test.name}: {len(test.references):,} sentences, {sum(map(len, test.hypotheses.values()))} translations"
        )
        length = measure_lengths(test.sources, test.references, length_by, edges, threshold)
        statistics = statistics_of(test, built)
        tests.append(of_test(test, statistics, length, baseline, bootstrap))
        signatures = signatures or {
            name: statistics[baseline, name][0].score().signature for name in built
        }
    headline = material.tests[0]
    floors = {
        name: floor_of(built[HEADLINE], runs, headline.references)
        for name, runs in headline.hypotheses.items()
    }
    say("counting words")
    words, more = words_of(material, baseline, bootstrap)
    notes += [*floor_notes(floors), *more]
    shown = differing_sentences(headline, baseline, sentences)
    attention: list[dict[str, Any]] = []
    if all(run.config is not None for system in material.systems for run in system.runs):
        from mt.comparison.measures.attention import attention_of  # files need not wait for PyTorch

        length = measure_lengths(headline.sources, headline.references, length_by, edges, threshold)
        attention, more = attention_of(material, length, baseline, bootstrap, shown[:maps], say)
        notes += more
    systems = describe_systems(material.systems, floors)
    made, more = how_made(material.systems, command, budget, match_parameters)
    results = {
        "version": VERSION,
        "title": title,
        "question": question,
        "made": made,
        "baseline": baseline,
        "lang": material.lang,
        "bootstrap": bootstrap,
        "notes": [*notes, *curve_notes(systems), *more],
        "signatures": signatures,
        "systems": systems,
        "failed": [dict(each) for each in failed],
        "tests": tests,
        "words": words,
        "attention": attention,
        "sentences": shown,
    }
    return json.loads(json.dumps(results, allow_nan=False))


def check_resamples(number: int, systems: int) -> None:
    """UsageError where so few resamples cannot tell any of the systems from the baseline: no p is below 2 / (1 + number), before Holm."""
    variants = systems - 1
    if 2 * variants / (1 + number) >= ALPHA:
        enough = math.ceil(2 * variants / ALPHA)
        raise UsageError(
            f"bootstrap={number} could tell none of {variants} variants from the baseline: use {enough} or more"
        )


def describe_systems(
    systems: Sequence[System], floors: Mapping[str, Floor]
) -> list[dict[str, Any]]:
    """The entries of `systems`."""
    curves = {
        run.path: read_curve(run.folder)
        for system in systems
        for run in system.runs
        if run.config is not None
    }
    wanted = levels(list(curves.values()))
    settings = settings_of(systems)
    found = []
    for system in systems:
        runs: list[dict[str, Any]] = []
        for run in system.runs:
            curve = curves.get(run.path, [])
            runs.append(
                {
                    "path": run.path,
                    "seed": run.seed,
                    "unfinished": still_improving(curve),
                    "cost": None if run.config is None else read_cost(run.folder),
                    "curve": curve,
                    "reaches": reaches(curve, wanted),
                }
            )
        first = system.runs[0]
        floor = floors[system.name]
        found.append(
            {
                "name": system.name,
                "unfinished": any(run["unfinished"] for run in runs),
                "floor": not floor.left,
                "bleu_elsewhere": floor.elsewhere,
                "parameters": count_parameters(first.folder.model)
                if first.config is not None and first.folder.model.is_file()
                else None,
                "settings": settings[system.name],
                "runs": runs,
                "cost": mean_cost([run["cost"] for run in runs]),
            }
        )
    return found


def curve_notes(systems: Sequence[Mapping[str, Any]]) -> list[str]:
    """A note on each trained system of which nobody can say whether it was still improving."""
    few = [
        each["name"]
        for each in systems
        if each["parameters"] is not None
        and any(len(run["curve"]) < FEWEST for run in each["runs"])
    ]
    return [
        f"{name} was validated fewer than {FEWEST} times in a run: whether it was still improving at the end is not known"
        for name in few
    ]


def floor_notes(floors: Mapping[str, Floor]) -> list[str]:
    """A warning for each system that has not learned to translate."""
    return [
        f"{name} never left the floor: its BLEU is {floor.bleu:.1f}, and its translations have {floor.elsewhere:.1f} as those of other "
        "sentences of the same length; it has not learned to translate, and its curve says nothing about length"
        for name, floor in floors.items()
        if not floor.left
    ]
