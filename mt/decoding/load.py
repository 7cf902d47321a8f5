"""Loading translators from run directories and from export folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mt.checksums import file_checksum
from mt.config.schema import Config
from mt.data.normalisation import Normaliser
from mt.data.tokenizer import Tokenizer
from mt.data.training_text import TrainingText, load_training_text
from mt.decoding.arguments import check_integer, describe
from mt.decoding.engines.engine import Engine
from mt.decoding.export_folder import (
    BACKENDS,
    check_export,
    find_export,
    is_export,
    read_export,
    resolve_backend,
)
from mt.decoding.options import BATCH_TOKENS, SearchOptions
from mt.decoding.text_settings import TextRules, in_languages
from mt.decoding.translator import Translator
from mt.device import pick_device, resolve_precision
from mt.errors import MTError, UsageError
from mt.files import expand_user
from mt.models.build import build_model
from mt.models.packed import can_pack, pack
from mt.models.seq2seq import Seq2Seq
from mt.models.weights import load_parameters
from mt.run_folder import RunFolder


@dataclass
class TrainedModel:
    """A trained model with everything needed to use it."""

    model: Seq2Seq  # in evaluation mode
    tokenizer: Tokenizer
    config: Config
    folder: RunFolder
    facts: dict[str, Any]  # step, epoch, minutes and validation scores of the saved weights
    text: TrainingText | None = None  # None: the run is from an earlier version
    checksum: str = ""  # of the file of the weights; "": unknown


def load_run(path: str | os.PathLike[str], device: torch.device) -> TrainedModel:
    """Load a run directory.

    Raises MTError, with a remedy, if files are missing, damaged, not from mt, or too new.
    """
    folder = RunFolder.at(path)
    config = folder.read_config()
    if is_export(folder.path):
        raise UsageError(f"{folder} is an export: give the run that it was made of")
    if not folder.model.is_file():
        raise MTError(
            f"{folder} has no {folder.model.name}, which is written at the first validation: "
            "start the same mt-train command again, which also restores a lost one from last/"
        )
    # Before the weights: if a training replaces them in between, it belongs to none, not to others.
    checksum = file_checksum(folder.model) or ""
    tensors, facts = folder.read_tensors(folder.model)
    tokenizer = Tokenizer.load(folder.path)
    model = build_model(config.model, tokenizer.vocab_size("src"), tokenizer.vocab_size("tgt"))
    load_parameters(model, tensors, folder.model)
    text = load_training_text(folder)
    return TrainedModel(model.to(device).eval(), tokenizer, config, folder, facts, text, checksum)


def build_translator(
    runs: Sequence[TrainedModel],
    split_sentences: bool | None = None,
    tag: str | None = None,
    src_lang: str = "",
    tgt_lang: str = "",
    **settings: Any,
) -> Translator:
    """Build a Translator from one run, or from several as an ensemble.

    `split_sentences`, `tag`, `src_lang` and `tgt_lang` are explained at `load`, `settings` are
    passed to Translator. Raises MTError if the runs of an ensemble differ in their vocabularies or
    in the normalisation of text.
    """
    if not runs:
        raise UsageError("no run directory given")
    first = runs[0]
    normaliser = Normaliser.from_config(first.config.data.clean)
    config, tokenizer = in_languages(first.config, first.tokenizer, src_lang, tgt_lang)
    for other in runs[1:]:
        _, others = in_languages(other.config, other.tokenizer, src_lang, tgt_lang)
        if others.serialized() != tokenizer.serialized():
            advice = "; src_lang and tgt_lang choose its languages" if others.languages else ""
            raise MTError(
                f"{first.folder} and {other.folder} have different vocabularies: an ensemble needs "
                f"runs with the same tokenizer{advice}"
            )
        if Normaliser.from_config(other.config.data.clean) != normaliser:
            raise MTError(
                f"{first.folder} and {other.folder} differ in data.clean.unicode or "
                "data.clean.unescape: an ensemble needs runs that normalise text in the same way"
            )
    return Translator(
        [run.model for run in runs],
        tokenizer,
        max_pieces=min(run.config.data.max_pieces for run in runs),
        normaliser=normaliser,
        text_rules=TextRules(config, tokenizer, [run.text for run in runs], split_sentences),
        tag=tag,
        **settings,
    )


def load(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    device: str = "auto",
    precision: str = "auto",
    backend: str = "auto",
    workers: int = 1,
    batch_tokens: int = BATCH_TOKENS,
    options: SearchOptions | None = None,
    warn: Callable[[str], None] | None = None,
    split_sentences: bool | None = None,
    tag: str | None = None,
    src_lang: str = "",
    tgt_lang: str = "",
) -> Translator:
    """Load a Translator from a run directory, from several as an ensemble, or from an export.

    Args:
        paths: run directories with the same vocabulary, or one export folder.
        device: auto, cpu, cuda or mps.
        precision: auto, fp32 or bf16.
        backend: auto, pytorch, ctranslate2 or onnx.
        workers: processes, forked from this one, in which the pytorch backend searches on a CPU;
            0: one per thread.
        batch_tokens: maximum number of source tokens in a batch, each hypothesis counted.
        options: defaults of the search options.
        warn: function that receives warnings of one line (default: print to standard error).
        split_sentences: whether to translate the sentences of a line one by one and join them;
            None: if the training text had one sentence a line.
        tag: tag in front of every source, "" for none; None: none if the model was trained on text
            without a tag, else the only tag of its training text, else an error.
        src_lang: source language of a multilingual model; "": that of the run.
        tgt_lang: target language.

    Raises MTError if a run directory is missing or damaged, UsageError for wrong arguments.
    """
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    for path in paths if isinstance(paths, Sequence) else [paths]:
        if not isinstance(path, str | os.PathLike):
            raise UsageError(f"paths must be run directories, got {describe(path)}")
    if precision not in ("auto", "fp32", "bf16"):
        raise UsageError(f"precision must be auto, fp32 or bf16, got {precision!r}")
    if backend not in ("auto", "pytorch", *BACKENDS):
        raise UsageError(f"backend must be auto, pytorch, {' or '.join(BACKENDS)}, got {backend!r}")
    if options is not None and not isinstance(options, SearchOptions):
        raise UsageError(f"options must be a SearchOptions, got {describe(options)}")
    if not isinstance(split_sentences, bool | None):
        raise UsageError(
            f"split_sentences must be True, False or None, got {describe(split_sentences)}"
        )
    settings: dict[str, Any] = {
        "split_sentences": split_sentences,
        "tag": tag,
        "src_lang": src_lang,
        "tgt_lang": tgt_lang,
        "batch_tokens": batch_tokens,
        "options": options,
        "warn": warn,
    }
    folders = [expand_user(path) for path in paths]
    check_integer("workers", workers, 0)
    if (backend := resolve_backend(folders, backend)) != "pytorch":
        if workers > 1:
            raise UsageError(f"the backend {backend} has no workers: leave out workers={workers}")
        return load_export(folders, backend, device, precision, **settings)
    torch_device = pick_device(device)
    runs = [load_run(folder, torch_device) for folder in folders]
    if can_pack(torch_device):
        is_bf16 = resolve_precision(torch_device, precision) == "bf16"
        for run in runs:
            pack(run.model, torch.bfloat16 if is_bf16 else torch.float32)
    return build_translator(runs, precision=precision, workers=workers, **settings)


def load_export(
    paths: Sequence[Path],
    backend: str,
    device: str,
    precision: str,
    split_sentences: bool | None = None,
    tag: str | None = None,
    src_lang: str = "",
    tgt_lang: str = "",
    **settings: Any,
) -> Translator:
    """Load a Translator from an exported model.

    `paths` must hold one path: an export folder, or a run with one export for this backend. The
    other arguments are those of `load`. Raises UsageError if the backend does not support the
    arguments, MTError if the folder is damaged or a library is missing.
    """
    if len(paths) != 1:
        raise UsageError(
            f"the backend {backend} does not support ensembles: leave out --ensemble, or use "
            "--backend pytorch"
        )
    folder = find_export(paths[0], backend)
    info = read_export(folder)
    check_export(folder)
    text_rules = read_text_rules(RunFolder(folder), split_sentences, src_lang, tgt_lang)
    config, tokenizer = text_rules.config, text_rules.tokenizer
    # The libraries are optional, so each is imported only if it is used.
    engine: Engine
    if backend == "onnx":
        from mt.decoding.engines.onnx import OnnxEngine

        engine = OnnxEngine(folder, device, precision)
    else:
        from mt.decoding.engines.ctranslate2 import CTranslate2Engine

        engine = CTranslate2Engine(folder, tokenizer, info.longest, device, precision)
    return Translator(
        [],
        tokenizer,
        max_pieces=config.data.max_pieces,
        normaliser=Normaliser.from_config(config.data.clean),
        engine=engine,
        text_rules=text_rules,
        tag=tag,
        **settings,
    )


def read_text_rules(
    folder: RunFolder, split_sentences: bool | None, src_lang: str, tgt_lang: str
) -> TextRules:
    """Read what decides the settings of a translator; the arguments are explained at `load`.

    Raises UsageError if the run does not have the languages.
    """
    rules = TextRules(
        folder.read_config(),
        Tokenizer.load(folder.path),
        [load_training_text(folder)],
        split_sentences,
    )
    return rules.in_languages(src_lang, tgt_lang)
