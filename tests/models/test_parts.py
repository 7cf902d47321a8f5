"""Parts that all models share: dropout, embeddings, state selection and size."""

from __future__ import annotations

import math

import pytest
import torch

from helpers.variants import VOCAB, tiny
from mt.config.schema import ModelConfig, TransformerConfig
from mt.layers.dropout import dropout
from mt.models.build import build_model
from mt.models.seq2seq import select_rows


def test_dropout_has_its_rate_and_preserves_the_mean():
    torch.manual_seed(7)
    x = torch.ones(1000, 1001)
    for p in (0.1, 0.5):
        y = dropout(x, p)
        kept = y != 0
        assert kept.float().mean().item() == pytest.approx(
            1 - p, abs=4 * math.sqrt(p * (1 - p) / x.numel())
        )
        torch.testing.assert_close(y[kept], torch.full_like(y[kept], 1 / (1 - p)))
        neighbours = torch.stack((kept[:, :-1].flatten(), kept[:, 1:].flatten())).float()
        assert abs(torch.corrcoef(neighbours)[0, 1]) < 0.005
    assert dropout(x, 0.0) is x
    assert (dropout(x, 1 - 1e-6) == 0).float().mean() > 0.999


def test_transformer_base_has_the_size_of_the_paper():
    """Vaswani et al. 2017, table 3: 65 million parameters, vocabulary of about 37,000."""
    config = ModelConfig(
        dim=512,
        transformer=TransformerConfig(encoder_layers=6, decoder_layers=6, heads=8, ff_dim=2048),
    )
    with torch.device("meta"):
        model = build_model(config, 37_000, 37_000)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(65e6, rel=0.03)


@pytest.mark.parametrize(("tie", "matrices"), [("all", 1), ("target", 2), ("none", 3)])
def test_tied_embeddings_are_one_matrix(tie, matrices):
    config = tiny("rnn", "rnn")
    config.tie_embeddings = tie
    model = build_model(config, VOCAB, VOCAB)
    layers = (model.source_embedding, model.target_embedding, model.output)
    assert len({layer.weight.data_ptr() for layer in layers}) == matrices


def test_select_rows_rejects_other_types():
    with pytest.raises(TypeError, match="float"):
        select_rows({"a": [1.0]}, torch.tensor([0]))
