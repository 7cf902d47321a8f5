"""Small recurrent models and a reference softmax."""

from __future__ import annotations

import math

from mt.config.schema import ModelConfig, RNNConfig
from mt.models.build import build_model


def softmax(scores):
    exponentials = [math.exp(score - max(scores)) for score in scores]
    return [x / sum(exponentials) for x in exponentials]


def model_of(vocabulary=12, dim=8, hidden=6, **changes):
    config = ModelConfig(
        "rnn",
        "rnn",
        dim=dim,
        dropout=0.0,
        rnn=RNNConfig(hidden=hidden, attention_dim=4, window=2, **changes),
    )
    return build_model(config, vocabulary, vocabulary)
