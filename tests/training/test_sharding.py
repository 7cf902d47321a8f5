"""Sharded training: what one process trains, with rows of each weight on several."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributed.checkpoint import HuggingFaceStorageWriter

from helpers.gloo_ranks import on_gloo
from helpers.variants import VARIANTS, VOCAB, tiny
from mt.config.compose import load_config
from mt.config.schema import Config
from mt.data.batching import make_batch
from mt.errors import MTError
from mt.models.build import build_model
from mt.run_folder import RunFolder
from mt.training.checkpoint import TrainingState, load_checkpoint, save_checkpoint
from mt.training.compilation import compile_layers
from mt.training.distributed import ProcessGroup
from mt.training.objective import Objective
from mt.training.optim import WeightAverage, apply_gradients, build_optimizer
from mt.training.parallel import choose_parallel, count_machines
from mt.training.seeding import seed_everything
from mt.training.sharding import copy_without_weights

RECOMPUTE = tiny("transformer", "transformer", recompute=True)
MODELS = {
    **VARIANTS,
    "recompute": RECOMPUTE,
    "untied": dataclasses.replace(VARIANTS["transformer"], tie_embeddings="none"),
    "tied target": dataclasses.replace(VARIANTS["rnn, gru"], tie_embeddings="target"),
}
# Composed once, and not in every fork.
SETTINGS = ["auto=false", "optim=muon", "optim.ema=0.5"]
CONFIG = load_config([*SETTINGS, "trainer.precision=fp32"])
BF16_CONFIG = load_config([*SETTINGS, "trainer.precision=bf16"])
FAMILIES = ["transformer", "recompute", "rnn, gru", "rnn, hard"]
OTHERS = [name for name in MODELS if name not in FAMILIES]
Results = tuple[list[float], dict[str, np.ndarray]]


class Training:
    """A training of some steps on given batches, which ranks share."""

    def __init__(
        self, group: ProcessGroup, name: str, engine: str, config: Config = CONFIG
    ) -> None:
        torch.manual_seed(1)
        model = build_model(MODELS[name], VOCAB, VOCAB).train()
        self.group = group
        self.parallel = choose_parallel(
            engine, model, Objective(config, torch.device("cpu")), group
        )
        self.weights = self.parallel.weights
        self.optimizer = build_optimizer(
            config.optim, model, self.weights, self.parallel.map_matrices
        )
        self.average = WeightAverage(self.weights, config.optim.ema)

    def step(self, number: int, count: int) -> list[float]:
        """Take a step of some micro-batches; return the sums over tokens and the gradient norm."""
        for parameter in self.parallel.model.parameters():
            parameter.grad = None
        sums, ranks = torch.zeros(3), self.group.world_size
        drawn = np.random.default_rng(number)
        batches = []
        for index in range(count):
            pair = drawn.integers(4, VOCAB, size=(2, index + 2, 3 + index)).tolist()
            batches.append((index, make_batch(*pair)))
        own = batches[self.group.rank :: ranks]
        for index, batch in self.parallel.micro_batches(own, -(-count // ranks)):
            seed_everything(1, number, index)
            loss, nll = self.parallel.loss(batch)
            loss.backward()
            sums += torch.stack([loss.detach(), nll, torch.tensor(float(batch.target_tokens))])
        gradients = self.parallel.sum_gradients(sums)
        norm = self.parallel.norm(gradients)
        norm, _ = apply_gradients(self.optimizer, gradients, sums[2], 1.0, 0.003, norm)
        self.average.update(number)
        return [*sums.tolist(), norm.item()]

    def results(self, counts: list[int], first: int = 1) -> Results:
        """Return what steps give, and the averaged weights after them."""
        values = [value for i, count in enumerate(counts, first) for value in self.step(i, count)]
        with self.parallel.averaged(self.average) as model:
            weights = {name: p.detach().clone().numpy() for name, p in model.named_parameters()}
        return values, weights


def assert_same(results: Results, expected: Results, model: str = "") -> None:
    np.testing.assert_allclose(results[0], expected[0], rtol=1e-4, err_msg=model)
    assert results[1].keys() == expected[1].keys()
    for name, weight in results[1].items():
        difference = np.abs(weight - expected[1][name])
        # A bias of keys has gradients of 0 but for rounding errors, and AdamW makes steps of full
        # size of them.
        limit = 0.003 if name.endswith("key_value.bias") else 1e-4
        assert difference.mean() < limit, f"{model}: {name}"


@pytest.fixture(autouse=True)
def two_ranks_on_each_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")  # as torchrun does


@pytest.mark.medium
@pytest.mark.parametrize(
    ("ranks", "engine", "families"),
    [
        (2, "ddp", FAMILIES),
        (2, "fsdp", FAMILIES),
        (4, "hybrid", FAMILIES[:1]),
        pytest.param(3, "fsdp", FAMILIES, marks=pytest.mark.slow),
        pytest.param(2, "fsdp", OTHERS, marks=pytest.mark.slow),  # one start for all
        pytest.param(4, "hybrid", FAMILIES[1:], marks=pytest.mark.slow),
    ],
)
def test_ranks_train_what_one_process_trains(ranks: int, engine: str, families: list[str]) -> None:
    def work(group: ProcessGroup) -> list[Results]:
        return [Training(group, name, engine).results([5, 1, 4]) for name in families]

    expected = work(ProcessGroup())
    for results in on_gloo(ranks, work):
        for name, result, reference in zip(families, results, expected, strict=True):
            assert_same(result, reference, name)


@pytest.mark.slow
def test_ranks_train_in_bfloat16_what_one_process_trains() -> None:
    def work(group: ProcessGroup) -> list[Results]:
        names = ["transformer", "rnn to transformer", "linear", "sandwich, rms, swiglu"]
        return [Training(group, name, "fsdp", BF16_CONFIG).results([3, 1]) for name in names]

    expected = work(ProcessGroup())
    for results in on_gloo(2, work):
        for result, reference in zip(results, expected, strict=True):
            np.testing.assert_allclose(result[0], reference[0], rtol=1e-3)


def test_the_copy_for_validations_has_no_weights_of_its_own() -> None:
    model = build_model(VARIANTS["transformer"], VOCAB, VOCAB)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    copied = copy_without_weights(model, torch.device("cpu"))
    assert not any(weight.numel() for weight in copied.parameters())
    assert dict(copied.named_parameters()).keys() == before.keys()
    assert copied.output.weight is copied.target_embedding.weight
    for name, weight in model.named_parameters():
        assert torch.equal(weight, before[name])


RESUMING = [(3, "fsdp"), (2, "fsdp"), (2, "ddp"), (1, "auto")]


def resumed(group: ProcessGroup, folder: RunFolder, engine: str) -> Results:
    """Return the results of three steps after a checkpoint."""
    training = Training(group, "transformer", engine)
    training.step(7, 1)  # so that nothing stays from the beginning
    state = load_checkpoint(
        folder, training.parallel, training.optimizer, training.average.shadow, "text"
    )
    return training.results([3, 1, 2], state.step + 1)


@pytest.mark.medium
@pytest.mark.parametrize(
    ("saving", "engine", "resuming"),
    [
        (2, "fsdp", [(3, "fsdp"), (1, "auto")]),
        pytest.param(3, "fsdp", RESUMING, marks=pytest.mark.slow),
        pytest.param(4, "hybrid", [(4, "hybrid"), *RESUMING], marks=pytest.mark.slow),
    ],
)
def test_a_checkpoint_of_several_ranks_continues_on_any_number(
    tmp_path: Path, saving: int, engine: str, resuming: list[tuple[int, str]]
) -> None:
    folder = RunFolder(tmp_path)

    def save(group: ProcessGroup) -> Results:
        training = Training(group, "transformer", engine)
        for step in (1, 2):
            training.step(step, 3)
            state = TrainingState(step=step, data_hash="text")
            save_checkpoint(
                folder, training.parallel, training.optimizer, training.average.shadow, state
            )
        return training.results([3, 1, 2], 3)

    whole = on_gloo(saving, save)[0]
    assert [path.name for path in sorted(folder.checkpoint.parent.iterdir())] == [
        "checkpoint.safetensors", "parts-1",
    ]  # fmt: skip

    def go_on(engine: str) -> Callable[[ProcessGroup], Results]:
        return lambda group: resumed(group, folder, engine)

    for ranks, other in resuming:
        for result in on_gloo(ranks, go_on(other)):
            assert_same(result, whole)
    part = next(folder.checkpoint_parts[1].glob("*.safetensors"))
    part.write_bytes(part.read_bytes()[:1000])
    with pytest.raises(MTError, match="parts-1 is damaged .*: restore it from a copy"):
        resumed(ProcessGroup(), folder, "auto")


def test_a_rank_that_cannot_write_its_part_ends_all_with_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(writer: HuggingFaceStorageWriter, *arguments: object) -> None:
        raise OSError(28, "No space left on device")

    def work(group: ProcessGroup) -> str:
        training = Training(group, "rnn, gru", "fsdp")
        if group.rank == 1:
            monkeypatch.setattr(HuggingFaceStorageWriter, "write_data", write)
        with pytest.raises(MTError) as refused:
            save_checkpoint(
                RunFolder(tmp_path), training.parallel, training.optimizer, {}, TrainingState()
            )
        return str(refused.value)

    first, second = on_gloo(2, work)
    assert first == second
    assert first.endswith(
        "parts-0: rank 1 cannot write its part: [Errno 28] No space left on device"
    )


def test_machines_share_rows_only_if_each_has_as_many_ranks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def work(sizes: list[str]) -> Callable[[ProcessGroup], tuple[int, str]]:
        def count(group: ProcessGroup) -> tuple[int, str]:
            monkeypatch.setenv("LOCAL_WORLD_SIZE", sizes[group.rank])
            try:
                return count_machines(group), ""
            except MTError as error:
                return 0, str(error)

        return count

    assert on_gloo(2, work(["1", "1"])) == [(2, "")] * 2
    for sizes, counts in ((["1", "2"], "1, 2"), (["3", "3"], "3"), (["", ""], "unknown")):
        for machines, message in on_gloo(2, work(sizes)):
            assert not machines and f"sets), got {counts} of 2: use fsdp" in message


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ddp", "fsdp"])
def test_compiled_layers_of_ranks_train_what_one_process_trains(engine: str) -> None:
    """Traced as for the compiler, but run eagerly, which takes seconds instead of minutes."""

    def work(group: ProcessGroup) -> tuple[Results, int]:
        training = Training(group, "transformer", engine)
        compile_layers(training.parallel.model)
        with torch.compiler.set_stance("default", force_backend="eager"):
            results = training.results([3, 1])
        return results, torch._dynamo.utils.counters["stats"]["unique_graphs"]

    expected = Training(ProcessGroup(), "transformer", engine).results([3, 1])
    for results, graphs in on_gloo(2, work):
        assert graphs
        assert_same(results, expected)
