"""Differences and p-values compared with sacreBLEU, on simulated and real text."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.significance import PairedTest

from helpers.simulated_text import lossy_outputs
from mt.comparison.statistics.bootstrap import RunStatistics, resample_scores
from mt.comparison.statistics.randomisation import randomisation_p
from mt.comparison.statistics.significance import compare_systems, estimate
from mt.evaluation.metrics import build_metrics
from mt.evaluation.sacrebleu_metrics import Bleu
from mt.evaluation.sentence_statistics import SentenceStatistics

SACREBLEU = {"bleu": BLEU, "chrf": CHRF, "ter": TER}


@pytest.mark.parametrize("loss", [0.1, 0.105, 0.12, 0.15])
def test_single_runs_agree_with_sacrebleus_paired_tests(loss: float) -> None:
    check_against_sacrebleu(*lossy_outputs(110, (0.1, loss)), trials=1000)


def check_against_sacrebleu(
    references: list[str],
    systems: list[list[str]],
    trials: int,
    names: tuple[str, ...] = ("bleu", "chrf"),
) -> None:
    runs = {
        (i, n): RunStatistics.of(
            [SentenceStatistics(build_metrics()[0][n], systems[i], [references])]
        )
        for i in (0, 1)
        for n in names
    }
    scored = resample_scores(runs)
    tests = {
        kind: PairedTest(
            [("a", systems[0]), ("b", systems[1])],
            {n: SACREBLEU[n]() for n in names},
            [references],
            kind,
            number,
        )()[1]
        for kind, number in (("bs", 1000), ("ar", trials))
    }
    for name, theirs in zip(names, [key for key in tests["bs"] if key != "System"], strict=True):
        ours = compare_systems(scored[1, name], scored[0, name])
        first, second = tests["bs"][theirs]
        assert ours.effect == pytest.approx(second.score - first.score, abs=1e-9)
        assert ours.p_sacrebleu == pytest.approx(
            second.p_value, abs=0.0021
        )  # it sums in single precision: a draw may tip over
        low, high = estimate(scored[1, name]).interval
        assert (high - low) / 2 == pytest.approx(second.ci, abs=1e-3)
        if ours.p_sacrebleu < 0.05:  # far from 0 its formula is the one end of the two-sided p
            assert ours.p == pytest.approx(2 * ours.p_sacrebleu, abs=0.03)
        ties = (
            randomisation_p(runs[1, name], runs[0, name], trials=trials)
            - tests["ar"][theirs][1].p_value
        )
        assert (
            -1e-12 < ties < 1.5 / trials
        )  # the same coins; one trial may tie, which sacreBLEU does not count


def read(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")[:-1]


@pytest.mark.medium
@pytest.mark.realdata
def test_agrees_with_sacrebleu_on_ted(realdata: Path) -> None:
    folder = realdata / "compare-mt-ted"
    references, *systems = (
        read(folder / f"ted.{name}.detok.eng.gz") for name in ("ref", "sys1", "sys2")
    )
    check_against_sacrebleu(references, systems, 500, ("bleu",))


@pytest.mark.medium
@pytest.mark.realdata
@pytest.mark.parametrize(
    "pair, first, second, ref",
    [("en-cs", "CUNI-Bergamot", "Online-B", "B"), ("en-de", "Online-W", "Online-B", "A")],
)
def test_agrees_with_sacrebleu_on_wmt22(
    realdata: Path, pair: str, first: str, second: str, ref: str
) -> None:
    folder, target = realdata / "wmt22-systems", pair[-2:]
    systems = [read(folder / f"{pair}.hyp.{name}.{target}.gz") for name in (first, second)]
    check_against_sacrebleu(read(folder / f"{pair}.ref.{ref}.{target}.gz"), systems, 500, ("bleu",))


@pytest.mark.medium
@pytest.mark.realdata
def test_random_halves_of_two_systems_are_told_apart_as_often_as_chance_says(
    realdata: Path,
) -> None:
    # The A/A test: swap the sentences of two real systems at random, and p < 0.05 should come in 5
    # % of the trials.
    folder = realdata / "compare-mt-ted"
    references, *systems = (
        read(folder / f"ted.{name}.detok.eng.gz")[:600] for name in ("ref", "sys1", "sys2")
    )
    rows = [SentenceStatistics(Bleu(), lines, [references]).rows for lines in systems]
    draw = np.random.default_rng(0)
    runs = {}
    for trial in range(500):
        coins = draw.integers(2, size=(600, 1))
        runs[trial, 0], runs[trial, 1] = (
            RunStatistics([np.where(coins == s, *rows)], Bleu().scores) for s in (0, 1)
        )
    scored = resample_scores(runs, number=500)
    results = [compare_systems(scored[t, 0], scored[t, 1]) for t in range(500)]
    by_swaps = [randomisation_p(runs[t, 0], runs[t, 1], trials=200) for t in range(500)]
    assert 0.03 <= np.mean([r.p < 0.05 for r in results]) <= 0.07
    assert 0.03 <= np.mean([p < 0.05 for p in by_swaps]) <= 0.07
    assert (
        np.mean([(r.p_sacrebleu or 0) < 0.05 for r in results]) > 0.08
    )  # why p is not sacreBLEU's


@pytest.mark.realdata
def test_a_planted_difference_is_found_on_ted(realdata: Path) -> None:
    # The same mixtures of two real systems, of which one has the reference itself in 5 % of the
    # sentences.
    folder = realdata / "compare-mt-ted"
    references, *systems = (
        read(folder / f"ted.{name}.detok.eng.gz")[:600] for name in ("ref", "sys1", "sys2")
    )
    one, other, best = (
        SentenceStatistics(Bleu(), lines, [references]).rows for lines in (*systems, references)
    )
    draw = np.random.default_rng(1)
    runs = {}
    for trial in range(40):
        coins, planted = draw.integers(2, size=(600, 1)), draw.random((600, 1)) < 0.05
        mixed = np.where(coins, one, other), np.where(coins, other, one)
        runs[trial, 0], runs[trial, 1] = (
            RunStatistics([rows], Bleu().scores)
            for rows in (np.where(planted, best, mixed[0]), mixed[1])
        )
    scored = resample_scores(runs, number=500)
    results = [compare_systems(scored[t, 0], scored[t, 1]) for t in range(40)]
    assert np.mean([r.p < 0.05 and r.effect > 0 for r in results]) >= 0.95
    assert (
        np.mean([randomisation_p(runs[t, 0], runs[t, 1], trials=200) < 0.05 for t in range(40)])
        >= 0.95
    )
