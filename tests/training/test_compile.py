"""trainer.compile: the same results as without, in any shape, and clear errors."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from helpers.tiny_models import tiny_config
from mt.config.compose import load_config
from mt.data.batching import make_batch
from mt.data.vocabulary import EOS, PAD
from mt.errors import UsageError
from mt.models.build import build_model
from mt.models.loss import cross_entropy
from mt.models.seq2seq import Seq2Seq
from mt.train import train
from mt.training.compilation import compile_layers, eager_mode

# PyTorch's compiler itself causes this warning.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")
VOCABULARY = 50
needs_compiler = pytest.mark.skipif(
    shutil.which(os.environ.get("CXX", "g++")) is None, reason="no C++ compiler"
)


@pytest.fixture(autouse=True)
def reset_compiler() -> Iterator[None]:
    """Forget the compiled functions of other tests, which PyTorch caches by code."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch._dynamo.reset()


def compiled_frames() -> int:
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


def twins(**choices: Any) -> tuple[Seq2Seq, Seq2Seq]:
    """Return two models with the same weights, of which the second is compiled."""
    config = tiny_config("transformer", "transformer")
    config.dropout = 0.0
    for name, value in choices.items():
        setattr(config.transformer, name, value)
    models = []
    for _ in range(2):
        torch.manual_seed(1)
        models.append(build_model(config, VOCABULARY, VOCABULARY).train())
    compile_layers(models[1])
    return models[0], models[1]


def loss_and_gradient(
    model: Seq2Seq, pairs: int, source: int, target: int
) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(pairs)
    sources, targets = (
        torch.randint(EOS + 1, VOCABULARY, (pairs, n), generator=random).tolist()
        for n in (source, target)
    )
    sources[0] = sources[0][: source // 2]  # so that there is padding
    batch = make_batch(sources, targets)
    model.zero_grad()
    output = model(batch.source, batch.source_mask, batch.target_input)
    loss, nll = cross_entropy(output.hidden, model.output, batch.target)
    for term in output.losses:
        loss = loss + term(nll, batch.target != PAD)
    loss.backward()
    return loss.detach(), torch.cat(
        [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "choices",
    [
        {"position": "alibi", "pattern": "window", "window": 3},
        {"position": "shaw", "pattern": "adaptive_span", "window": 8, "norm": "post"},
        {"position": "sinusoidal", "pattern": "linear", "norm": "sandwich", "norm_kind": "rms"},
        {"position": "t5", "select": "entmax15", "activation": "swiglu"},
        {
            "position": "rope",
            "pattern": "strided",
            "stride": 2,
            "qk_norm": True,
            "softcap": 20.0,
            "kv_heads": 1,
        },
        {"position": "learned", "select": "sparsemax", "norm": "deepnorm", "recompute": True},
    ],
    ids=lambda choices: f"{choices['position']}-{choices.get('pattern', choices.get('select'))}",
)
def test_every_mechanism_can_be_compiled(choices: dict[str, Any]) -> None:
    """Traced as for the compiler, but run eagerly, which takes seconds instead of minutes."""
    plain, compiled = twins(**choices)
    with torch.compiler.set_stance("default", force_backend="eager"):
        for shape in ((3, 30, 40), (5, 9, 7)):
            torch.testing.assert_close(
                loss_and_gradient(compiled, *shape),
                loss_and_gradient(plain, *shape),
                rtol=1e-4,
                atol=1e-5,
            )
    assert compiled_frames() >= 2


@pytest.mark.slow
@needs_compiler
def test_other_shapes_need_no_recompilation() -> None:
    plain, compiled = twins(position="rope")
    for shape in ((3, 8, 11), (4, 12, 5)):
        torch.testing.assert_close(
            loss_and_gradient(compiled, *shape),
            loss_and_gradient(plain, *shape),
            rtol=1e-4,
            atol=1e-5,
        )
    with torch.compiler.set_stance("fail_on_recompile"):
        for shape in ((6, 21, 17), (2, 5, 30), (7, 13, 13)):
            torch.testing.assert_close(
                loss_and_gradient(compiled, *shape),
                loss_and_gradient(plain, *shape),
                rtol=1e-4,
                atol=1e-5,
            )
        with eager_mode(True):  # evaluation would need recompilation
            compiled.eval()(
                torch.full((2, 3), EOS), torch.ones(2, 3, dtype=torch.bool), torch.full((2, 3), EOS)
            )


def losses(folder: Path) -> list[float]:
    records = map(json.loads, (folder / "metrics.jsonl").read_text("utf-8").splitlines())
    return [record["loss"] for record in records if record["kind"] == "train"]


@pytest.mark.slow
def test_a_compiled_run_equals_an_eager_run(tiny_run: Any, tmp_path: Path) -> None:
    """Only traced, as above; the slow test before this one runs the compiler."""
    base = [
        *tiny_run(60),
        "model/size=tiny",
        "model.transformer.encoder_layers=1",
        "model.transformer.decoder_layers=1",
        "model.dropout=0",
        "trainer.precision=fp32",
        "trainer.max_steps=6",
        "trainer.val_every=3",
        "trainer.log_every=1",
    ]
    train(load_config([*base, "name=plain"]))
    assert not compiled_frames()
    with torch.compiler.set_stance("default", force_backend="eager"):
        train(load_config([*base, "name=compiled", "trainer.compile=true"]))
    assert compiled_frames()
    assert losses(tmp_path / "runs" / "compiled") == pytest.approx(
        losses(tmp_path / "runs" / "plain"), rel=1e-4
    )


@pytest.mark.slow
def test_a_missing_compiler_gives_a_clear_line(tiny_run: Any, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "CXX": str(tmp_path / "no-compiler"),
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "inductor"),
    }
    command = [
        sys.executable,
        "-m",
        "mt.train",
        *tiny_run(60),
        "model/size=tiny",
        "trainer.max_steps=2",
        "trainer.compile=true",
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "it needs a C++ compiler" in done.stderr.splitlines()[-1]


def test_recurrent_models_are_not_compiled() -> None:
    with pytest.raises(UsageError, match="trainer.compile=true needs Transformer layers"):
        load_config(["model=rnn", "trainer.compile=true"])
