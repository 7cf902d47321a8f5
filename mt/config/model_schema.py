"""Settings of encoder and decoder."""

from __future__ import annotations

from dataclasses import dataclass

from mt.config.setting import group, setting

# Position encodings that do not change attention scores, and all of them.
ADDED_POSITION_NAMES = ("none", "sinusoidal", "fairseq", "learned")
POSITION_NAMES = (*ADDED_POSITION_NAMES, "shaw", "t5", "alibi", "rope")
PATTERN_NAMES = ("full", "window", "strided", "multiscale", "adaptive_span", "linear")

SCORE_NAMES = (
    "additive",
    "concat",
    "dot",
    "scaled_dot",
    "general",
    "scaled_general",
    "location",
    "none",
)
MULTI_HEAD_SCORES = ("additive", "concat", "dot", "scaled_dot")


@dataclass
class TransformerConfig:
    """Transformer encoder and decoder (Vaswani et al. 2017)."""

    encoder_layers: int = setting(3, "number of encoder layers", minimum=1, maximum=1000, auto=True)
    decoder_layers: int = setting(3, "number of decoder layers", minimum=1, maximum=1000, auto=True)
    heads: int = setting(
        4,
        "number of attention heads; must divide model.dim",
        minimum=1,
        maximum=1_000_000,
        auto=True,
    )
    ff_dim: int = setting(
        1024,
        "inner dimension of the feed-forward sublayers",
        minimum=1,
        maximum=1_000_000,
        auto=True,
    )
    kv_heads: int = setting(
        0,
        "number of key and value heads; 0: same as heads; 1: multi-query attention; another "
        "divisor of heads: grouped-query attention",
        maximum=1_000_000,
    )
    position: str = setting(
        "sinusoidal",
        "position encoding of encoder and decoder; fairseq: sinusoids as in fairseq, M2M-100 and "
        "NLLB-200",
        choices=POSITION_NAMES,
    )
    encoder_position: str = setting(
        "", "position encoding of the encoder; empty: position", choices=("", *POSITION_NAMES)
    )
    decoder_position: str = setting(
        "", "position encoding of the decoder; empty: position", choices=("", *POSITION_NAMES)
    )
    pattern: str = setting(
        "full", "self-attention pattern of encoder and decoder", choices=PATTERN_NAMES
    )
    encoder_pattern: str = setting(
        "", "self-attention pattern of the encoder; empty: pattern", choices=("", *PATTERN_NAMES)
    )
    decoder_pattern: str = setting(
        "", "self-attention pattern of the decoder; empty: pattern", choices=("", *PATTERN_NAMES)
    )
    window: int = setting(
        16,
        "(patterns window, multiscale and adaptive_span only) number of pieces that a query sees "
        "on each side; multiscale: in the widest head; adaptive_span: at most",
        minimum=1,
        maximum=1_000_000,
    )
    stride: int = setting(
        8,
        "(pattern strided only) N: half of the heads see N pieces on each side, the others every "
        "Nth piece",
        minimum=2,
        maximum=1_000_000,
    )
    span_cost: float = setting(
        1e-3,
        "(pattern adaptive_span only) weight of the mean span, in pieces, in the loss per target "
        "token",
        maximum=1000,
    )
    select: str = setting(
        "softmax",
        "normalisation of attention scores (unused by pattern linear)",
        choices=("softmax", "sparsemax", "entmax15"),
    )
    softcap: float = setting(
        0.0,
        "soft cap c of the query-key products s (also those of position shaw): c tanh(s / c); "
        "0: no cap",
    )
    qk_norm: bool = setting(False, "normalise the queries and keys of each head in self-attention")
    norm: str = setting(
        "pre",
        "placement of the norm in a sublayer (see mt/models/transformer/sublayers.py)",
        choices=("pre", "post", "sandwich", "deepnorm"),
    )
    norm_kind: str = setting(
        "layer", "type of norm; layer: LayerNorm; rms: RMSNorm", choices=("layer", "rms")
    )
    activation: str = setting(
        "relu",
        "feed-forward activation; swish: x sigmoid(x); swiglu is gated, with inner dimension 2/3 "
        "ff_dim",
        choices=("relu", "gelu", "swish", "swiglu"),
    )
    recompute: bool = setting(
        False,
        "activation checkpointing: recompute activations in the backward pass, which saves memory "
        "but takes time",
        resumable=True,
    )
    attention_dropout: float = setting(0.0, "dropout of attention weights", below=1)
    activation_dropout: float = setting(0.0, "dropout after the feed-forward activation", below=1)


