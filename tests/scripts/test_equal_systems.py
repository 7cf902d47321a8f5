"""The simulation of equal systems that were tuned apart, by mt's own choice and test."""

from __future__ import annotations

import numpy as np
import pytest

from mt.comparison.statistics.bootstrap import ResampledScores


@pytest.fixture
def simulation():
    """Import the script, which is not a package."""
    import equal_systems

    return equal_systems


def first_way(simulation, runs: int, gap: float) -> float:
    return simulation.share_of_equal(simulation.WAYS[0], simulation.Case(runs, 3, gap), trials=200)


@pytest.mark.parametrize("runs", [2, 5])
def test_equal_systems_are_not_distinguishable_if_seeds_are_tested(
    simulation, runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All values are the same here, so that the choice has no influence."""
    assert first_way(simulation, runs, 0) >= 92  # of 95, with a standard error of 1.5
    # The bound would find a test that ignores the seeds: one of the first run of each.
    original = simulation.compare_systems

    def first_run(system: ResampledScores) -> ResampledScores:
        return ResampledScores(system.observed[:1], system.scores[:1], system.sentences, True)

    monkeypatch.setattr(
        simulation, "compare_systems", lambda *both: original(*map(first_run, both))
    )
    assert first_way(simulation, runs, 0) < 60


@pytest.mark.medium
def test_a_noisy_choice_finds_differences_that_more_trial_seeds_do_not(simulation) -> None:
    one, _, as_many, each_run = (
        simulation.share_of_equal(way, simulation.Case(5, 1, 2), trials=200)
        for way in simulation.WAYS
    )
    assert one < 90 < min(as_many, each_run)


def test_the_choice_is_that_of_the_best_validation(simulation) -> None:
    """With gaps far above the noise the best value is chosen, and without gaps any of them."""
    generator = np.random.default_rng(0)
    far, same = simulation.Case(3, 1, 20), simulation.Case(3, 1, 0)
    assert {simulation.choose_value(far, 1, generator) for _ in range(50)} == {0}
    chosen = [simulation.choose_value(same, 1, generator) for _ in range(400)]
    assert all(70 < chosen.count(value) < 130 for value in range(simulation.VALUES))
