"""Alignment errors by layer and reading, on planted links, compared with a bootstrap in Python."""

from __future__ import annotations

import random

import numpy as np
import pytest

from mt.comparison.measures.alignments import RunLinks
from mt.comparison.measures.layer_alignments import layer_alignments
from mt.data.links import Links
from mt.evaluation.alignment import score_alignments
from mt.evaluation.resampling import resamples
from mt.inspection.alignments import LayerReading

WORDS, SENTENCES, RESAMPLES = 6, 80, 400
GOLDS = [
    Links(frozenset((i, i) for i in range(WORDS)) if number % 8 else frozenset())
    for number in range(SENTENCES)
]
ANNOTATED = [number for number in range(SENTENCES) if number % 8]


def planted_links(errors: float, seed: int) -> list[Links]:
    """Return the gold links, of which this share goes to the next word."""
    choose = random.Random(seed)
    return [
        Links(frozenset(((i + (choose.random() < errors)) % WORDS, i) for i in range(WORDS)))
        for _ in range(SENTENCES)
    ]


def planted_runs(*errors: dict[LayerReading, float]) -> list[RunLinks]:
    """Return a run for each dict, with this share of errors in each reading."""
    return [
        RunLinks({each: planted_links(share, 7 * run) for each, share in shares.items()}, [])
        for run, shares in enumerate(errors)
    ]


def test_one_run_has_the_intervals_of_a_bootstrap_over_sentences() -> None:
    output, read = LayerReading(0, "output"), LayerReading(0, "input")
    [run] = planted_runs({output: 0.4, read: 0.3})
    [result] = layer_alignments([run], GOLDS, RESAMPLES)
    draws = []
    for times in resamples(len(ANNOTATED), RESAMPLES):
        rows = [row for row, count in zip(ANNOTATED, times, strict=True) for _ in range(count)]
        golds = [GOLDS[row] for row in rows]
        draws.append(
            [
                score_alignments([run.references[each][row] for row in rows], golds).aer
                for each in (output, read)
            ]
        )
    low, high = RESAMPLES // 40, -RESAMPLES // 40 - 1
    for value, by_draw in ((result.output, 0), (result.input, 1)):
        ordered = np.sort(np.array(draws)[:, by_draw])
        assert value is not None
        assert value.interval == pytest.approx((ordered[low], ordered[high]))
        assert value.cases == 2 * WORDS * len(ANNOTATED)
    assert result.input is not None and result.input.difference is not None
    changes = np.sort(np.array(draws) @ [-1, 1])
    assert result.input.difference.interval == pytest.approx((changes[low], changes[high]))
    assert result.output.difference is None


def test_readings_are_paired_by_run() -> None:
    """Seeds differ by far more than the two readings of each, which are always 5 points apart."""
    output, read = LayerReading(0, "output"), LayerReading(0, "input")
    runs = planted_runs(*({output: share, read: share - 0.05} for share in (0.2, 0.5, 0.8)))
    [result] = layer_alignments(runs, GOLDS, RESAMPLES)
    assert result.input is not None and result.input.difference is not None
    assert result.output.values == pytest.approx([20, 50, 80], abs=5)
    low, high = result.input.difference.interval
    assert -8 < low < -5 < high < -2
    assert result.input.difference.verdict == "better"
    equal = planted_runs(*({output: share, read: share} for share in (0.2, 0.5, 0.8)))
    [same] = layer_alignments(equal, GOLDS, RESAMPLES)
    assert same.input is not None and same.input.difference is not None
    assert same.input.difference.verdict == "not distinguishable"


def test_p_values_are_corrected_over_layers() -> None:
    layers = [LayerReading(layer, reading) for layer in range(3) for reading in ("output", "input")]
    one = layer_alignments(
        planted_runs(dict(zip(layers[:2], (0.4, 0.1), strict=True))), GOLDS, RESAMPLES
    )
    shares = dict(zip(layers, (0.4, 0.1, 0.4, 0.1, 0.1, 0.4), strict=True))
    three = layer_alignments(planted_runs(shares), GOLDS, RESAMPLES)
    assert [each.layer for each in three] == [1, 2, 3]
    differences = [each.input.difference for each in (*one, *three) if each.input]
    least = 2 / (RESAMPLES + 1)
    assert [each.p_holm for each in differences if each] == pytest.approx([least, *[3 * least] * 3])
    assert [each.verdict for each in differences if each] == ["better"] * 3 + ["worse"]


def test_few_resamples_can_show_differences_of_many_layers() -> None:
    shares = {
        LayerReading(layer, reading): share
        for layer in range(6)
        for reading, share in (("output", 0.4), ("input", 0.1))
    }
    results = layer_alignments(planted_runs(shares), GOLDS, 100)
    differences = [each.input.difference for each in results if each.input]
    assert [each.verdict for each in differences if each] == ["better"] * 6


def test_without_gold_links_there_is_no_error_rate() -> None:
    runs = planted_runs({LayerReading(0, "output"): 0.4})
    assert layer_alignments(runs, [Links()] * SENTENCES, RESAMPLES) == []
