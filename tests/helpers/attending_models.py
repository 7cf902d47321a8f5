"""Small models with attention, of every family."""

from __future__ import annotations

import torch

from helpers.tiny_models import liven
from mt.config.schema import ModelConfig, RNNConfig, TransformerConfig
from mt.models.build import build_model
from mt.models.seq2seq import Seq2Seq

LONG = "The cat sees the dog . The house is red . " * 3
KINDS = ("cross", "encoder", "decoder")


def tiny(vocab: int, encoder: str, decoder: str, attention: str = "additive") -> Seq2Seq:
    torch.manual_seed(0)
    config = ModelConfig(
        encoder=encoder,
        decoder=decoder,
        dim=16,
        tie_embeddings="none",
        transformer=TransformerConfig(encoder_layers=1, decoder_layers=2, heads=2, ff_dim=32),
        rnn=RNNConfig(hidden=16, attention_dim=16, attention=attention),
    )
    return liven(build_model(config, vocab, vocab).eval())
