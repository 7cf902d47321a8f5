"""From a folder to a translator: read a run directory, or what mt-export made of one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mt.config.schema import Config
from mt.data.tokenizer import Tokenizer
from mt.decoding.engines.engine import Engine
from mt.decoding.export_folder import find_export, read_export, resolve_backend
from mt.decoding.translator import Translator
from mt.device import pick_device, resolve_precision
from mt.errors import MTError, UsageError
from mt.models.build import build_model
from mt.models.packed import can_pack, pack
from mt.models.seq2seq import Seq2Seq
from mt.models.weights import load_parameters
from mt.run_folder import RunFolder, read_tensors


@dataclass
class TrainedModel:
    """A trained model with all that is needed to use it."""

    model: Seq2Seq  # in evaluation mode
    tokenizer: Tokenizer
    config: Config
    folder: RunFolder
    facts: dict[str, Any]  # step, epoch, minutes and validation scores of the saved weights


def load_run(path: str | os.PathLike[str], device: torch.device) -> TrainedModel:
    """Read a run directory. Raises MTError, saying what to do, for whatever is missing, damaged, foreign or too new."""
    folder = RunFolder.at(path)
    config = folder.read_config()
    if not folder.model.is_file():
        raise MTError(
            f"{folder} has no {folder.model.name} yet: it is written at the first validation; start the same mt-train command again"
        )
    tensors, facts = read_tensors(folder.model)
    tokenizer = Tokenizer.load(folder.path)
    model = build_model(config.model, tokenizer.vocab_size("src"), tokenizer.vocab_size("tgt"))
    load_parameters(model, tensors, folder.model)
    return TrainedModel(model.to(device).eval(), tokenizer, config, folder, facts)


def build_translator(runs: Sequence[TrainedModel], **settings: Any) -> Translator:
    """A Translator of one run, or an ensemble of several with the same vocabulary; `settings` as above."""
    if not runs:
        raise UsageError("no run directory given")
    first = runs[0]
    for other in runs[1:]:
        if other.tokenizer.serialized() != first.tokenizer.serialized():
            raise MTError(
                f"{first.folder} and {other.folder} have different vocabularies: an ensemble needs runs with the same tokenizer"
            )
        if other.config.data.clean.unicode != first.config.data.clean.unicode:
            raise MTError(
                f"{first.folder} and {other.folder} differ in data.clean.unicode: they need different input"
            )
    max_pieces = min(run.config.data.max_pieces for run in runs)
    return Translator(
        [run.model for run in runs],
        first.tokenizer,
        max_pieces=max_pieces,
        unicode=first.config.data.clean.unicode,
        **settings,
    )


def load(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    device: str = "auto",
    precision: str = "auto",
    backend: str = "auto",
    workers: int = 1,
    **settings: Any,
) -> Translator:
    """A Translator from a run directory, or from several with the same vocabulary as an ensemble; or from what mt-export made of one.

    `device`: auto, cpu, cuda, mps; `precision`: auto, fp32, bf16; `backend`: auto, pytorch,
    ctranslate2, onnx; `workers`: processes in which pytorch searches side by side on a CPU, forked
    from this one (0: one for each thread); `settings`: batch_tokens, options, warn of Translator.
    Raises MTError where a run directory is missing or damaged.
    """
    folders = [
        Path(path).expanduser()
        for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)
    ]
    if (backend := resolve_backend(folders, backend)) != "pytorch":
        return load_export(folders, backend, device, precision, **settings)
    place = pick_device(device)
    runs = [load_run(folder, place) for folder in folders]
    if can_pack(place):
        for run in runs:
            pack(
                run.model,
                torch.bfloat16 if resolve_precision(place, precision) == "bf16" else torch.float32,
            )
    return build_translator(runs, precision=precision, workers=workers, **settings)


def load_export(
    paths: Sequence[Path], backend: str, device: str, precision: str, **settings: Any
) -> Translator:
    """A Translator over an exported model: `paths` holds one export folder, or one run with one export for this backend.

    `device`, `precision` and `settings` as of `mt.decoding.load.load`. UsageError for what this
    backend cannot do; MTError where the folder is damaged or a library is missing.
    """
    if len(paths) != 1:
        raise UsageError(
            f"the backend {backend} runs one model: leave out --ensemble, or use --backend pytorch"
        )
    folder = find_export(paths[0], backend)
    config, tokenizer, export = (
        RunFolder(folder).read_config(),
        Tokenizer.load(folder),
        read_export(folder),
    )
    # Each library is imported by those who use it.
    engine: Engine
    if backend == "onnx":
        from mt.decoding.engines.onnx import OnnxEngine

        engine = OnnxEngine(folder, device, precision)
    else:
        from mt.decoding.engines.ctranslate2 import CTranslate2Engine

        engine = CTranslate2Engine(folder, tokenizer, export.longest, device, precision)
    return Translator(
        [],
        tokenizer,
        max_pieces=config.data.max_pieces,
        unicode=config.data.clean.unicode,
        engine=engine,
        **settings,
    )
