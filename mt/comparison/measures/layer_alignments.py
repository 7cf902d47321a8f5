"""Alignment error rates by layer and by reading, over all runs of a system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mt.comparison.measures.alignments import RunLinks, link_counts
from mt.comparison.measures.measure import Measure, measure_value
from mt.comparison.measures.scores import RESAMPLES_PER_PAIR, score_differences
from mt.comparison.schema.attention import LayerAlignment
from mt.comparison.schema.scores import MeasureDifference
from mt.comparison.statistics.bootstrap import ResampledScores, resample_scores
from mt.data.links import Links
from mt.inspection.alignments import LayerReading


def layer_alignments(
    runs: Sequence[RunLinks], golds: Sequence[Links], bootstrap: int
) -> list[LayerAlignment]:
    """Return the error rates of every layer, on all sentences with gold links; none without any.

    At least `RESAMPLES_PER_PAIR` resamples are drawn for each difference of readings, so that
    Holm's correction for the layers leaves a p below 0.05 within reach.
    """
    has_gold = np.array([bool(gold.possible) for gold in golds])
    if not has_gold.any():
        return []
    errors = {
        each: [link_counts(run.references[each], golds).take(has_gold) for run in runs]
        for each in runs[0].references
    }
    statistics = {
        each: Measure({"": ratios}, False, complement=True).runs("")
        for each, ratios in errors.items()
    }
    differences = sum(each.reading == "input" for each in errors)
    resamples = max(bootstrap, RESAMPLES_PER_PAIR * differences)
    scores = resample_scores(statistics, number=resamples)
    values = {each: measure_value(scores[each], errors[each], 100) for each in scores}
    for layer, difference in reading_differences(scores).items():
        values[LayerReading(layer, "input")].difference = difference
    return [
        LayerAlignment(layer + 1, value, values.get(LayerReading(layer, "input")))
        for (layer, reading), value in values.items()
        if reading == "output"
    ]


def reading_differences(
    scores: Mapping[LayerReading, ResampledScores],
) -> dict[int, MeasureDifference]:
    """Return layer -> reading "input" minus "output", paired by sentence and by run.

    Paired by run because seeds that align badly may do so in both readings. p-values are corrected
    by Holm over the layers. A layer is left out if a value is 0/0 on some resample.
    """
    paired: dict[str, ResampledScores] = {}
    for (layer, reading), read in scores.items():
        predicted = scores[LayerReading(layer, "output")]
        change = read.scores - predicted.scores
        if reading == "input" and np.isfinite(change).all():
            observed = read.observed - predicted.observed
            paired[str(layer)] = ResampledScores(observed, change, read.sentences, False)
    if not paired:
        return {}
    first = next(iter(paired.values()))
    # Runs that do not differ: comparing with them tests whether a difference is 0.
    zero = ResampledScores(
        np.zeros_like(first.observed), np.zeros_like(first.scores), first.sentences, False
    )
    return {
        int(each.system): MeasureDifference(
            each.effect, each.interval, each.p_holm, each.verdict, each.text
        )
        for each in score_differences({**paired, "": zero}, "", "aer")
    }
