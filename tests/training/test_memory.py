"""The memory of a training before it starts: what ranks gather, and what is refused."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
import torch
from torch.distributed.tensor import DTensor

from helpers.gloo_ranks import on_gloo
from helpers.variants import VARIANTS, VOCAB
from mt.config.compose import load_config
from mt.config.schema import OptimConfig
from mt.data.batching import make_batch
from mt.errors import MTError
from mt.models.build import build_model
from mt.training.distributed import ProcessGroup
from mt.training.memory import (
    check_memory,
    count_gathered,
    count_parameters,
    fitting_processes,
    gathered_bytes,
)
from mt.training.objective import Objective
from mt.training.optim import build_optimizer
from mt.training.parallel import choose_parallel, count_shards

CONFIG = load_config(["auto=false", "optim=adamw", "trainer.precision=fp32"])
NAMES = ["transformer", "rnn, gru"]


def most_gathered(group: ProcessGroup) -> list[int]:
    """Return for each model the most parameters that are whole at a time in a forward pass."""
    found = []
    for name in NAMES:
        model = build_model(VARIANTS[name], VOCAB, VOCAB).train()
        parallel = choose_parallel("fsdp", model, Objective(CONFIG, torch.device("cpu")), group)
        counts = [0]

        def count(module: torch.nn.Module, _: object, model=model, counts=counts) -> None:
            whole = [p for p in model.parameters() if not isinstance(p, DTensor)]
            counts.append(sum(parameter.numel() for parameter in whole))

        for module in model.modules():
            if not list(module.children()):
                module.register_forward_pre_hook(count)
        parallel.loss(make_batch([[5, 6]], [[5, 6]]))
        found.append(max(counts))
    return found


def test_what_is_gathered_is_what_ranks_gather() -> None:
    models = [build_model(VARIANTS[name], VOCAB, VOCAB) for name in NAMES]
    assert on_gloo(2, most_gathered)[0] == list(map(count_gathered, models))
    layers, recurrent = map(count_parameters, models)
    assert gathered_bytes(models[0], 1) == 0
    assert gathered_bytes(models[0], 2) == 4 * layers  # in a validation
    assert gathered_bytes(models[1], 2) == 8 * recurrent  # in training


def test_ranks_that_divide_the_weights_may_train_a_larger_model(monkeypatch) -> None:
    model = VARIANTS["transformer"]
    parameters = count_parameters(build_model(model, VOCAB, VOCAB))
    available = {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 12 * parameters}
    monkeypatch.setattr(os, "sysconf", available.__getitem__)
    cpu = torch.device("cpu")
    check_memory(model, [VOCAB] * 2, cpu, shards=2)  # 8 bytes, and 4 in a validation
    for shards in (1, 2):
        available["SC_PHYS_PAGES"] -= 1
        with pytest.raises(MTError, match=r"needs 0.0 GiB to train.*trainer\.parallel=fsdp"):
            check_memory(model, [VOCAB] * 2, cpu, shards)
    check_memory(model, [VOCAB] * 2, cpu, shards=4)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")  # they share the memory of one machine
    with pytest.raises(MTError, match="in each of 4 processes, and there are 0.0 GiB"):
        check_memory(model, [VOCAB] * 2, cpu, shards=4)


def test_each_process_of_a_cpu_has_a_model(monkeypatch) -> None:
    model = VARIANTS["transformer"]
    parameters = count_parameters(build_model(model, VOCAB, VOCAB))
    available = {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": 2 * 16 * parameters}
    monkeypatch.setattr(os, "sysconf", available.__getitem__)
    check_memory(model, [VOCAB] * 2, torch.device("cpu"), processes=2)
    with pytest.raises(MTError, match=r"in each of 3 processes.*: set trainer\.processes=2$"):
        check_memory(model, [VOCAB] * 2, torch.device("cpu"), processes=3)
    config = replace(load_config(["auto=false"]), model=model)
    assert fitting_processes(config, [VOCAB] * 2) == 2
    available["SC_PHYS_PAGES"] -= 1
    assert fitting_processes(config, [VOCAB] * 2) == 1
    assert fitting_processes(replace(config, optim=OptimConfig(lora=2)), [VOCAB] * 2) > 2
    available["SC_PHYS_PAGES"] = 10**10
    assert fitting_processes(load_config([]), [8000] * 2) > 2, "the size is open"


def test_low_rank_adaptation_needs_weights_and_the_gradients_of_matrices(monkeypatch) -> None:
    variant, optim, cpu = VARIANTS["transformer"], OptimConfig(lora=2), torch.device("cpu")
    model = build_model(variant, VOCAB, VOCAB)
    optimizer = build_optimizer(optim, model)
    weights = [p for p in model.parameters() if p.requires_grad]
    assert 0 < len(weights) < len(list(model.parameters()))
    assert len(optimizer.parts[0].param_groups[0]["params"]) == len(weights)
    needed = 4 * (count_parameters(model) + sum(weight.numel() for weight in weights))
    available = {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": needed}
    monkeypatch.setattr(os, "sysconf", available.__getitem__)
    check_memory(variant, [VOCAB] * 2, cpu, optim=optim)
    with pytest.raises(MTError, match="reduce model"):
        check_memory(variant, [VOCAB] * 2, cpu)
    available["SC_PHYS_PAGES"] -= 1
    with pytest.raises(MTError, match="fine-tune a smaller model"):
        check_memory(variant, [VOCAB] * 2, cpu, optim=optim)


def test_the_ranks_of_one_machine_divide_the_weights_in_hybrid(monkeypatch) -> None:
    def shards(group: ProcessGroup) -> list[int]:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
        return [count_shards(name, group) for name in ("auto", "ddp", "fsdp", "hybrid")]

    assert on_gloo(2, shards) == [[1, 1, 2, 1]] * 2
    assert count_shards("fsdp", ProcessGroup()) == 1
