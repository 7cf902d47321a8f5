"""LoRA as an optimizer, against explicit factors trained by autograd; runs that use it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from helpers.tiny_models import tiny_model
from helpers.training_runs import checkpoint_tensors, run_training
from mt.config.automatic import with_values
from mt.config.checks import check_values
from mt.config.compose import load_config
from mt.config.schema import Config, OptimConfig
from mt.errors import MTError, UsageError
from mt.run_folder import RunFolder
from mt.training.automatic import choose_rate
from mt.training.fine_tuning import inherit_settings
from mt.training.low_rank import ALPHA
from mt.training.optim import apply_gradients, build_optimizer, collect_gradients


def test_steps_are_those_of_explicit_factors() -> None:
    """W = W0 + s B A with parameters B and A, gradients of autograd, and AdamW of PyTorch."""
    torch.manual_seed(0)
    model, rank = nn.Linear(12, 10), 3
    config = OptimConfig(lora=rank, weight_decay=0.1, lr=0.01)
    start, bias = model.weight.detach().clone(), model.bias.detach().clone()
    optimizer = build_optimizer(config, model)
    state = optimizer.state(model.weight)
    assert not state["up"].any() and state["down"].abs().max() < 12**-0.5
    up, down = (nn.Parameter(state[name].clone()) for name in ("up", "down"))
    betas = config.betas[0], config.betas[1]
    reference = torch.optim.AdamW([up, down], lr=0.01, betas=betas, eps=1e-9, weight_decay=0.1)
    for step in range(6):
        x, y = torch.randn(8, 12), torch.randn(8, 10)
        model.zero_grad()
        loss = (model(x) - y).square().sum()
        loss.backward()
        skip = step == 3  # a step whose gradient is not finite
        if skip:
            model.weight.grad[0, 0] = torch.nan
        else:
            reference.zero_grad()
            weight = start + ALPHA / rank * up @ down
            expected = (F.linear(x, weight, bias) - y).square().sum()
            torch.testing.assert_close(loss, expected)
            (expected / 8).backward()
            reference.step()
        _, skipped = apply_gradients(
            optimizer, collect_gradients(model), torch.tensor(8.0), 0.0, 0.01
        )
        assert bool(skipped) == skip
    torch.testing.assert_close(model.weight.detach(), start + ALPHA / rank * (up @ down).detach())
    assert torch.linalg.matrix_rank(model.weight.detach() - start, rtol=1e-4) == rank
    assert torch.equal(model.bias, bias)


@pytest.mark.parametrize("decoder", ["transformer", "rnn"])
def test_matrices_of_both_families_are_adapted_and_nothing_else(decoder: str) -> None:
    model = tiny_model(60, decoder, decoder)
    optimizer = build_optimizer(OptimConfig(lora=2), model)
    adapted = {n for n, p in model.named_parameters() if "up" in optimizer.state(p)}
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
    assert len(adapted) > 5 and not adapted & frozen
    assert adapted | frozen == {n for n, _ in model.named_parameters()}
    assert all("bias" in n or "norm" in n or "embedding" in n or "output." in n or p.dim() < 2
               or 2 * sum(p.shape) >= p.numel()
               for n, p in model.named_parameters() if n in frozen)  # fmt: skip
    with pytest.raises(MTError, match="optim.lora=64 is too large"):
        build_optimizer(OptimConfig(lora=64), tiny_model(60, decoder, decoder))


@pytest.mark.medium
def test_a_run_changes_its_matrices_by_the_rank_and_resumes_exactly(
    tiny_run, tmp_path: Path
) -> None:
    base = [*tiny_run(60), "trainer.test=false", "optim.ema=0.9", "data.val.limit=2"]
    run_training([*base, "name=first", "trainer.max_steps=1"])
    first = tmp_path / "runs" / "first"
    given = [each for each in base if not each.startswith(("model.", "data.tokenizer.", "name="))]
    given += [f"trainer.init_from={first}", "optim.lora=2", "optim.lr=0.01", "optim.warmup=1"]
    run_training([*given, "name=whole", "trainer.max_steps=4"])
    run_training([*given, "name=parts", "trainer.max_steps=2"])
    run_training([*given, "name=parts", "trainer.max_steps=4"])
    whole, parts = (checkpoint_tensors(tmp_path / "runs" / name) for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(parts[name], tensor) for name, tensor in whole.items())
    before = load_file(RunFolder(first).model)
    for name, tensor in before.items():
        change = whole[f"model.{name}"] - tensor
        if f"optimizer.up.{name}" in whole:
            assert torch.linalg.matrix_rank(change, rtol=1e-3) == 2
        else:
            assert not change.any()
    moments = sum(t.numel() for n, t in whole.items() if "exp_avg" in n)
    assert moments < sum(t.numel() for t in before.values()) / 2
    saved = load_file(RunFolder(tmp_path / "runs" / "whole").model)
    assert saved.keys() == before.keys()


def test_settings_that_do_not_fit_are_refused_and_the_optimizer_is_adamw(run: Path) -> None:
    values = {"optim.lora": 4, "trainer.init_from": str(run)}
    for more, message in (
        ({"trainer.init_from": ""}, "optim.lora needs trainer.init_from"),
        ({"optim.optimizer": "muon"}, "optim.lora needs optim.optimizer=adamw"),
        ({"optim.init_decay": 1.0}, "exclude each other"),
        ({"trainer.parallel": "hybrid"}, "auto or ddp, .* whole matrices, got hybrid"),
        ({"data.tokenizer.extend": 3}, "does not train embeddings"),
    ):
        with pytest.raises(UsageError, match=message):
            check_values(with_values(Config(), {**values, **more}))
    tuned = inherit_settings(with_values(load_config([]), values))
    assert tuned.optim.optimizer == "adamw"
    full = with_values(tuned, {"optim.lora": 0})
    rates = [choose_rate(each).values["optim.lr"] for each in (tuned, full)]
    assert rates[0] == pytest.approx(10 * rates[1])
