"""ONNX graphs compared with PyTorch under the same search.

The tests cover all families and the main mechanisms of attention, with other sizes than those of
the traced examples.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

import mt
from helpers.exports import lively, save_lively_run, texts, write_export
from helpers.variants import VARIANTS, VOCAB
from mt.config.schema import ModelConfig
from mt.data.batching import make_batch
from mt.data.tokenizer import Tokenizer
from mt.decoding.options import SearchOptions
from mt.decoding.search import search
from mt.errors import MTError, UsageError

for library in ("onnx", "onnxruntime"):
    pytest.importorskip(library, reason="needs the extra onnx: pip install -e '.[onnx]'")

from mt.decoding.engines.onnx import OnnxModel  # noqa: E402
from mt.exporting.onnx import write_graphs  # noqa: E402

MAIN = (
    "rope",
    "shaw",
    "grouped-query, alibi",
    "softcap, qk-norm, multi-query",
    "sandwich, rms, swiglu",
    "linear",
    "entmax15",
    "rnn, lstm, plain",
    "rnn, multi-head additive",
    "rnn, entmax15, local_p, heads",
    "rnn, coverage, multi-head dot",
    "luong, hard, coverage",
    "transformer to rnn",
    "rnn to transformer",
)
SOURCES = ((5, 5, 2), (1,), (17, 9, 40, 3))  # sentence lengths of each batch


def batches() -> list[list[list[int]]]:
    choose = random.Random(1)
    return [
        [choose.choices(range(4, VOCAB), k=length) for length in lengths] for lengths in SOURCES
    ]


def check(config: ModelConfig, folder: Path) -> None:
    model = lively(config, VOCAB)
    write_graphs(folder, model, "float32")
    exported = OnnxModel(folder)
    for rows in batches():
        batch = make_batch(rows, [()] * len(rows))
        for beam in (1, 3):
            options = SearchOptions(beam=beam, nbest=beam, min_length=3, max_ratio=0.5, max_extra=4)
            both = (
                search(each, batch.source, batch.source_mask, options) for each in (model, exported)
            )
            for one, other in zip(*both, strict=True):
                assert [each.tokens for each in other] == [each.tokens for each in one]
                assert [each.log_prob for each in other] == pytest.approx(
                    [each.log_prob for each in one], abs=1e-3
                )


@pytest.mark.medium
@pytest.mark.parametrize("name", MAIN)
def test_graphs_agree_with_the_model(name: str, tmp_path: Path) -> None:
    check(VARIANTS[name], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(VARIANTS.keys() - set(MAIN)))
def test_graphs_of_all_other_variants_agree_with_the_model(name: str, tmp_path: Path) -> None:
    check(VARIANTS[name], tmp_path)


@pytest.mark.medium
@pytest.mark.parametrize(
    ("name", "there", "left"),
    [
        ("transformer", {"MatMulInteger"}, {"Gemm"}),
        ("rnn, lstm, plain", {"MatMulInteger", "DynamicQuantizeLSTM"}, {"LSTM", "Gemm"}),
        (
            "luong",
            {"MatMulInteger", "GRU"},
            {"Gemm"},
        ),  # there is no 8-bit kernel for GRUs
    ],
)
def test_int8_is_smaller_and_close(
    name: str, there: set[str], left: set[str], tmp_path: Path
) -> None:
    import onnx

    model = lively(VARIANTS[name], VOCAB)
    outputs = []
    for quantization in ("float32", "int8"):
        folder = tmp_path / quantization
        folder.mkdir()
        write_graphs(folder, model, quantization)
        exported, rows = OnnxModel(folder), batches()[2]
        batch = make_batch(rows, [()] * len(rows))
        state = exported.init_state(exported.encode(batch.source, batch.source_mask), 2)
        outputs.append(exported.step(torch.full((2 * len(rows),), 5), state)[0].log_softmax(-1))
    found = {
        node.op_type
        for name in ("encoder", "step")
        for node in onnx.load(folder / f"{name}.onnx").graph.node
    }
    assert there <= found and not left & found
    assert 0 < (outputs[0] - outputs[1]).abs().max() < 2


def test_an_onnx_export_translates_and_scores_text_as_the_model(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    run = save_lively_run(tmp_path / "run", tokenizer, VARIANTS["rnn, gru"])
    ours, theirs = (
        mt.load(run.folder.path, device="cpu", precision="fp32"),
        mt.load(write_export(run, "onnx", "float32", tmp_path / "out")),
    )
    lines = texts(12, seed=1)
    pairs = list(zip(lines, texts(12, seed=2), strict=True))
    expected, found = (each.score(pairs) for each in (ours, theirs))
    assert [score.tokens for score in found] == [score.tokens for score in expected]
    assert [score.log_prob for score in found] == pytest.approx(
        [score.log_prob for score in expected], abs=1e-3
    )
    short = {"max_ratio": 0.5, "max_extra": 4}
    assert theirs.translate(lines, beam=2, **short) == ours.translate(lines, beam=2, **short)
    assert theirs.translate(lines, sample=True, seed=1, **short) == theirs.translate(
        lines, sample=True, seed=1, **short
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"device": "cuda"}, "runs on the CPU only"),
        ({"precision": "bf16"}, "precision of the export"),
    ],
)
def test_calls_that_onnx_cannot_serve_are_refused(
    settings: dict, message: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    run = save_lively_run(tmp_path / "run", tokenizer, VARIANTS["luong"])
    folder = write_export(run, "onnx", "float32", tmp_path / "out")
    with pytest.raises(UsageError, match=message):
        mt.load(folder, **settings)
    with pytest.raises(UsageError, match="--backend pytorch"):
        mt.inspect(mt.load(folder)).align([("x", "y")])
    (folder / "step.onnx").write_bytes(b"x")
    (folder / "checksums.txt").unlink()
    with pytest.raises(MTError, match="onnxruntime cannot load"):
        mt.load(folder)
    (folder / "state.json").write_text("{}")
    with pytest.raises(MTError):
        mt.load(folder)
