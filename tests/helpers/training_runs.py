"""Short trainings, and what they leave in their run directories."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from mt.config.compose import load_config
from mt.data.embedded_corpus import Pair, generate
from mt.evaluation.evaluation import Evaluation
from mt.run_folder import RunFolder
from mt.tensor_files import read_tensors
from mt.train import train


def one_layer(dim: int) -> list[str]:
    return [
        "model.transformer.encoder_layers=1", "model.transformer.decoder_layers=1",
        f"model.dim={dim}", f"model.transformer.ff_dim={2 * dim}", f"model.rnn.hidden={dim}",
        f"model.rnn.attention_dim={dim}",
    ]  # fmt: skip


NARROW_MODEL, WIDE_MODEL = one_layer(32), one_layer(128)  # the wide one learns a corpus


@functools.cache
def short_pairs(split: str, count: int, longest: int = 10) -> list[Pair]:
    """Return short pairs of the embedded corpus, of at most `longest` words.

    They are short because untrained models produce outputs of the maximum length.
    """
    drawn = (each for each in generate(split, 10**6) if len(each.source.split()) <= longest)
    return list(itertools.islice(drawn, count))


def write_tiny_run(folder: Path, pairs: int, write: bool = True) -> list[str]:
    """Write sentence pairs to files in a folder and return the overrides of a run on them.

    The run takes seconds. With fewer than 50 pairs, validation and test set are the training text.
    `write=False` only returns the overrides.
    """
    if write:
        training, others = short_pairs("train", pairs), short_pairs("val", 12, 5)
        for split, own in (("train", training), ("val", others[:6]), ("test", others[6:])):
            chosen = training if pairs < 50 else own
            for side, attribute in (("src", "source"), ("tgt", "target")):
                text = "".join(getattr(pair, attribute) + "\n" for pair in chosen)
                (folder / f"{split}.{side}").write_text(text, encoding="utf-8")
    files = [
        f"data.{split}.{side}={folder}/{split}.{side}"
        for split in ("train", "val", "test")
        for side in ("src", "tgt")
    ]
    return [
        "data=files",
        "data.name=tiny",
        "data.src_lang=en",
        "data.tgt_lang=de",
        "data.tokenizer.vocab_size=400",
        *files,
        f"runs_dir={folder}/runs",
        "name=tiny",
        "auto=false",
        "optim=adamw",
        "trainer.batch_tokens=256",
        "trainer.test_beam=1",
        "trainer.max_minutes=0",
        "trainer.threads=1",
        "trainer.device=cpu",
    ]


def run_training(overrides: list[str]) -> Evaluation | None:
    return train(load_config(overrides))


def checkpoint_tensors(folder: Path) -> dict[str, Tensor]:
    return load_file(RunFolder.at(folder).checkpoint)


def checkpoint_state(folder: Path) -> dict[str, Any]:
    return read_tensors(RunFolder.at(folder).checkpoint)[1]


def read_records(folder: Path, kind: str = "") -> list[dict[str, Any]]:
    """Return the metric records of a run, or those of a kind: train or val."""
    records = RunFolder.at(folder).read_metrics()
    return [record for record in records if record["kind"] == kind or not kind]
