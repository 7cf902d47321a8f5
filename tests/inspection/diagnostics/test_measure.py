"""Diagnostics of models, and mt-evaluate --diagnostics."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

import mt
from helpers import ROOT
from helpers.tiny_models import sentences, tiny_model
from mt.config.schema import ModelConfig, RNNConfig
from mt.data.batching import make_batch
from mt.data.tokenizer import Tokenizer
from mt.decoding.scoring import score_pairs
from mt.decoding.token_budget import TokenBudget
from mt.decoding.translator import Translator
from mt.errors import MTError, UsageError
from mt.evaluate import main
from mt.inspection.diagnostics.map_statistics import COVERAGE_STATISTICS, SIMILARITY, STATISTICS
from mt.inspection.diagnostics.measure import diagnose, is_punctuation, measure_pair
from mt.inspection.diagnostics.summary import Summary
from mt.inspection.pair_attention import PairAttention
from mt.inspection.teacher_forcing import map_pair_attention
from mt.models.build import build_model

KINDS = (
    {"transformer": {"encoder"}, "rnn": set()},
    {"transformer": {"decoder", "cross"}, "rnn": {"cross"}},
)


def budget(tokens: int = 4096) -> TokenBudget:
    return TokenBudget(tokens, print)


@pytest.mark.parametrize("encoder", ["transformer", "rnn"])
@pytest.mark.parametrize("decoder", ["transformer", "rnn"])
@torch.no_grad()
def test_maps_are_those_of_the_pair_alone(encoder: str, decoder: str, tokenizer: Tokenizer) -> None:
    model = tiny_model(tokenizer.vocab_size(), encoder, decoder)
    texts = list(zip(sentences(12), sentences(12, 1), strict=True))
    pairs = [
        (tokenizer.encode(source, "src"), tokenizer.encode(target, "tgt"))
        for source, target in texts
    ]
    kinds = [
        kind
        for kind in ("cross", "encoder", "decoder")
        if kind in KINDS[0][encoder] | KINDS[1][decoder]
    ]
    found, small = (
        map_pair_attention(
            [model], tokenizer, pairs, b, lambda each: each[0], kinds=kinds, loss=True
        )
        for b in (budget(), budget(40))
    )
    scores = score_pairs([model], tokenizer, texts, budget())
    for pair, one, other, score in zip(pairs, found, small, scores, strict=True):
        alone = make_batch([pair[0]], [pair[1]])
        s, t = len(pair[0]) + 1, len(pair[1]) + 1
        inputs = alone.source[:, :s], alone.source_mask[:, :s], alone.target_input[:, :t]
        expected = model(*inputs, need_weights=True).attention
        assert set(kinds) == expected.keys()
        for kind in expected:
            assert one.piece_weights(kind).shape == tuple(expected[kind].shape[1:])
            np.testing.assert_allclose(one.piece_weights(kind), expected[kind][0], atol=1e-5)
            np.testing.assert_allclose(other.piece_weights(kind), expected[kind][0], atol=1e-5)
            np.testing.assert_allclose(one.piece_weights(kind).sum(-1), 1, atol=1e-5)
        assert one.loss == pytest.approx(-score.log_prob / score.tokens, abs=1e-4)
        assert one.source_pieces == tokenizer.pieces(
            pair[0], "src"
        ) and one.target_pieces == tokenizer.pieces(pair[1], "tgt")


def test_keys_are_aligned_with_pieces() -> None:
    # Each map has all weight on the one key that is punctuation: BOS comes before target pieces,
    # EOS after source pieces.

    def on(column: int, queries: int, keys: int) -> np.ndarray:
        return np.tile(np.eye(keys, dtype=np.float32)[column], (1, 1, queries, 1))

    decoder = on(2, 4, 4)
    decoder[0, 0, :2] = np.eye(4)[0]  # rows 0 and 1 do not see key 2
    pieces = ["a", "b", "▁,"], ["▁c", "...", "d"], [0, 0, 1], [0, 0, 0]
    pair = PairAttention(*pieces, on(2, 4, 4), True, encoder=on(2, 4, 4), decoder=decoder, loss=1.0)
    found = measure_pair(pair).kinds
    assert found["encoder"].heads["punctuation"] == found["cross"].heads["punctuation"] == 1
    assert found["decoder"].heads["punctuation"] == pytest.approx(2 / 3)
    assert found["decoder"].heads["special"] == pytest.approx(1 / 3)


def test_only_pieces_of_punctuation_count_as_such() -> None:
    assert all(map(is_punctuation, (".", "▁,", "...", "▁«", "。", "?!")))
    assert not any(map(is_punctuation, ("▁", "", "a.", "▁the", "$", "<0xE2>", "3")))


def test_empty_and_overlong_pairs_are_left_out_and_counted(run: Path) -> None:
    translator = mt.load(run, device="cpu", precision="fp32")
    sources, references = sentences(20), sentences(20, 1)
    plain = diagnose(translator, sources, references, threshold=10)
    long = "x" * (translator.max_pieces + 1)
    more = diagnose(
        translator, [*sources, "", "a", "a", long], [*references, "b", " ", long, "b"], threshold=10
    )
    assert (plain.left_out, more.left_out, more.sentences) == (0, 4, 20)
    assert more.kinds["cross"]["evenness"].heads.mean == pytest.approx(
        plain.kinds["cross"]["evenness"].heads.mean
    )
    assert more.short == sum(len(line.split()) <= 10 for line in sources)
    low = diagnose(mt.load(run, device="cpu", precision="bf16"), sources, references, threshold=10)
    assert low.loss == plain.loss, "measured in float32, whatever the translation is in"
    with pytest.raises(MTError, match="blank or too long"):
        diagnose(translator, [""], ["a"])


def test_a_model_without_attention_is_refused(tokenizer: Tokenizer) -> None:
    config = ModelConfig(
        encoder="rnn",
        decoder="rnn",
        dim=16,
        tie_embeddings="none",
        rnn=RNNConfig(hidden=16, attention="none"),
    )
    model = build_model(config, *[tokenizer.vocab_size()] * 2).eval()
    with pytest.raises(UsageError, match="no attention.*--diagnostics"):
        diagnose(Translator([model], tokenizer), ["a"], ["b"])


def test_mt_evaluate_prints_and_writes_diagnostics(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, lines in {"src": sentences(15), "ref": sentences(15, 1)}.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    common = [
        str(run),
        "--src",
        f"{tmp_path}/src",
        "--ref",
        f"{tmp_path}/ref",
        "--beam",
        "1",
        "--bootstrap",
        "0",
        "--no-ter",
    ]
    common += [
        "--device",
        "cpu",
        "--threads",
        "1",
        "--threshold",
        "8",
        "--json",
        f"{tmp_path}/out.json",
    ]
    main(common)
    plain, without = capsys.readouterr().out, json.loads((tmp_path / "out.json").read_text("utf-8"))
    main([*common, "--diagnostics"])
    out, data = capsys.readouterr().out, json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert out.startswith(plain + "\nattention in 15 pairs") and "short 1-8" in out
    found = data.pop("diagnostics")
    assert data == without and found["threshold"] == 8
    translator = mt.load(run, device="cpu", precision="fp32")
    expected = diagnose(translator, sentences(15), sentences(15, 1), 8)
    for kind, (layers, heads) in {"encoder": (1, 2), "decoder": (2, 2), "cross": (2, 2)}.items():
        assert (found["kinds"][kind]["layers"], found["kinds"][kind]["heads"]) == (layers, heads)
        for name in STATISTICS:
            means = np.array(found["kinds"][kind]["figures"][name]["heads"]["mean"])
            np.testing.assert_allclose(
                means, expected.kinds[kind][name].heads.mean, rtol=1e-5, atol=1e-6
            )


def test_the_documentation_has_every_key() -> None:
    text = (ROOT / "docs" / "diagnostics.md").read_text("utf-8")
    for name in (
        *STATISTICS,
        *COVERAGE_STATISTICS,
        SIMILARITY,
        *(field.name for field in fields(Summary)),
        "heads",
        "layer",
        "mean_map",
        "even",
        "pairs",
    ):
        assert f"`{name}`" in text, name
