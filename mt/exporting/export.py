"""Export a trained run to an inference engine, as a folder that is complete in itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from mt.checksums import Checksums
from mt.data.training_text import save_training_text
from mt.decoding.export_folder import EXPORT_FILE, ExportInfo
from mt.decoding.load import TrainedModel
from mt.decoding.options import SearchOptions
from mt.errors import UsageError
from mt.exporting import ctranslate2, ctranslate2_support, onnx
from mt.exporting.folders import write_folder
from mt.files import write_text
from mt.optional import require
from mt.run_folder import RunFolder

QUANTIZATIONS = {"ctranslate2": ctranslate2.QUANTIZATIONS, "onnx": onnx.QUANTIZATIONS}
LIBRARIES = {"ctranslate2": "ctranslate2", "onnx": "onnxruntime"}


def default_folder(run: RunFolder, backend: str, quantization: str) -> Path:
    """Return the folder of an export inside its run."""
    name = backend if backend == "hub" else f"{backend}-{quantization}"
    return run.exports / name


def export_run(folder: Path, run: TrainedModel, backend: str, quantization: str) -> None:
    """Export `run` to `folder`.

    Raises UsageError if the backend does not support the quantization or the model, MTError if a
    library is missing or the folder cannot be written.
    """
    types = QUANTIZATIONS[backend]
    if quantization not in types:
        raise UsageError(
            f"--quantization must be one of {', '.join(types)} for {backend}, got {quantization}"
        )
    library = require(LIBRARIES[backend], backend)
    version = f"{library.__name__} {library.__version__}"
    if backend == "onnx":
        info = ExportInfo(backend, quantization, 0, version)
        _write_folder(folder, run, info, lambda f: onnx.write_graphs(f, run.model, quantization))
        return
    model = run.config.model
    unsupported = ctranslate2_support.obstacles(model)
    if not unsupported:
        unknown = ctranslate2_support.unknown_weights(run.model)
        unsupported = [f"the weights {name}" for name in unknown]
    if unsupported:
        raise UsageError(
            f"CTranslate2 does not support {run.folder}: {'; '.join(unsupported)}; "
            "--to onnx supports every model"
        )
    options = SearchOptions()
    max_output = int((run.config.data.max_pieces + 1) * options.max_ratio) + options.max_extra
    longest = ctranslate2.max_positions(model, max_output)
    _write_folder(
        folder,
        run,
        ExportInfo(backend, quantization, longest, version),
        lambda f: ctranslate2.write_model(
            f, run.model, model, run.tokenizer, quantization, longest
        ),
    )


def _write_folder(
    folder: Path, run: TrainedModel, info: ExportInfo, write_model: Callable[[Path], None]
) -> None:
    """Write an export folder; `write_model` writes the engine's own files into it."""

    def write(part: Path) -> None:
        write_model(part)
        shutil.copyfile(run.folder.config, RunFolder(part).config)
        run.tokenizer.save(part)
        if run.text:
            save_training_text(RunFolder(part), run.text)
        write_text(part / EXPORT_FILE, json.dumps(asdict(info), indent=1) + "\n")
        Checksums(part).add_all()

    write_folder(folder, write, EXPORT_FILE)
