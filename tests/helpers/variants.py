"""A small configuration of every model variant. Tests run all equivalences on each row."""

from __future__ import annotations

import dataclasses

from mt.config.schema import ModelConfig, RNNConfig, TransformerConfig

VOCAB = 40


def tiny(encoder: str, decoder: str, **changes) -> ModelConfig:
    rnn = {"hidden": 12, "attention_dim": 10, "encoder_layers": 2}
    transformer = {"heads": 2, "ff_dim": 24, "encoder_layers": 2, "decoder_layers": 2}
    for key, value in changes.items():
        (rnn if key in ("cell", "readout", "attention") else transformer)[key] = value
    return ModelConfig(
        encoder,
        decoder,
        dim=16,
        dropout=0.1,
        rnn=RNNConfig(**rnn),
        transformer=TransformerConfig(**transformer),
    )


def rnn(**changes) -> ModelConfig:
    return dataclasses.replace(
        tiny("rnn", "rnn"),
        rnn=RNNConfig(**{"hidden": 12, "attention_dim": 10, "window": 2, **changes}),
    )


VARIANTS = {
    "transformer": tiny("transformer", "transformer"),
    "transformer, post-norm, gelu, learned": tiny(
        "transformer", "transformer", norm="post", activation="gelu", position="learned"
    ),
    "transformer, no positions": tiny("transformer", "transformer", position="none"),
    "fairseq": tiny("transformer", "transformer", position="fairseq"),
    "shaw": tiny("transformer", "transformer", position="shaw"),
    "t5": tiny("transformer", "transformer", position="t5"),
    "alibi": tiny("transformer", "transformer", position="alibi"),
    "rope": tiny("transformer", "transformer", position="rope"),
    "sinusoidal to rope": tiny("transformer", "transformer", decoder_position="rope"),
    "multi-query": tiny("transformer", "transformer", kv_heads=1),
    "grouped-query, alibi": tiny(
        "transformer", "transformer", heads=4, kv_heads=2, position="alibi"
    ),
    "window": tiny("transformer", "transformer", pattern="window", window=1),
    "strided, t5": tiny("transformer", "transformer", pattern="strided", stride=2, position="t5"),
    "multi-scale, shaw": tiny(
        "transformer", "transformer", pattern="multiscale", window=2, position="shaw"
    ),
    "adaptive span": tiny("transformer", "transformer", pattern="adaptive_span", window=1),
    "linear": tiny("transformer", "transformer", pattern="linear"),
    "linear to full": tiny(
        "transformer", "transformer", encoder_pattern="linear", decoder_position="rope"
    ),
    "sparsemax": tiny("transformer", "transformer", select="sparsemax"),
    "entmax15": tiny("transformer", "transformer", select="entmax15"),
    "softcap, qk-norm, multi-query": tiny(
        "transformer", "transformer", softcap=2.0, qk_norm=True, kv_heads=1
    ),
    "sandwich, rms, swiglu": tiny(
        "transformer", "transformer", norm="sandwich", norm_kind="rms", activation="swiglu"
    ),
    "deepnorm": tiny("transformer", "transformer", norm="deepnorm"),
    "rnn, gru": tiny("rnn", "rnn"),
    "rnn, lstm, plain": tiny("rnn", "rnn", cell="lstm", readout="plain"),
    "rnn without attention": tiny("rnn", "rnn", attention="none"),
    "rnn, several layers": rnn(encoder_layers=2, bidirectional=False),
    "rnn, reverse source": rnn(bidirectional=False, reverse_source=True),
    "rnn, dot": rnn(attention="dot", bidirectional=False),
    "rnn, scaled dot, lstm": rnn(attention="scaled_dot", bidirectional=False, cell="lstm"),
    "rnn, general": rnn(attention="general"),
    "rnn, scaled general": rnn(attention="scaled_general"),
    "rnn, location": rnn(attention="location"),
    "rnn, multi-head additive": rnn(attention_heads=2),
    "rnn, multi-head dot": rnn(attention="dot", attention_heads=2),
    "rnn, local_m": rnn(scope="local_m", window=1),
    "rnn, local_p": rnn(scope="local_p"),
    "rnn, sparsemax": rnn(select="sparsemax"),
    "rnn, entmax15, local_p, heads": rnn(
        select="entmax15",
        scope="local_p",
        attention="scaled_dot",
        attention_heads=4,
        attention_dim=8,
    ),
    "rnn, hard": rnn(select="hard"),
    "rnn, hard gumbel": rnn(select="hard", hard_estimator="gumbel", hard_temperature=0.5),
    "rnn, coverage": rnn(coverage=True, coverage_loss=1.0),
    "rnn, coverage, multi-head dot": rnn(
        coverage=True, coverage_loss=1.0, attention="scaled_dot", attention_heads=2
    ),
    "luong": rnn(placement="luong", attention="general", bidirectional=False),
    "luong, lstm, concat": rnn(placement="luong", attention="concat", cell="lstm"),
    "luong, no feeding": rnn(placement="luong", attention="general", input_feeding=False),
    "luong, no feeding, lstm, dot": rnn(
        placement="luong", attention="dot", input_feeding=False, cell="lstm", bidirectional=False
    ),
    "luong, no feeding, local_m": rnn(
        placement="luong", attention="general", input_feeding=False, scope="local_m", window=1
    ),
    "luong, no feeding, local_p, heads": rnn(
        placement="luong", input_feeding=False, scope="local_p", attention_heads=2
    ),
    "luong, no feeding, coverage": rnn(
        placement="luong",
        attention="general",
        input_feeding=False,
        coverage=True,
        coverage_loss=1.0,
    ),
    "luong, no feeding, hard": rnn(placement="luong", input_feeding=False, select="hard"),
    "luong, hard, coverage": rnn(
        placement="luong", select="hard", coverage=True, coverage_loss=1.0
    ),
    "luong, no feeding, location": rnn(
        placement="luong", input_feeding=False, attention="location"
    ),
    "luong without attention": rnn(placement="luong", attention="none"),
    "transformer to luong, dot": dataclasses.replace(
        rnn(placement="luong", attention="dot", hidden=16), encoder="transformer"
    ),
    "transformer to rnn": tiny("transformer", "rnn"),
    "rnn to transformer": tiny("rnn", "transformer"),
}
