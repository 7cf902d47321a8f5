"""Small Transformers for tests of exports."""

from __future__ import annotations

from mt.config.schema import ModelConfig, TransformerConfig


def tiny(tie_embeddings: str = "none", **changes) -> ModelConfig:
    transformer = TransformerConfig(
        **{"encoder_layers": 2, "decoder_layers": 2, "heads": 4, "ff_dim": 40} | changes
    )
    return ModelConfig(dim=32, dropout=0.0, tie_embeddings=tie_embeddings, transformer=transformer)
