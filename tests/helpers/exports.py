"""Small untrained runs to export. Their models end sentences and never prefer special tokens."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import torch

from helpers.small_transformers import tiny
from mt.config.schema import Config, ModelConfig, TokenizerConfig
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_training import train_sentencepiece
from mt.data.training_text import TrainingText, save_training_text
from mt.data.vocabulary import BOS, EOS, PAD, UNK
from mt.decoding.load import TrainedModel, load_run
from mt.exporting.export import export_run
from mt.models.build import build_model
from mt.models.seq2seq import Seq2Seq
from mt.models.weights import model_tensors
from mt.run_folder import RunFolder
from mt.tensor_files import write_tensors

MAX_PIECES = 40


def lively(config: ModelConfig, vocab: int, seed: int = 0) -> Seq2Seq:
    """Build a model with random norms and biases, whose outputs depend on the whole prefix."""
    torch.manual_seed(seed)
    model = build_model(config, vocab, vocab).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
        model.output.weight.mul_(3)
        model.output.bias[[PAD, UNK, BOS]] = -30
        model.output.bias[EOS] += 3
    return model


def save_lively_run(
    folder: Path, tokenizer: Tokenizer, model_config: ModelConfig, seed: int = 0
) -> TrainedModel:
    """Save a run with a lively model and load it."""
    config = Config()
    config.name, config.data.max_pieces, config.model = "lively", MAX_PIECES, model_config
    folder.mkdir(parents=True)
    RunFolder.at(folder).write_config(config)
    write_tensors(
        RunFolder.at(folder).model,
        model_tensors(lively(model_config, tokenizer.vocab_size(), seed)),
        {},
    )
    tokenizer.save(folder)
    return load_run(folder, torch.device("cpu"))


TAGS = ["<2de>", "<2en>"]


def save_tagged_run(folder: Path, config: ModelConfig | None = None) -> TrainedModel:
    """Save a run of both directions, all of whose training text had one of two tags."""
    content = train_sentencepiece(texts(300, 0), TokenizerConfig(vocab_size=280), tags=TAGS)
    # With this seed, the tag changes the translation.
    run = save_lively_run(folder, Tokenizer(content), config or tiny(norm="pre"), seed=8)
    data = run.config.data
    data.src_lang, data.tgt_lang, data.both_directions = "en", "de", True
    run.folder.write_config(run.config)
    part = TrainingText(several_sentences=1.0, length_ratio=1.0)
    save_training_text(run.folder, replace(part, tags=dict.fromkeys(TAGS, part)))
    return load_run(folder, torch.device("cpu"))


def write_export(run: TrainedModel, backend: str, quantization: str, folder: Path) -> Path:
    """Export a run and return the folder."""
    export_run(folder, run, backend, quantization)
    return folder


def texts(count: int, seed: int) -> list[str]:
    """Return random lines of 1 to 15 words and letters."""
    choose = random.Random(seed)
    return [
        " ".join(
            choose.choices(
                ["the", "cat", "under", "x", "red", "tree", "ö", "no", "b"], k=choose.randint(1, 15)
            )
        )
        for _ in range(count)
    ]
