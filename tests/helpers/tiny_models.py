"""Small untrained models and run directories."""

from __future__ import annotations

import random
from pathlib import Path

import torch

from mt.config.schema import Config, ModelConfig, RNNConfig, TransformerConfig
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import EOS
from mt.models.build import build_model
from mt.models.seq2seq import Seq2Seq
from mt.models.weights import model_tensors
from mt.run_folder import RunFolder

WORDS = "the a cat dog house tree sees under is red green and or not . , ?".split()


def sentences(count: int, seed: int = 0) -> list[str]:
    choose = random.Random(seed)
    return [" ".join(choose.choices(WORDS, k=choose.randint(1, 20))) for _ in range(count)]


def tiny_config(encoder: str, decoder: str) -> ModelConfig:
    return ModelConfig(
        encoder=encoder,
        decoder=decoder,
        dim=16,
        tie_embeddings="none",
        transformer=TransformerConfig(encoder_layers=1, decoder_layers=2, heads=2, ff_dim=32),
        rnn=RNNConfig(hidden=16, attention_dim=16),
    )


def tiny_model(
    vocab: int, encoder: str = "transformer", decoder: str = "transformer", seed: int = 0
) -> Seq2Seq:
    torch.manual_seed(seed)
    return build_model(tiny_config(encoder, decoder), vocab, vocab).eval()


def liven(model: Seq2Seq) -> Seq2Seq:
    """Make outputs depend on source and history, and end.

    Otherwise an untrained model repeats its last token for ever.
    """
    with torch.no_grad():
        model.output.weight = torch.nn.Parameter(torch.randn_like(model.output.weight))
        model.output.bias[EOS] += 4
    return model


def save_run(
    folder: Path,
    tokenizer: Tokenizer,
    seed: int = 0,
    encoder: str = "transformer",
    max_pieces: int = 40,
) -> Path:
    config = Config()
    config.name, config.data.max_pieces, config.data.cache = "tiny", max_pieces, "cache"
    config.model = tiny_config(encoder, "transformer")
    model = liven(tiny_model(tokenizer.vocab_size(), encoder, seed=seed))
    folder.mkdir()
    RunFolder.at(folder).write_config(config)
    run = RunFolder.at(folder)
    run.write_tensors(run.model, model_tensors(model), {})
    with run.checksums.update(*(folder / name for name in tokenizer.files())):
        tokenizer.save(folder)
    return folder
