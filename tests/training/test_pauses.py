"""Pauses of training: a run that pauses and continues is the run that does not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from helpers.training_runs import (
    checkpoint_state,
    checkpoint_tensors,
    read_records,
    run_training,
)


@pytest.mark.medium
@pytest.mark.parametrize(
    "schedule", [["optim.schedule=cosine"], ["optim.schedule=constant", "optim.decay=linear"]]
)
def test_a_run_that_pauses_is_that_with_the_whole_budget(
    schedule: list[str], tiny_run, tmp_path: Path
) -> None:
    """Rates that depend on the end of the budget are those of the whole budget."""
    own = ["model/size=tiny", "trainer.max_steps=9", "trainer.test=false", "optim.warmup=2"]
    own += ["data.val.limit=2"]
    settings = [*tiny_run(60), *own, *schedule, "trainer.log_every=1"]
    run_training([*settings, "name=whole"])
    parts, whole = tmp_path / "runs" / "parts", tmp_path / "runs" / "whole"
    for pause_at, step in ((1 / 9, 1), (1 / 3, 3), (1 / 3, 3), (1.0, 9)):
        run_training([*settings, "name=parts", f"trainer.pause_at={pause_at!r}"])
        assert checkpoint_state(parts)["step"] == step
    assert [record["step"] for record in read_records(parts, "val")] == [1, 3, 9]
    rates = [[each["lr"] for each in read_records(run, "train")] for run in (parts, whole)]
    assert rates[0] == rates[1] and len(rates[0]) == 9
    tensors, expected = checkpoint_tensors(parts), checkpoint_tensors(whole)
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], expected[name]) for name in expected)
    pauses = checkpoint_state(parts)["pauses"]
    assert [pause[0] for pause in pauses] == [1 / 9, 1 / 3, 1]
    curve = {step: loss for step, _, loss in checkpoint_state(parts)["curve"]}
    for _, best_step, _, best_loss in pauses:  # untrained: the loss decides
        assert best_loss == pytest.approx(curve[best_step])
    assert "pauses" in (state := checkpoint_state(whole)) and state["pauses"] == []
