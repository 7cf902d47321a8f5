"""Writes the folder of an exported model: the engine's own files, with all that text in and text out needs beside them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from mt.decoding.export_folder import EXPORT_FILE, ExportInfo
from mt.decoding.load import TrainedModel
from mt.errors import MTError
from mt.files import write_text
from mt.run_folder import RunFolder


def default_folder(run: RunFolder, backend: str, quantization: str) -> Path:
    return run.exports / f"{backend}-{quantization}"


def write_export(
    folder: Path, run: TrainedModel, export: ExportInfo, fill: Callable[[Path], None]
) -> None:
    """Write the folder; `fill` gets a folder for the engine's own files. It appears when it is complete, in the place of an older one.

    MTError where something else stands there.
    """
    if folder.exists() and not (folder / EXPORT_FILE).is_file():
        raise MTError(f"{folder} exists and is no export: give another folder with --out")
    part = folder.with_name(f".{folder.name}.unfinished")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        fill(part)
        shutil.copyfile(run.folder.config, RunFolder(part).config)
        run.tokenizer.save(part)
        write_text(part / EXPORT_FILE, json.dumps(asdict(export), indent=1) + "\n")
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
    except OSError as error:
        raise MTError(f"could not write {folder}: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
