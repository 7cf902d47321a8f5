"""Import of a pretrained model: from a folder of the hub to a run directory."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import torch

from mt.checksums import Checksums
from mt.config.checks import check_values
from mt.config.schema import Config
from mt.data.training_text import TrainingText, save_training_text
from mt.errors import MTError
from mt.files import expand_user, new_folder
from mt.importing.hub_folder import HubFolder
from mt.importing.m2m import read_m2m
from mt.importing.marian import read_marian
from mt.importing.pretrained import Pretrained
from mt.models.build import build_model
from mt.models.weights import load_parameters
from mt.run_folder import RunFolder
from mt.version import __version__

# model_type in config.json -> the function that reads such a model
ARCHITECTURES = {"marian": read_marian, "pegasus": read_marian, "m2m_100": read_m2m}


def import_run(folder: HubFolder, out: RunFolder, languages: tuple[str, str]) -> Pretrained:
    """Write the model in a folder as a run directory, and return it.

    `languages` are the codes of source and target if they are not empty. Raises MTError if the
    model is not supported or damaged, or if `out` exists.
    """
    if out.path.exists() and (not out.path.is_dir() or any(out.path.iterdir())):
        raise MTError(f"{out} exists: give another folder with --out, or remove it")
    if RunFolder(folder.path).config.exists():
        raise MTError(f"{folder.name} is a run directory: use it as it is, without an import")
    # Without config.json, the function that reads MarianMT lists all that is missing.
    kind = str(folder.read_json("config.json", {"model_type": "marian"}).get("model_type"))
    if kind not in ARCHITECTURES:
        raise MTError(
            f"cannot import {folder.name}: model_type={kind} (only {', '.join(ARCHITECTURES)})"
        )
    model = ARCHITECTURES[kind](folder, languages)
    source, target = model.languages
    model = replace(model, languages=(source or "src", target or "tgt"))
    write_run(out, model, folder)
    return model


def write_run(out: RunFolder, model: Pretrained, folder: HubFolder) -> None:
    """Write the run directory, complete or not at all."""
    config = settings_of(model, out.path.name)
    with torch.device("meta"):
        expected = build_model(config.model, *model.tokenizer.sizes)
    load_parameters(expected, model.tensors, folder.name)  # checks names and shapes
    with new_folder(out.path) as path:
        part = RunFolder(path)
        part.write_config(config)
        part.write_tensors(part.model, model.tensors, {})
        model.tokenizer.save(part.path)
        # These models were trained on pairs of sentences, of unknown lengths.
        save_training_text(part, TrainingText(several_sentences=0.0, length_ratio=0.0))
        part.write_origin({**folder.origin(), "mt": __version__})
        Checksums(part.path).add_all()


def settings_of(model: Pretrained, name: str) -> Config:
    """Return the settings of an imported run: those of the model, and otherwise the defaults."""
    config = Config(name=name)
    config.model = model.model
    data, tokenizer = config.data, config.data.tokenizer
    data.name, (data.src_lang, data.tgt_lang) = name, model.languages
    data.max_pieces = model.max_pieces
    tokenizer.vocab_size = tokenizer.max_vocab_size = model.tokenizer.vocab_size()
    tokenizer.type, tokenizer.joint = model.tokenizer.kind, model.tokenizer.joint
    check_values(config)
    return config


def default_out(name: str) -> Path:
    """Return runs/NAME for a model of that name, or in a folder of that name, such as "."."""
    return Path("runs") / Path(os.path.abspath(expand_user(name))).name
