"""The benchmark of translation: it trains a run, and peers translate with its weights."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from helpers.benchmarks import cells, interpreter, load
from helpers.tiny_models import sentences, tiny_config
from mt.config.schema import Config
from mt.data.tokenizer import Tokenizer
from mt.models.build import build_model
from mt.models.weights import model_tensors
from mt.run_folder import RunFolder
from mt.tensor_files import write_tensors


@pytest.fixture
def plain_run(tokenizer: Tokenizer, tmp_path: Path) -> Path:
    """A run whose weights peers can load: with tied embeddings, and with large weights.

    Large weights make outputs depend on the source. Such outputs do not end by themselves, and
    peers have one maximum length for all, so the sources have equal lengths.
    """
    folder = tmp_path / "run"
    folder.mkdir()
    config = Config(name="plain")
    config.model = replace(tiny_config("transformer", "transformer"), tie_embeddings="all")
    torch.manual_seed(2)
    model = build_model(config.model, tokenizer.vocab_size(), tokenizer.vocab_size())
    with torch.no_grad():
        for parameter in (*model.encoder.parameters(), *model.decoder.parameters()):
            parameter += torch.randn_like(parameter) * 0.5
    RunFolder.at(folder).write_config(config)
    write_tensors(RunFolder.at(folder).model, model_tensors(model), {})
    tokenizer.save(folder)
    lines = [line + "\n" for line in sentences(2000) if len(tokenizer.encode(line, "src")) == 10][
        :30
    ]
    for name in ("sources", "references"):
        (folder / f"test.{name}.txt").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def translated(
    plain_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[str, dict[str, Any]]]:
    def run(*arguments: str) -> tuple[str, dict[str, Any]]:
        options = [
            "--run",
            str(plain_run),
            "--folder",
            str(tmp_path / "work"),
            "--device",
            "cpu",
            "--threads",
            "1",
            "--repeats",
            "1",
        ]
        load("bench_translate").main([*options, "--precisions", "fp32", *arguments])
        printed = capsys.readouterr().out
        return printed, cells(printed)

    return run


@pytest.mark.slow
def test_bench_translate_trains_a_run_and_measures_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run that it trains has the options that peers need."""
    data = [
        "data.train.demo=300",
        "data.val.demo=10",
        "data.test.demo=12",
        "data.tokenizer.vocab_size=500",
        f"data.cache='{tmp_path}/cache'",
    ]
    model = [
        "model/size=tiny",
        "trainer.batch_tokens=256",
        "--train-steps",
        "1",
        "--device",
        "cpu",
        "--threads",
        "1",
    ]
    measured = [
        "--beams",
        "2",
        "--lines",
        "8",
        "--precisions",
        "fp32",
        "--repeats",
        "1",
        "--peer",
        f"joey={sys.executable}",
    ]
    load("bench_translate").main([*data, *model, *measured, "--folder", str(tmp_path / "work")])
    printed = capsys.readouterr().out
    ours = cells(printed)["mt, fp32"]
    assert ours["outputs as mt's"] == "100.0%" and float(ours["sentences/s"].replace(",", "")) > 0
    assert "8 lines" in printed and "- joey, fp32 did not run" in printed
    load("protocol").require_plain(json.loads((tmp_path / "work" / "work.json").read_text("utf-8")))


@pytest.mark.slow
@pytest.mark.parametrize("peer, package", [("hf", "transformers"), ("ct2", "ctranslate2")])
def test_peers_translate_with_our_weights(
    peer: str, package: str, translated: Callable[..., tuple[str, dict[str, Any]]]
) -> None:
    printed, found = translated("--beams", "1", "--peer", f"{peer}={interpreter(peer, package)}")
    assert found[f"{peer}, fp32"]["outputs as mt's"] == "100.0%", printed
