"""Construction of models: the tables of encoders and decoders."""

from __future__ import annotations

from torch import Tensor, nn

from mt.config.schema import ModelConfig
from mt.models.recurrent.bahdanau import BahdanauDecoder
from mt.models.recurrent.encoder import RNNEncoder
from mt.models.recurrent.luong import LuongDecoder
from mt.models.seq2seq import Seq2Seq
from mt.models.transformer.encoder_decoder import TransformerDecoder, TransformerEncoder

ENCODERS = {"transformer": TransformerEncoder, "rnn": RNNEncoder}
DECODERS = {
    "transformer": lambda config, encoder: TransformerDecoder(config, encoder.dim),
    "rnn": lambda config, encoder: PLACEMENTS[config.rnn.placement](
        config, encoder.dim, encoder.summary_dim
    ),
}
PLACEMENTS: dict[str, type[BahdanauDecoder | LuongDecoder]] = {
    "bahdanau": BahdanauDecoder,
    "luong": LuongDecoder,
}


class Embedding(nn.Embedding):
    """Token embeddings drawn from N(0, 1 / dim) and multiplied by sqrt(dim), to unit variance.

    The small weights suit the output layer, which may share them (Press and Wolf 2017; Vaswani et
    al. 2017, section 3.4).
    """

    def __init__(self, vocab_size: int, dim: int) -> None:
        super().__init__(vocab_size, dim)
        nn.init.normal_(self.weight, std=dim**-0.5)

    def forward(self, ids: Tensor) -> Tensor:
        return super().forward(ids) * self.embedding_dim**0.5


def build_model(config: ModelConfig, source_vocab: int, target_vocab: int) -> Seq2Seq:
    """Build the encoder-decoder that `config` describes, with newly initialised weights.

    `source_vocab` and `target_vocab` are vocabulary sizes in pieces.
    """
    source_embedding = Embedding(source_vocab, config.dim)
    target_embedding = (
        source_embedding if config.tie_embeddings == "all" else Embedding(target_vocab, config.dim)
    )
    encoder = ENCODERS[config.encoder](config)
    decoder = DECODERS[config.decoder](config, encoder)
    output = nn.Linear(decoder.dim, target_vocab)
    nn.init.zeros_(output.bias)
    if config.tie_embeddings in ("all", "target"):
        output.weight = target_embedding.weight
    else:
        nn.init.normal_(output.weight, std=config.dim**-0.5)
    return Seq2Seq(source_embedding, target_embedding, encoder, decoder, output)
