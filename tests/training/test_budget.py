"""Limits of training that do not depend on the machine, and what a run says that it has cost."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from helpers.tiny_models import tiny_model
from mt.config.compose import load_config
from mt.config.schema import TrainerConfig
from mt.data.batch_order import BatchOrder
from mt.data.collate import collate
from mt.data.prepare import prepare
from mt.errors import MTError
from mt.models.build import build_model
from mt.run_folder import RunFolder, read_tensors, write_tensors
from mt.train import train
from mt.training.budget import Budget
from mt.training.checkpoint import TrainingState
from mt.training.flops import SHAPES, FlopsEstimator, count

FEW = [
    "model/size=tiny",
    "data.val.limit=2",
    "data.test.limit=2",
    "trainer.test_beam=1",
]  # translating takes longer than training here
UNSEEN = [(1, 3, 5), (3, 10, 14), (2, 30, 26), (1, 60, 40)]


def state(folder: Path) -> dict[str, Any]:
    return read_tensors(RunFolder.at(folder).checkpoint)[1]


def test_the_nearest_limit_counts_and_is_named() -> None:
    budget = Budget.of(TrainerConfig(max_steps=100, max_target_tokens=1000, max_flops=1e9))
    assert budget.progress(TrainingState(step=50, target_tokens=200, flops=3e8)) == 0.5
    assert budget.progress(TrainingState(step=50, target_tokens=800, flops=3e8)) == 0.8
    assert (
        budget.reached(TrainingState(step=50, target_tokens=1010, flops=3e8))
        == "trainer.max_target_tokens=1000 is reached"
    )
    assert (
        budget.reached(TrainingState(step=50, target_tokens=10, flops=1.1e9))
        == "trainer.max_flops=1000000000 is reached"
    )


def test_training_ends_with_the_step_that_reaches_the_target_tokens(
    tiny_run, tmp_path: Path
) -> None:
    """Against the batches themselves: their target pieces and one end of sentence each."""
    base = [*tiny_run(60), *FEW, "optim.schedule=cosine", "optim.lr=1e-3", "optim.warmup=1"]
    config = load_config(base)
    data = prepare(config.data, lambda _: None)
    order = BatchOrder(data.train, config.trainer.batch_tokens, config.seed)
    tokens = [int(data.train[0].tgt_lengths[rows].sum()) for rows in order.epoch(0)]
    assert tokens[0] == collate(data.train, order.epoch(0)[0]).target_tokens
    wanted = 4
    for name, limit in (("exact", sum(tokens[:wanted])), ("one_more", sum(tokens[:wanted]) + 1)):
        train(load_config([*base, f"name={name}", f"trainer.max_target_tokens={limit}"]))
        end = state(tmp_path / "runs" / name)
        steps = wanted + (name == "one_more")
        assert (end["step"], end["target_tokens"]) == (steps, sum(tokens[:steps]))
    # The rate of the cosine follows what is spent: that of the last step is known from the tokens
    # before it.
    records = [
        json.loads(line)
        for line in (tmp_path / "runs" / "exact" / "metrics.jsonl").read_text("utf-8").splitlines()
    ]
    spent = sum(tokens[: wanted - 1]) / sum(tokens[:wanted])
    assert [r["lr"] for r in records if r["kind"] == "train"][-1] == pytest.approx(
        0.5e-3 * (1 + math.cos(math.pi * spent)), rel=1e-4
    )


@pytest.mark.parametrize("limit", ["target_tokens=2500", "flops=6e9"])
def test_such_limits_hold_over_restarts(tiny_run, tmp_path: Path, limit: str) -> None:
    base = [*tiny_run(60), *FEW, f"trainer.max_{limit}"]
    train(load_config([*base, "name=whole"]))
    train(load_config([*base, "name=parts", "trainer.max_steps=4"]))
    train(load_config([*base, "name=parts"]))
    whole, parts = (tmp_path / "runs" / name for name in ("whole", "parts"))
    assert state(whole)["step"] == state(parts)["step"] > 4
    for name in ("target_tokens", "flops"):
        assert state(whole)[name] == state(parts)[name] > 0
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            load_file(RunFolder.at(whole).checkpoint).values(),
            load_file(RunFolder.at(parts).checkpoint).values(),
            strict=True,
        )
    )


@pytest.mark.parametrize(
    ("overrides", "tolerance"),
    [
        (["model=transformer", "position=rope"], 1e-9),
        (["model=transformer", "position=shaw", "attention=gqa"], 1e-9),
        (["model=transformer", "attention=window"], 0.05),  # in blocks: no polynomial
        (["model=rnn"], 1e-9),
        (["model=rnn", "model.rnn.cell=lstm", "attention=luong"], 1e-9),
        (["model=rnn-without-attention"], 1e-9),
        (["model=transformer", "model.decoder=rnn"], 1e-9),
    ],
)
def test_cost_of_a_step_is_what_the_counter_says_of_shapes_it_was_not_fitted_to(
    overrides: list[str], tolerance: float
) -> None:
    model = build_model(load_config([*overrides, "model/size=tiny"]).model, 300, 300)
    cost = FlopsEstimator(model)
    for shape in UNSEEN:
        assert shape[1:] not in SHAPES
        assert cost(*shape) == pytest.approx(count(model, *shape), rel=tolerance), shape


def test_counted_operations_are_those_of_the_formulas() -> None:
    """By hand, for a Transformer and a recurrent network without attention: forward once, backward twice."""
    width, inner, heads_width, vocabulary, source, target = 16, 32, 16, 100, 7, 5
    model = tiny_model(vocabulary)  # one encoder layer, two decoder layers
    projections = 4 * width * heads_width
    encoder = source * (projections + 2 * width * inner) + 2 * source * source * width
    decoder = (
        target * (2 * projections + 2 * width * inner)
        + 2 * target * target * width
        + 2 * source * target * width
    )
    decoder += (source - target) * 2 * width * heads_width  # keys and values of the cross attention
    assert count(model, 1, source, target) == 6 * (
        encoder + 2 * decoder + target * width * vocabulary
    )
    own = FlopsEstimator(model)(4, source, target)
    assert own == pytest.approx(4 * count(model, 1, source, target))


def test_counting_uses_up_no_random_numbers_and_leaves_the_model_alone() -> None:
    model = tiny_model(50, "rnn", "rnn")
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    FlopsEstimator(model)
    assert torch.equal(torch.rand(3), expected)
    assert not model.training and all(parameter.grad is None for parameter in model.parameters())


def test_a_run_says_what_it_has_cost(tiny_run, tmp_path: Path) -> None:
    base = [*tiny_run(60), *FEW, "trainer.val_every=2", "trainer.test_beam=2"]
    train(load_config([*base, "trainer.max_steps=2"]))
    train(load_config([*base, "trainer.max_steps=4"]))
    folder = tmp_path / "runs" / "tiny"
    cost, end = json.loads((folder / "cost.json").read_text("utf-8")), state(folder)
    weights = sum(
        int(np.prod(w.shape)) for name, w in load_file(folder / "model.safetensors").items()
    )
    assert (cost["parameters"], cost["steps"], cost["test_sentences"], cost["test_beam"]) == (
        weights,
        4,
        2,
        2,
    )
    assert (
        cost["target_tokens"] == end["target_tokens"]
        and cost["flops"] == end["flops"] > 6 * weights
    )
    assert 0 < cost["training_minutes"] < end["minutes"] <= cost["minutes"] < 2
    assert cost["tokens_per_second"] == pytest.approx(
        cost["target_tokens"] / cost["training_minutes"] / 60
    )
    assert (
        cost["memory_of"] == "process" and 5e7 < cost["peak_memory"] < 5e10
    )  # more than Python alone, less than any machine
    assert cost["test_seconds"] > 0 and cost["device"] == "cpu"
    curve = [
        record
        for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()
        if (record := json.loads(line))["kind"] == "val"
    ]
    assert [record["step"] for record in curve] == [2, 4]
    assert (
        curve[-1]["target_tokens"] == end["target_tokens"]
        and curve[0]["minutes"] < curve[1]["minutes"]
    )
    assert curve[-1]["flops"] == pytest.approx(end["flops"], rel=1e-5)


def test_a_run_that_an_earlier_version_began_goes_on_and_says_what_is_not_known(
    tiny_run, tmp_path: Path
) -> None:
    base, folder = [*tiny_run(60), *FEW], tmp_path / "runs" / "tiny"
    train(load_config([*base, "trainer.max_steps=2"]))
    tensors, facts = read_tensors(RunFolder.at(folder).checkpoint)
    old = {
        name: value
        for name, value in facts.items()
        if name not in ("training_minutes", "flops", "peak_memory")
    }
    write_tensors(RunFolder.at(folder).checkpoint, tensors, old)
    with pytest.raises(MTError, match="limit it by something else"):
        train(load_config([*base, "trainer.max_flops=1e12"]))
    train(load_config([*base, "trainer.max_steps=3"]))
    cost = json.loads((folder / "cost.json").read_text("utf-8"))
    assert (cost["steps"], cost["flops"], cost["training_minutes"], cost["tokens_per_second"]) == (
        3,
        None,
        None,
        None,
    )
    assert cost["target_tokens"] == state(folder)["target_tokens"] > 0
