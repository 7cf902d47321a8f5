"""Gradients of several ranks: DistributedDataParallel gives what one process accumulates."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.gloo_ranks import on_gloo
from helpers.variants import VARIANTS, VOCAB
from mt.config.compose import load_config
from mt.data.batching import Batch, empty_batch, make_batch
from mt.models.build import build_model
from mt.training.distributed import ProcessGroup
from mt.training.muon import Muon
from mt.training.objective import Objective
from mt.training.optim import apply_gradients, build_optimizer, freeze_others
from mt.training.parallel import choose_parallel
from mt.training.seeding import seed_everything

RANKS = [2, pytest.param(3, marks=pytest.mark.slow)]
FAMILIES = ["transformer", "rnn, gru", "rnn, hard", "transformer to rnn"]


def batches(count: int) -> list[tuple[int, Batch]]:
    generator = np.random.default_rng(1)
    pairs = [
        [generator.integers(4, VOCAB, size=(number + 2, 3 + number)).tolist() for _ in range(2)]
        for number in range(count)
    ]
    return [(number, make_batch(*pair)) for number, pair in enumerate(pairs)]


def gradients(
    group: ProcessGroup, name: str, count: int, *overrides: str
) -> tuple[list[np.ndarray], list[float]]:
    """Return gradients and sums of a step of `count` micro-batches, the second of two steps."""
    config = load_config(["auto=false", "optim=adamw", "trainer.precision=fp32", *overrides])
    torch.manual_seed(1)
    model = build_model(VARIANTS[name], VOCAB, VOCAB).train()
    objective = Objective(config, torch.device("cpu"))
    parallel = choose_parallel("auto", model, objective, group)
    for _ in range(2):  # DistributedDataParallel orders its buckets anew after the first
        sums = torch.zeros(3)
        for parameter in model.parameters():
            parameter.grad = None
        own = batches(count)[group.rank :: group.world_size]
        for number, batch in parallel.micro_batches(own, -(-count // group.world_size)):
            seed_everything(1, 0, number)
            loss, nll = parallel.loss(batch)
            loss.backward()
            sums += torch.stack([loss.detach(), nll, torch.tensor(float(batch.target_tokens))])
        summed = [gradient.numpy() for gradient in parallel.sum_gradients(sums)]
    return summed, sums.tolist()


CASES = [(name, count) for name in FAMILIES for count in (1, 5)]  # without a batch, or one less


@pytest.mark.medium
@pytest.mark.parametrize("ranks", RANKS)
def test_ranks_compute_the_gradients_of_one_process(ranks: int) -> None:
    def work(group: ProcessGroup) -> list[tuple[list[np.ndarray], list[float]]]:
        return [gradients(group, *case) for case in CASES]

    expected = work(ProcessGroup())
    for results in on_gloo(ranks, work):
        for (result, sums), (reference, total) in zip(results, expected, strict=True):
            np.testing.assert_allclose(sums, total, rtol=1e-5)
            for gradient, whole in zip(result, reference, strict=True):
                np.testing.assert_allclose(gradient, whole, rtol=1e-3, atol=1e-5)


def low_rank_weights(group: ProcessGroup) -> dict[str, np.ndarray]:
    """Return what `optim.lora` changes in three steps of five micro-batches."""
    config = load_config(["auto=false", "optim=adamw", "trainer.precision=fp32"])
    config.optim.lora = 2
    torch.manual_seed(1)
    model = build_model(VARIANTS["transformer"], VOCAB, VOCAB).train()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    freeze_others(config.optim, model)
    parallel = choose_parallel("auto", model, Objective(config, torch.device("cpu")), group)
    optimizer = build_optimizer(config.optim, model, parallel.weights, parallel.map_matrices)
    for step in range(3):
        for parameter in model.parameters():
            parameter.grad = None
        sums = torch.zeros(3)
        own = batches(5)[group.rank :: group.world_size]
        for number, batch in parallel.micro_batches(own, -(-5 // group.world_size)):
            seed_everything(1, step, number)
            loss, _ = parallel.loss(batch)
            loss.backward()
            sums[2] += batch.target_tokens
        apply_gradients(optimizer, parallel.sum_gradients(sums), sums[2], 1.0, 0.01)
    changes = {name: weight.detach() - before[name] for name, weight in model.named_parameters()}
    return {name: change.numpy() for name, change in changes.items() if change.any()}


@pytest.mark.parametrize("ranks", RANKS)
def test_ranks_train_the_low_rank_changes_of_one_process(ranks: int) -> None:
    alone = low_rank_weights(ProcessGroup())
    assert len(alone) > 5
    first, *others = on_gloo(ranks, low_rank_weights)
    assert first.keys() == alone.keys()
    for name, change in first.items():
        assert all(np.array_equal(change, result[name]) for result in others)
        assert np.linalg.matrix_rank(change, tol=1e-5) <= 2
        np.testing.assert_allclose(change, alone[name], rtol=1e-3, atol=1e-5)


def test_an_empty_batch_costs_nothing_and_reaches_every_parameter() -> None:
    config = load_config(["auto=false", "optim=adamw", "trainer.precision=fp32"])
    for name in FAMILIES:
        model = build_model(VARIANTS[name], VOCAB, VOCAB).train()
        loss, nll = Objective(config, torch.device("cpu"))(model, empty_batch())
        loss.backward()
        assert loss.item() == nll.item() == 0
        for weight in model.parameters():
            assert weight.grad is not None and not weight.grad.any()


def test_muon_shares_its_matrices_between_ranks() -> None:
    def work(group: ProcessGroup) -> list[np.ndarray]:
        generator = torch.Generator().manual_seed(1)
        weights = [torch.randn(s, generator=generator) for s in [(8, 6)] * 4 + [(6, 6)]]
        optimizer = Muon(weights, 0.1, weight_decay=0.1, map_matrices=group.map_matrices)
        for _ in range(3):
            for weight in weights:
                weight.grad = torch.randn(weight.shape, generator=generator)
            optimizer.step()
        return [weight.numpy() for weight in weights]

    alone = work(ProcessGroup())
    first, *others = on_gloo(3, work)
    for result in others:
        assert all(map(np.array_equal, first, result))
    for weight, expected in zip(first, alone, strict=True):
        np.testing.assert_allclose(weight, expected, atol=1e-3, rtol=1e-2)  # bfloat16
