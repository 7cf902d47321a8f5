"""Export a trained run to an inference engine, as a folder that is complete in itself."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from mt.checksums import Checksums
from mt.data.tags import tag_piece
from mt.data.training_text import save_training_text
from mt.decoding.export_folder import EXPORT_FILE, ExportInfo, is_export
from mt.decoding.load import TrainedModel
from mt.decoding.options import SearchOptions
from mt.errors import MTError, UsageError
from mt.exporting import argos, ctranslate2, ctranslate2_support, onnx
from mt.exporting.folders import write_folder
from mt.exporting.readme import readme
from mt.exporting.tags import needed_tag, source_piece
from mt.files import write_text
from mt.optional import require
from mt.run_files import VOCABULARIES
from mt.run_folder import RunFolder

README_FILE = "README.md"
QUANTIZATIONS = {
    "ctranslate2": ctranslate2.QUANTIZATIONS,
    "onnx": onnx.QUANTIZATIONS,
    "argos": ctranslate2.QUANTIZATIONS,
}
# Format -> library, and the extra that installs it.
LIBRARIES = {
    "ctranslate2": ("ctranslate2", "ctranslate2"),
    "onnx": ("onnxruntime", "onnx"),
    "argos": ("ctranslate2", "ctranslate2"),
}


def default_path(run: TrainedModel, backend: str, quantization: str) -> Path:
    """Return the folder of an export inside its run; the file of a package of Argos Translate."""
    if backend == "argos":
        return run.folder.exports / f"{argos.package_name(run)}.argosmodel"
    return run.folder.exports / ("hub" if backend == "hub" else f"{backend}-{quantization}")


def check_quantization(backend: str, quantization: str) -> None:
    """Raise UsageError if a backend does not support a quantization."""
    types = QUANTIZATIONS[backend]
    if quantization not in types:
        raise UsageError(
            f"--quantization must be one of {', '.join(types)} for {backend}, got {quantization}"
        )


def export_run(folder: Path, run: TrainedModel, backend: str, quantization: str) -> None:
    """Export `run` to `folder`, or to a file for "argos".

    Raises UsageError if the backend does not support the quantization or the model, MTError if a
    library is missing or the folder cannot be written.
    """
    check_quantization(backend, quantization)
    version = library_version(backend)
    if backend == "onnx":
        info = ExportInfo(backend, quantization, 0, version, weights=run.checksum)
        _write_folder(folder, run, info, lambda f: onnx.write_graphs(f, run.model, quantization))
        return
    longest = ctranslate2_positions(run)
    if backend == "argos":
        argos.write_package(folder, run, quantization, longest and max(longest, argos.MAX_TOKENS))
        return
    _write_folder(
        folder,
        run,
        ExportInfo(backend, quantization, longest, version, weights=run.checksum),
        lambda f: ctranslate2.write_model(
            f, run.model, run.config.model, run.tokenizer, quantization, longest
        ),
    )


def ctranslate2_positions(run: TrainedModel) -> int:
    """Return the maximum length in tokens of a run in CTranslate2; 0: unlimited.

    Raises UsageError if CTranslate2 does not support the run.
    """
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
    return ctranslate2.max_positions(model, max_output)


def library_version(backend: str) -> str:
    """Return name and version of the library of a backend; raise MTError if it is missing."""
    library = require(*LIBRARIES[backend])
    return f"{library.__name__} {library.__version__}"


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
        write_text(part / README_FILE, _readme(run, info))
        write_text(part / EXPORT_FILE, json.dumps(asdict(info), indent=1) + "\n")
        Checksums(part).add_all()

    refuse_other_run(folder, run)
    write_folder(folder, write, EXPORT_FILE)


def refuse_other_run(folder: Path, run: TrainedModel) -> None:
    """Raise UsageError if a folder is the export of a run of another name."""
    if not is_export(folder):
        return
    name = run.config.name
    with contextlib.suppress(MTError):  # of a damaged export, which is replaced
        name = RunFolder(folder).read_config().name
    if name != run.config.name:
        raise UsageError(
            f"{folder} is an export of another run ({name}): delete it, or give another folder "
            "with --out"
        )


def _readme(run: TrainedModel, info: ExportInfo) -> str:
    """Return how to use an export without mt."""
    tokenizer, languages = run.tokenizer, run.tokenizer.languages
    source_start = target_start = ""
    if languages:
        source_start, target_start = map(tag_piece, (languages.source, languages.target))
    elif tag := needed_tag(run):
        source_start = source_piece(tokenizer, tag)
    names = tokenizer.files()
    models = [name for name in names if name.endswith(".model")]
    vocabularies = [name for name in names if name in chain(*VOCABULARIES)]
    data = run.config.data
    name, unicode = run.folder.path.resolve().name, data.clean.unicode
    return readme(
        info,
        name,
        data.languages(),
        models,
        unicode,
        source_start,
        target_start,
        vocabularies,
        [source_piece(tokenizer, tag) for tag in tokenizer.tags],
    )
