"""Training limits that do not depend on the machine, FLOPs, and the cost of a run."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.utils.flop_counter import FlopCounterMode

from helpers.tiny_models import tiny_model
from helpers.training_runs import (
    NARROW_MODEL,
    checkpoint_state,
    checkpoint_tensors,
    read_records,
    run_training,
)
from mt.config.compose import load_config
from mt.config.schema import TrainerConfig
from mt.data.batch_order import BatchOrder
from mt.data.batching import make_batch
from mt.data.collate import collate
from mt.data.prepare import prepare
from mt.errors import MTError
from mt.models.build import build_model
from mt.run_folder import RunFolder
from mt.tensor_files import read_tensors
from mt.training.budget import TrainingBudget
from mt.training.checkpoint import TrainingState
from mt.training.flops import MEASURED_SHAPES, FlopsEstimator, measure_flops
from mt.training.objective import Objective

# Translation takes longer than training here.
TINY = ["model/size=tiny", "data.val.limit=2", "data.test.limit=2"]
UNMEASURED_SHAPES = [(1, 3, 5), (3, 20, 14)]


def test_the_nearest_limit_counts_and_is_named() -> None:
    limits = TrainerConfig(max_steps=100, max_target_tokens=1000, max_flops=1e9)
    budget = TrainingBudget.from_config(limits)
    state = TrainingState(step=50, target_tokens=200, flops=3e8)
    assert budget.fraction_spent(state) == 0.5
    state.target_tokens = 800
    assert budget.fraction_spent(state) == 0.8
    state.target_tokens = 1010
    assert budget.limit_reached(state) == "reached trainer.max_target_tokens=1000"
    state.target_tokens, state.flops = 10, 1.1e9
    assert budget.limit_reached(state) == "reached trainer.max_flops=1000000000"


@pytest.mark.medium
def test_training_ends_with_the_step_that_reaches_the_target_tokens(
    tiny_run, tmp_path: Path
) -> None:
    """Compared with the batches: their target pieces, and an end of sentence for each pair."""
    base = [*tiny_run(60), *TINY, "optim.schedule=cosine", "optim.lr=1e-3", "optim.warmup=1"]
    base += ["trainer.test=false"]
    config = load_config(base)
    data = prepare(config.data, lambda _: None)
    order = BatchOrder(data.train, config.trainer.batch_tokens, config.seed)
    tokens = [int(data.train[0].tgt_lengths[rows].sum()) for rows in order.epoch(0)]
    assert tokens[0] == collate(data.train, order.epoch(0)[0]).target_tokens
    in_four = sum(tokens[:4])
    for name, limit, steps in (("exact", in_four, 4), ("one_more", in_four + 1, 5)):
        run_training([*base, f"name={name}", f"trainer.max_target_tokens={limit}"])
        state = checkpoint_state(tmp_path / "runs" / name)
        assert (state["step"], state["target_tokens"]) == (steps, sum(tokens[:steps]))
    # The cosine schedule depends on the fraction of the budget spent before the step.
    last = read_records(tmp_path / "runs" / "exact", "train")[-1]
    spent = sum(tokens[:3]) / in_four
    assert last["lr"] == pytest.approx(0.5e-3 * (1 + math.cos(math.pi * spent)), rel=1e-4)


@pytest.mark.medium
@pytest.mark.parametrize("limit", ["target_tokens=2500", "flops=4e8"])
def test_limits_hold_over_restarts(tiny_run, tmp_path: Path, limit: str) -> None:
    base = [*tiny_run(60), *TINY, "trainer.test=false", f"trainer.max_{limit}"]
    run_training([*base, "name=whole"])
    run_training([*base, "name=parts", "trainer.max_steps=4"])
    run_training([*base, "name=parts"])
    whole, parts = (tmp_path / "runs" / name for name in ("whole", "parts"))
    assert checkpoint_state(whole)["step"] == checkpoint_state(parts)["step"] > 4
    for name in ("target_tokens", "flops"):
        assert checkpoint_state(whole)[name] == checkpoint_state(parts)[name] > 0
    expected, tensors = checkpoint_tensors(whole), checkpoint_tensors(parts)
    assert expected.keys() == tensors.keys()
    assert all(torch.equal(tensors[name], expected[name]) for name in expected)


@pytest.mark.medium
@pytest.mark.parametrize(
    ("overrides", "tolerance"),
    [
        (["model=transformer", "position=rope"], 1e-9),
        (["model=transformer", "position=shaw", "attention=gqa"], 1e-9),
        (["model=transformer", "attention=window"], 0.05),  # in blocks: not a polynomial
        (["model=rnn"], 1e-9),
        (["model=rnn", "model.rnn.cell=lstm", "attention=luong"], 1e-9),
        (["model=rnn-without-attention"], 1e-9),
        (
            ["model=rnn", "attention=location", "data.max_pieces=9", "model.rnn.longest_source=10"],
            1e-9,
        ),
        (["model=transformer", "model.decoder=rnn"], 1e-9),
    ],
)
def test_estimated_flops_equal_those_counted_in_other_shapes(
    overrides: list[str], tolerance: float
) -> None:
    overrides = ["auto=false", *overrides, "model/size=tiny", *NARROW_MODEL]
    model = build_model(load_config(overrides).model, 50, 50)
    estimate = FlopsEstimator(model)
    for shape in UNMEASURED_SHAPES:
        assert shape[1:] not in MEASURED_SHAPES
        assert estimate(*shape) == pytest.approx(measure_flops(model, *shape), rel=tolerance), shape


def test_counted_flops_equal_the_formula_of_a_transformer() -> None:
    """The formula of the forward pass, times three: the backward pass takes twice as much."""
    width, inner, heads_width, vocabulary, source, target = 16, 32, 16, 100, 7, 5
    model = tiny_model(vocabulary)  # one encoder layer, two decoder layers
    projections = 4 * width * heads_width
    encoder = source * (projections + 2 * width * inner) + 2 * source * source * width
    decoder = (
        target * (2 * projections + 2 * width * inner)
        + 2 * target * target * width
        + 2 * source * target * width
    )
    decoder += (source - target) * 2 * width * heads_width  # keys and values of cross-attention
    assert measure_flops(model, 1, source, target) == 6 * (
        encoder + 2 * decoder + target * width * vocabulary
    )
    estimate = FlopsEstimator(model)(4, source, target)
    assert estimate == pytest.approx(4 * measure_flops(model, 1, source, target))


@pytest.mark.medium
def test_a_step_of_several_passes_counts_as_many(tiny_run, tmp_path: Path) -> None:
    """In a run, and as counted in a step of the objective."""
    base = [*tiny_run(60), *TINY, "trainer.test=false", "trainer.max_steps=2"]
    base += ["trainer.val_every=0"]
    for name, extra in (
        ("plain", []),
        ("views", ["regularise=token_cutoff", "regularise.views=2"]),
    ):
        run_training([*base, f"name={name}", *extra])
    plain, views = (checkpoint_state(tmp_path / "runs" / name) for name in ("plain", "views"))
    assert views["flops"] == pytest.approx(3 * plain["flops"])
    config = load_config([*base, "regularise=simcut", "regularise.word_dropout_src=0.1"])
    model, rows = build_model(config.model, 50, 50).train(), [[5, 6, 7, 8, 9], [10, 11, 12, 13, 14]]
    with FlopCounterMode(display=False) as counter:
        Objective(config, torch.device("cpu"))(model, make_batch(rows, rows))[0].backward()
    assert counter.get_total_flops() == pytest.approx(FlopsEstimator(model)(2 * 2, 6, 6))


@pytest.mark.medium
def test_counting_changes_neither_random_state_nor_model() -> None:
    model = tiny_model(50, "rnn", "rnn")
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    FlopsEstimator(model)
    assert torch.equal(torch.rand(3), expected)
    assert not model.training and all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.medium
def test_a_run_stores_its_cost(tiny_run, tmp_path: Path) -> None:
    base = [*tiny_run(60), *TINY, "trainer.val_every=2", "trainer.test_beam=2"]
    run_training([*base, "trainer.max_steps=2"])
    run_training([*base, "trainer.max_steps=4"])
    folder = tmp_path / "runs" / "tiny"
    cost, end = json.loads((folder / "cost.json").read_text("utf-8")), checkpoint_state(folder)
    weights = sum(tensor.numel() for tensor in load_file(folder / "model.safetensors").values())
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
    # More than Python alone, less than any machine has.
    assert cost["memory_of"] == "process" and 5e7 < cost["peak_memory"] < 5e10
    assert cost["test_seconds"] > 0 and cost["device"] == "cpu"
    curve = read_records(folder, "val")
    assert [record["step"] for record in curve] == [2, 4]
    assert (
        curve[-1]["target_tokens"] == end["target_tokens"]
        and curve[0]["minutes"] < curve[1]["minutes"]
    )
    assert curve[-1]["flops"] == pytest.approx(end["flops"], rel=1e-5)


@pytest.mark.medium
def test_a_run_of_an_earlier_version_continues_with_its_unknown_costs_as_null(
    tiny_run, tmp_path: Path
) -> None:
    base, folder = [*tiny_run(60), *TINY], tmp_path / "runs" / "tiny"
    run_training([*base, "trainer.max_steps=2"])
    tensors, facts = read_tensors(RunFolder.at(folder).checkpoint)
    new = ("training_minutes", "flops", "peak_memory", "curve", "plateau_step", "decay_step")
    old = {name: value for name, value in facts.items() if name not in new}
    RunFolder.at(folder).write_tensors(RunFolder.at(folder).checkpoint, tensors, old)
    with pytest.raises(MTError, match="use another limit than trainer.max_flops"):
        run_training([*base, "trainer.max_flops=1e12"])
    run_training([*base, "trainer.max_steps=3"])
    cost = json.loads((folder / "cost.json").read_text("utf-8"))
    assert (cost["steps"], cost["flops"], cost["training_minutes"], cost["tokens_per_second"]) == (
        3,
        None,
        None,
        None,
    )
    state = checkpoint_state(folder)
    assert cost["target_tokens"] == state["target_tokens"] > 0
    assert [point[0] for point in state["curve"]] == [3]


@pytest.mark.medium
def test_the_peak_memory_is_that_of_the_process_and_not_of_its_parent() -> None:
    script = (
        "import torch; from mt.training.cost import peak_memory; "
        "before = peak_memory(torch.device('cpu')); block = bytearray(300_000_000); "
        "print(before, peak_memory(torch.device('cpu')))"
    )
    block = bytearray(900_000_000)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert len(block)
    before, after = map(int, done.stdout.split())
    assert before < 800e6 and 250e6 < after - before < 350e6
