"""The plateau of a training run."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from mt.training.plateau import reached_plateau


class Validation(NamedTuple):
    step: int
    bleu: float
    loss: float | None


@pytest.mark.parametrize(
    ("half", "end", "expected"),
    [
        ((30.0, 2.0), (30.8, 1.99), True),  # 3 % of 30 BLEU is 0.9 points
        ((30.0, 2.0), (31.0, 1.99), False),
        ((4.0, 3.0), (4.4, 2.98), True),
        ((4.0, 3.0), (4.5, 2.98), False),  # at a low level, 0.5 points decide
        ((4.0, 3.0), (4.0, 2.96), False),  # the loss still falls
        ((90.0, 0.1), (90.0, 0.091), True),  # by 9 %, but the perplexity by under 1 %
        ((90.0, 0.1), (90.0, 0.089), False),
        ((30.0, 2.0), (28.0, 2.5), True),  # overfitted, not improving
        ((30.0, None), (30.8, None), True),
        ((30.0, None), (31.0, None), False),
    ],
)
def test_a_plateau_needs_both_loss_and_bleu_to_stay(
    half: tuple[float, float | None], end: tuple[float, float | None], expected: bool
) -> None:
    curve = [Validation(100, 1.0, 9.0), Validation(500, *half), Validation(1000, *end)]
    assert reached_plateau(curve) is expected


def test_the_best_values_count_not_the_last() -> None:
    curve = [Validation(100, 20.0, 2.0), Validation(500, 25.0, 1.5)]
    assert reached_plateau([*curve, Validation(900, 22.0, 1.7), Validation(1000, 25.1, 1.6)])


def test_a_plateau_is_unknown_with_few_validations_or_none_in_the_first_half() -> None:
    late = [Validation(step, 20.0, 2.0) for step in (600, 800, 1000)]
    assert reached_plateau([]) is None
    assert reached_plateau(late[:2]) is None
    assert reached_plateau(late) is None
    assert reached_plateau([Validation(500, 20.0, 2.0), *late]) is True
