"""The folder that mt-export writes: a model in the form of another engine, with all that text in and text out needs beside it.

It holds the run's config.yaml and tokenizer, the engine's own files, and export.json, which says
what it is. It can be moved anywhere. Without another place given, it lies in the run, under
export/, by the names of its backend and its quantisation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mt.errors import MTError, UsageError
from mt.run_folder import RunFolder
from mt.version import __version__

FORMAT_VERSION = 1  # of export.json and of what it describes; a newer one is refused
EXPORT_FILE = "export.json"
BACKENDS = ("ctranslate2", "onnx")


@dataclass(frozen=True)
class ExportInfo:
    """What is in the folder."""

    backend: str
    quantization: str
    longest: int  # tokens that a source or an output may have; 0: any number
    library: str  # name and version of what wrote it
    mt: str = __version__
    format: int = FORMAT_VERSION


def read_export(folder: Path) -> ExportInfo:
    """What export.json says. MTError where it cannot be read or is too new."""
    path = folder / EXPORT_FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] > FORMAT_VERSION:
            raise MTError(
                f"{path} has format {found['format']}, this version of mt reads up to {FORMAT_VERSION}: upgrade mt"
            )
        return ExportInfo(**found)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise MTError(f"{path} cannot be read ({error}): export the run again") from error


def is_export(folder: Path) -> bool:
    return (folder / EXPORT_FILE).is_file()


def resolve_backend(folders: Sequence[Path], backend: str) -> str:
    """`backend`, of which "auto" is what an export folder was exported for, else PyTorch."""
    if backend != "auto":
        return backend
    return read_export(folders[0]).backend if folders and is_export(folders[0]) else "pytorch"


def find_export(path: Path, backend: str) -> Path:
    """The export that a command means by a folder that is one, or by a run that holds one for this backend.

    UsageError where there is none, or several to choose from.
    """
    if is_export(path):
        if (found := read_export(path).backend) != backend:
            raise UsageError(f"{path} was exported for {found}: use --backend {found}")
        return path
    found_here = sorted(
        folder for folder in RunFolder(path).exports.glob(f"{backend}-*") if is_export(folder)
    )
    if not found_here:
        raise UsageError(
            f"{path} has not been exported for {backend}: mt-export {path} --to {backend}"
        )
    if len(found_here) > 1:
        names = ", ".join(str(folder) for folder in found_here)
        raise UsageError(
            f"{path} has several exports for {backend}: give one of them in its place: {names}"
        )
    return found_here[0]
