"""Small models and pairs to align."""

from __future__ import annotations

import torch

from helpers.tiny_models import sentences
from mt.config.schema import ModelConfig, RNNConfig, TransformerConfig
from mt.decoding.token_budget import TokenBudget
from mt.models.build import build_model
from mt.models.seq2seq import Seq2Seq


def three_layer_model(
    vocab: int, encoder: str = "transformer", decoder: str = "transformer", seed: int = 0
) -> Seq2Seq:
    torch.manual_seed(seed)
    config = ModelConfig(
        encoder=encoder,
        decoder=decoder,
        dim=16,
        tie_embeddings="none",
        transformer=TransformerConfig(encoder_layers=1, decoder_layers=3, heads=2, ff_dim=32),
        rnn=RNNConfig(hidden=16, attention_dim=16),
    )
    return build_model(config, vocab, vocab).eval()


def token_budget(tokens: int = 4096) -> TokenBudget:
    return TokenBudget(tokens, print)


def sentence_pairs(count: int, seed: int = 0) -> list[tuple[str, str]]:
    return list(zip(sentences(count, seed), sentences(count, seed + 1), strict=True))
