"""A comparison in figures: everything that a report shows, as JSON types. Computing ends here; tables and pages only show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from mt.comparison.bootstrap import Resampled, Runs, resample_scores
from mt.comparison.randomisation import randomisation_p
from mt.comparison.significance import compare_systems, estimate, holm
from mt.comparison.systems import TestSet
from mt.comparison.verdict import judge
from mt.errors import UsageError
from mt.evaluation.lengths import check_edges, default_edges, default_threshold, length_unit, lengths_of
from mt.evaluation.metrics import BOOTSTRAP, SentenceStatistics, build_metrics

VERSION = 1  # raised when the meaning of a key changes

Statistics = dict[tuple[str, str], list[SentenceStatistics]]  # (system, metric) -> one for each run


def compare(
    test: TestSet,
    baseline: str = "",
    *,
    edges: Sequence[int] | None = None,
    threshold: int | None = None,
    tokenize: str = "",
    lowercase: bool = False,
    bootstrap: int = BOOTSTRAP,
    ter: bool = False,
) -> dict[str, Any]:
    """Scores of all systems with intervals, overall and by length, and the difference of each from the baseline.

    `baseline`: a system's name; empty: the first. Lengths are of the source where it is known, else of the reference; `edges` and
    `threshold` as in `evaluate_translations`. p-values are corrected by Holm over the variants, within a metric and a group of
    sentences. `docs/comparison.md` lists the keys.
    """
    names = [system.name for system in test.systems]
    baseline = baseline or names[0]
    if baseline not in names:
        raise UsageError(f"there is no system {baseline!r} to compare with: choose one of {', '.join(names)}")
    measured = test.references if test.sources is None else test.sources
    unit, lengths = length_unit(measured), lengths_of(measured)
    edges = default_edges(unit) if edges is None else edges
    check_edges(edges)
    threshold = default_threshold(unit) if threshold is None else threshold
    metrics, notes = build_metrics(test.lang, tokenize, lowercase)
    if not ter:
        del metrics["ter"]
    statistics: Statistics = {
        (system.name, name): [SentenceStatistics(metric, run.hypotheses, [test.references]) for run in system.runs]
        for system in test.systems
        for name, metric in metrics.items()
    }
    runs = {key: Runs.of(found) for key, found in statistics.items()}

    def group(label: str, sentences: np.ndarray) -> dict[str, Any]:
        scores = resample_scores(runs, sentences, bootstrap) if len(sentences) else {}
        return {"label": label, "sentences": len(sentences), **group_results(scores, statistics, sentences, names, baseline)}

    everything = np.arange(len(lengths))
    overall = group("all", everything)
    for found in overall["differences"]:
        sides = runs[found["system"], found["metric"]], runs[baseline, found["metric"]]
        equal = len(sides[0].rows) == len(sides[1].rows)
        found["p_randomisation"] = randomisation_p(*sides) if equal else None
    lows = [0, *edges]
    labels = [*(f"{low + 1}-{high}" for low, high in zip(lows, edges, strict=False)), f"{edges[-1] + 1}+"]
    membership = np.searchsorted(np.asarray(edges), lengths, side="left")
    return {
        "version": VERSION,
        "baseline": baseline,
        "lang": test.lang,
        "length": {"by": "reference" if test.sources is None else "source", "unit": unit, "threshold": threshold},
        "bootstrap": bootstrap,
        "signatures": {name: statistics[names[0], name][0].score().signature for name in metrics},
        "notes": notes,
        "systems": [
            {
                "name": system.name,
                "runs": [{"path": run.path, "seed": run.seed, "unfinished": run.unfinished} for run in system.runs],
                "unfinished": system.unfinished,
            }
            for system in test.systems
        ],
        "overall": overall,
        "short": group(f"short 1-{threshold}", np.flatnonzero(lengths <= threshold)),
        "long": group(f"long {threshold + 1}+", np.flatnonzero(lengths > threshold)),
        "buckets": [group(label, np.flatnonzero(membership == index)) for index, label in enumerate(labels)],
    }


def group_results(
    scores: dict[tuple[str, str], Resampled], statistics: Statistics, sentences: np.ndarray, names: Sequence[str], baseline: str
) -> dict[str, Any]:
    """Scores and differences on some of the sentences; no entries where there are none."""
    found: dict[str, list[dict[str, Any]]] = {"scores": [], "differences": []}
    if not scores:
        return found
    metrics = list(dict.fromkeys(metric for _, metric in scores))
    for metric in metrics:
        for name in names:
            made = asdict(estimate(scores[name, metric]))
            if metric == "bleu":
                made |= length_figures([each.score(sentences).extra for each in statistics[name, metric]])
            found["scores"].append({"system": name, "metric": metric, **made})
        variants = [name for name in names if name != baseline]
        differences = [compare_systems(scores[name, metric], scores[baseline, metric]) for name in variants]
        for name, difference, p in zip(variants, differences, holm([d.p for d in differences]), strict=True):
            verdict = judge(difference, p)
            found["differences"].append(
                {
                    "system": name,
                    "metric": metric,
                    "effect": difference.effect,
                    "interval": difference.interval,
                    "p": difference.p,
                    "p_holm": p,
                    "seeds_tested": difference.seeds_tested,
                    "small": difference.small,
                    "verdict": verdict.word,
                    "text": verdict.text,
                    "needed": None if verdict.needed is None else asdict(verdict.needed),
                }
            )
    return found


def length_figures(runs: Sequence[dict[str, Any]]) -> dict[str, float]:
    """BLEU taken apart, means over the runs: a system that stops early has a low brevity penalty, one that errs low precisions."""
    precisions = [float(np.exp(np.mean(np.log(np.maximum(run["precisions"], 1e-9))))) for run in runs]
    return {
        "length_ratio": float(np.mean([run["length_ratio"] for run in runs])),
        "brevity_penalty": float(np.mean([run["brevity_penalty"] for run in runs])),
        "precision": float(np.mean(precisions)),  # geometric mean of the four n-gram precisions, in per cent
    }
