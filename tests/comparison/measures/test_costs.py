"""Costs and validation curves of runs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from mt.comparison.measures.costs import (
    bleu_levels,
    is_still_improving,
    mean_cost,
    minutes_to_bleu,
    read_cost,
    read_curve,
    recorded_step,
)
from mt.comparison.schema.systems import ValidationPoint
from mt.config.schema import Config
from mt.errors import MTError
from mt.run_folder import RunFolder


def curve(*points: tuple[int, float]) -> list[ValidationPoint]:
    return [ValidationPoint(step, step / 100, None, bleu, None) for step, bleu in points]


def test_records_other_than_validations_are_left_out(tmp_path: Path) -> None:
    record = '{"kind": "val", "step": 5, "minutes": 1.0, "bleu": 2.0, "loss": NaN}'
    (tmp_path / "metrics.jsonl").write_bytes(
        b'5\n{"step": 1}\n{"kind": "val", "step": 3}\n' + record.encode() + b'\n\xe9\n{"kind": "va'
    )
    assert [(each.step, each.bleu, each.loss) for each in read_curve(RunFolder.at(tmp_path))] == [
        (5, 2.0, None)
    ]


def test_a_run_before_its_plateau_is_still_improving() -> None:
    start, config = ((100, 10.0), (500, 20.0)), Config()
    assert is_still_improving(curve(*start, (1000, 26.0)), None, config)
    assert not is_still_improving(curve(*start, (1000, 20.4)), None, config)
    assert not is_still_improving(curve(*start), None, config)  # too few to tell


def test_a_run_that_its_patience_ended_is_not_still_improving() -> None:
    points = curve((100, 10.0), (200, 20.0), (300, 30.0), (400, 29.0), (500, 30.0))
    assert is_still_improving(points, None, Config())
    for patience, warmup, improves in ((2, 0, False), (3, 0, True), (2, 500, True)):
        config = Config()
        config.trainer.patience, config.optim.warmup = patience, warmup
        assert is_still_improving(points, None, config) == improves
    by_loss = Config()
    by_loss.trainer.patience, by_loss.trainer.val_metric = 2, "loss"
    for point, loss in zip(points, (5.0, 4.0, 3.0, 2.0, 1.0), strict=True):
        point.loss = loss
    assert is_still_improving(points, None, by_loss)


def test_a_run_that_rises_in_the_decay_after_its_plateau_is_not_still_improving(
    tmp_path: Path,
) -> None:
    folder = RunFolder.at(tmp_path)
    text = '{"kind": "decay", "step": 300}\n{"kind": "plateau", "step": 800, "bleu": 20.1}\n'
    folder.metrics.write_text(text + '{"kind": "decay", "step": 801}\n', encoding="utf-8")
    assert recorded_step(folder, "plateau") == 800 and recorded_step(folder, "decay") == 801
    points = curve((100, 10.0), (500, 20.0), (800, 20.1), (1000, 26.0))
    assert not is_still_improving(points, recorded_step(folder, "plateau"), Config())
    assert recorded_step(RunFolder.at(tmp_path / "nowhere"), "plateau") is None


def test_minutes_to_reach_a_level_of_bleu() -> None:
    slow, fast = (
        curve((100, 2.0), (500, 11.0), (800, 24.0), (1000, 23.0)),
        curve((100, 12.0), (200, 21.0)),
    )
    wanted = bleu_levels([slow, fast])
    assert wanted == [5, 10, 15, 20]
    assert minutes_to_bleu(slow, wanted) == {"5": 5, "10": 5, "15": 8, "20": 8} and minutes_to_bleu(
        slow, [25]
    ) == {"25": None}
    assert (
        bleu_levels([]) == []
        and bleu_levels([curve((1, 0.4))]) == []
        and bleu_levels([curve((1, 3.2))]) == [1, 2, 3]
        and bleu_levels([curve((1, 89.0))])[-1] == 80
    )


def test_the_curve_is_read_from_the_metrics(tmp_path: Path) -> None:
    lines = [
        {"kind": "train", "step": 5, "target_tokens": 700, "minutes": 0.1},
        {"kind": "val", "step": 5, "bleu": 3.0, "loss": 4.0, "minutes": 0.2},
        {"kind": "train", "step": 9, "target_tokens": 1500, "minutes": 0.3},
        {"kind": "val", "step": 9, "bleu": 4.0, "loss": 3.0, "minutes": 0.4, "target_tokens": 1501},
    ]
    (tmp_path / "metrics.jsonl").write_text(
        "\n".join(map(json.dumps, lines)) + '\n{"kind": "va', encoding="utf-8"
    )
    first, second = read_curve(RunFolder.at(tmp_path))
    assert first == ValidationPoint(5, 0.2, 700, 3.0, 4.0) and second.target_tokens == 1501
    assert read_curve(RunFolder.at(tmp_path / "nowhere")) == []


def test_costs_are_read_and_averaged(tmp_path: Path) -> None:
    cost = {
        "parameters": 10,
        "minutes": 2.0,
        "flops": None,
        "device": "cpu",
        "test_sentences": 30,
        "test_seconds": 2.0,
    }
    (tmp_path / "cost.json").write_text(json.dumps(cost))
    one = read_cost(RunFolder.at(tmp_path))
    assert one is not None and one.sentences_per_second == 15
    mean = mean_cost([one, dataclasses.replace(one, minutes=3.0, device="gpu")])
    assert mean == dataclasses.replace(one, minutes=2.5, device=None)
    assert mean_cost([one, None]) is None and read_cost(RunFolder.at(tmp_path / "nowhere")) is None
    (tmp_path / "cost.json").write_text("{")
    with pytest.raises(MTError, match="cost.json"):
        read_cost(RunFolder.at(tmp_path))
