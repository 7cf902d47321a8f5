"""Learning-rate schedules against values by hand."""

from __future__ import annotations

import pytest

from mt.config.training_schema import SCHEDULE_NAMES, OptimConfig
from mt.training.schedules import SCHEDULES, learning_rate

# Name -> warm-up steps, and rates for a peak of 1 by (optimizer step, share of the budget spent)
RATES = {
    "inverse_sqrt": (100, {(1, 0.0): 0.01, (50, 0.0): 0.5, (100, 0.1): 1.0, (400, 0.4): 0.5}),
    "cosine": (10, {(5, 0.0): 0.5, (10, 0.0): 1.0, (99, 0.5): 0.5, (99, 1.0): 0.0, (99, 2.0): 0.0}),
    "constant": (10, {(1, 0.0): 0.1, (10, 0.1): 1.0, (99, 0.9): 1.0}),
}


@pytest.mark.parametrize("name", SCHEDULE_NAMES)
def test_rates_of_a_schedule_are_those_by_hand(name: str) -> None:
    warmup, rates = RATES[name]
    config = OptimConfig(lr=1.0, warmup=warmup, schedule=name)
    assert {at: learning_rate(config, *at) for at in rates} == pytest.approx(rates)


@pytest.mark.parametrize("name", SCHEDULE_NAMES)
def test_a_schedule_scales_with_the_peak_and_needs_no_warm_up(name: str) -> None:
    config = OptimConfig(lr=0.25, warmup=0, schedule=name)
    assert learning_rate(config, 1, 0.0) == 0.25


def test_every_name_of_a_schedule_has_a_function() -> None:
    assert set(SCHEDULES) == set(SCHEDULE_NAMES)
