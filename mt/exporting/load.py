"""From an export folder to a translator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mt.data.tokenizer import Tokenizer
from mt.decoding.engine import Engine
from mt.decoding.translator import Translator
from mt.errors import UsageError
from mt.exporting.folder import find_export, read_export
from mt.training.checkpoint import load_config


def load_export(paths: Sequence[Path], backend: str, device: str, precision: str, **settings: Any) -> Translator:
    """A Translator over an exported model: `paths` holds one export folder, or one run with one export for this backend.

    `device`, `precision` and `settings` as of `mt.decoding.translator.load`. UsageError for what this backend cannot do; MTError where
    the folder is damaged or a library is missing.
    """
    if len(paths) != 1:
        raise UsageError(f"the backend {backend} runs one model: leave out --ensemble, or use --backend pytorch")
    folder = find_export(paths[0], backend)
    config, tokenizer, export = load_config(folder), Tokenizer.load(folder), read_export(folder)
    # Each library is imported by those who use it.
    engine: Engine
    if backend == "onnx":
        from mt.decoding.onnx_engine import OnnxEngine

        engine = OnnxEngine(folder, device, precision)
    else:
        from mt.decoding.ct2_engine import CTranslate2Engine

        engine = CTranslate2Engine(folder, tokenizer, export.longest, device, precision)
    return Translator([], tokenizer, max_pieces=config.data.max_pieces, unicode=config.data.clean.unicode, engine=engine, **settings)