@dataclass
class RNNConfig:
    """Recurrent encoder and decoder (Bahdanau et al. 2014; Luong et al. 2015).

    Attention combines a score function, a scope and a selection.
    """

    cell: str = setting("gru", "recurrent cell", choices=("gru", "lstm"))
    encoder_layers: int = setting(1, "number of encoder layers", minimum=1, maximum=1000, auto=True)
    hidden: int = setting(
        512,
        "hidden size of the decoder and of each direction of the encoder",
        minimum=1,
        maximum=1_000_000,
        auto=True,
    )
    bidirectional: bool = setting(True, "bidirectional encoder; false: left to right")
    reverse_source: bool = setting(
        False,
        "(bidirectional=false only) read the source from right to left (Sutskever et al. 2014)",
    )
    placement: str = setting(
        "bahdanau",
        "bahdanau: the previous state is the query, the context is an input of the recurrence; "
        "luong: the current state is the query, the context is combined with it for the output",
        choices=("bahdanau", "luong"),
    )
    input_feeding: bool = setting(
        True,
        "(placement luong only) feed the attentional vector of each step to the next (Luong et "
        "al. 2015)",
    )
    attention: str = setting(
        "additive",
        "attention score of a query and an encoder state; scaled_...: divided by the square root "
        "of the width; none: no attention, the source only sets the initial state",
        choices=SCORE_NAMES,
    )
    attention_dim: int = setting(
        512,
        "dimension of the additive and concat scores; with several heads, of queries and keys",
        minimum=1,
        maximum=1_000_000,
        auto=True,
    )
    attention_heads: int = setting(
        1,
        f"number of attention heads; values above 1 need one of {', '.join(MULTI_HEAD_SCORES)}",
        minimum=1,
        maximum=1_000_000,
    )
    longest_source: int = setting(
        257,
        "(attention location only) maximum source length in pieces, end of sentence included; "
        "must be >= data.max_pieces + 1",
        minimum=1,
        maximum=1_000_000,
    )
    scope: str = setting(
        "global",
        "source positions that a query sees: all, a window around step t (local_m), or a window "
        "around a predicted position (local_p)",
        choices=("global", "local_m", "local_p"),
    )
    window: int = setting(
        10,
        "(scopes local_m and local_p only) number of pieces on each side of the window's centre",
        minimum=1,
        maximum=1_000_000,
    )
    select: str = setting(
        "softmax",
        "normalisation of attention scores; hard: a single position, sampled in training",
        choices=("softmax", "sparsemax", "entmax15", "hard"),
    )
    hard_estimator: str = setting(
        "reinforce",
        "(hard only) gradient estimator; gumbel: straight-through Gumbel-softmax",
        choices=("reinforce", "gumbel"),
    )
    hard_entropy: float = setting(
        0.1,
        "(hard, REINFORCE only) weight of the entropy bonus, against premature convergence",
        maximum=1000,
    )
    hard_temperature: float = setting(
        1.0,
        "(hard, Gumbel only) temperature of the softmax in the backward pass",
        minimum=1e-3,
        maximum=1000,
    )
    coverage: bool = setting(
        False, "add the accumulated attention weight of each source position to its key"
    )
    coverage_loss: float = setting(
        0.0,
        "(coverage only) weight of the coverage loss, which penalises repeated attention (See et "
        "al. 2017 use 1)",
        maximum=1000,
    )
    readout: str = setting(
        "maxout",
        "(placement bahdanau only) output layer that combines state, previous word and context",
        choices=("maxout", "plain"),
    )


@dataclass
class ModelConfig:
    """Encoder and decoder, each a Transformer or an RNN."""

    encoder: str = setting("transformer", "encoder family", choices=("transformer", "rnn"))
    decoder: str = setting("transformer", "decoder family", choices=("transformer", "rnn"))
    dim: int = setting(
        256,
        "dimension of embeddings and of Transformer layers; must be even",
        minimum=1,
        maximum=1_000_000,
        auto=True,
    )
    dropout: float = setting(
        0.1, "dropout of embeddings and of sublayer outputs", below=1, auto=True
    )
    tie_embeddings: str = setting(
        "all",
        "weight tying; all: source, target and output embeddings (needs a joint vocabulary); "
        "target: target and output",
        choices=("all", "target", "none"),
    )
    transformer: TransformerConfig = group(
        TransformerConfig, "(Transformer only) settings of Transformer encoders and decoders"
    )
    rnn: RNNConfig = group(RNNConfig, "(RNN only) settings of recurrent encoders and decoders")
