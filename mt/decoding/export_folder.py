"""Export folders: models that mt-export wrote for another engine.

A folder contains the run's config.yaml and tokenizer, the engine's own files, and export.json with
its metadata. It is complete in itself and can be moved anywhere. By default it is
RUN/export/BACKEND-QUANTIZATION.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from mt.checksums import Checksums, file_checksum
from mt.errors import MTError, UsageError
from mt.run_folder import RunFolder
from mt.version import __version__

FORMAT_VERSION = 2  # of export.json and the files beside it; newer versions are refused
EXPORT_FILE = "export.json"
EXPORT_AGAIN = "export the run again"
BACKENDS = ("ctranslate2", "onnx")


@dataclass(frozen=True)
class ExportInfo:
    """The content of export.json."""

    backend: str
    quantization: str
    longest: int  # maximum length in tokens of a source or an output; 0: unlimited
    library: str  # name and version of the library that wrote the model
    mt: str = __version__
    format: int = FORMAT_VERSION
    weights: str = ""  # checksum of the weights of the run; "": unknown (format 1)


def read_export(folder: Path) -> ExportInfo:
    """Read export.json. Raises MTError if it cannot be read or its format is too new."""
    path = folder / EXPORT_FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] > FORMAT_VERSION:
            raise MTError(
                f"{path} has format {record['format']}, but this version of mt reads formats up to "
                f"{FORMAT_VERSION}: upgrade mt"
            )
        info = ExportInfo(**record)
        for field in fields(info):
            if type(value := getattr(info, field.name)).__name__ != field.type:
                raise ValueError(f"{field.name} must be {field.type}, got {value!r}")
        if info.backend not in BACKENDS:
            raise ValueError(f"backend must be {' or '.join(BACKENDS)}, got {info.backend!r}")
        return info
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise MTError(f"{path} cannot be read ({error}): {EXPORT_AGAIN}") from error


def check_export(folder: Path) -> None:
    """Raise MTError if a file of an export folder was damaged or replaced."""
    Checksums(folder).check_all(EXPORT_AGAIN)


def is_export(folder: Path) -> bool:
    """Return True if the folder was written by mt-export."""
    return (folder / EXPORT_FILE).is_file()


def resolve_backend(folders: Sequence[Path], backend: str) -> str:
    """Return `backend`; for "auto" the backend of the export folder, or "pytorch" for a run."""
    if backend != "auto":
        return backend
    return read_export(folders[0]).backend if folders and is_export(folders[0]) else "pytorch"


def find_export(path: Path, backend: str) -> Path:
    """Return the export folder for `backend`: `path` itself, or the only one in the run `path`.

    Raises UsageError if there is none, if the run has several, or if it is of other weights than
    those of the run, which was trained on.
    """
    if is_export(path):
        if (exported := read_export(path).backend) != backend:
            raise UsageError(f"{path} was exported for {exported}: use --backend {exported}")
        return path
    candidates = sorted(RunFolder(path).exports.glob(f"{backend}-*"))
    exports = [folder for folder in candidates if is_export(folder)]
    if not exports:
        raise UsageError(
            f"{path} has not been exported for {backend}: run mt-export {path} --to {backend}"
        )
    if len(exports) > 1:
        names = ", ".join(map(str, exports))
        raise UsageError(
            f"{path} has several exports for {backend}: give one of them instead of the run: "
            f"{names}"
        )
    weights = read_export(exports[0]).weights
    if weights and file_checksum(RunFolder(path).model) not in (weights, None):
        raise UsageError(
            f"{exports[0]} has older weights than {path}: {EXPORT_AGAIN}, or give the export "
            "instead of the run"
        )
    return exports[0]
