"""The fast engine by itself: a run is exported to CTranslate2 when it is first translated with.

The export is RUN/export/auto-TYPE. It is made anew when the weights of the run change.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from filelock import FileLock

from mt.checksums import file_checksum
from mt.decoding.engines.ctranslate2 import CTranslate2Engine
from mt.decoding.engines.fallback import FallbackEngine
from mt.decoding.export_folder import check_export, is_export, read_export
from mt.decoding.load import load, load_run, read_text_rules
from mt.decoding.translator import Translator
from mt.device import pick_device
from mt.errors import MTError, UsageError
from mt.exporting.ctranslate2_support import obstacles
from mt.exporting.export import check_quantization, export_run, library_version
from mt.exporting.folders import LOCK_SECONDS
from mt.files import expand_user
from mt.run_folder import RunFolder

BACKEND = "ctranslate2"
BACKEND_VARIABLE = "MT_BACKEND"  # "pytorch": runs are not exported


def load_fastest(
    paths: Sequence[str | os.PathLike[str]],
    device: str,
    precision: str,
    backend: str,
    quantization: str,
    say: Callable[[str], None],
    why_not: str = "",
    workers: int = 1,
    **settings: Any,
) -> Translator:
    """Load a translator as `mt.load` does; with backend "auto", by CTranslate2 if possible.

    It is possible on a CPU for a run, or an export, that CTranslate2 supports, if that is
    installed. PyTorch steps in for search options that CTranslate2 does not support.

    Args:
        paths: run directories, or one export folder.
        device: see `mt.load`.
        precision: auto, fp32 or bf16, which needs PyTorch.
        backend: see `mt.load`.
        quantization: type of the weights of the export; "": float32.
        say: function that receives remarks of one line.
        why_not: what will be asked for that only PyTorch can do; "": nothing.
        workers: processes of PyTorch.
        settings: other arguments of `mt.load`.

    Raises UsageError if a quantization is given, but cannot be used.
    """
    folders = [expand_user(path) for path in paths]

    def load_with(backend: str) -> Translator:
        count = workers if backend == "pytorch" else 1
        return load(folders, device, precision, backend, count, **settings)

    obstacle = find_obstacle(folders, device, precision, backend)
    if quantization and (obstacle or why_not):
        raise UsageError(f"--quantization {quantization} cannot be used: {obstacle or why_not}")
    if obstacle:
        return load(folders, device, precision, backend, workers, **settings)
    if why_not:
        say(f"computing with PyTorch: {why_not}")
        return load_with("pytorch")
    run = RunFolder(folders[0])

    def check() -> None:
        languages = settings.get("src_lang", ""), settings.get("tgt_lang", "")
        read_text_rules(run, None, *languages).settings(settings.get("tag"))

    try:
        export = current_export(run, quantization or "float32", say, check)
    except ExportFailed as error:
        if quantization:
            raise
        say(f"computing with PyTorch: there is no export to CTranslate2 ({error})")
        return load_with("pytorch")
    translator = load([export], device, precision, BACKEND, **settings)
    translator.engine = FallbackEngine(
        cast(CTranslate2Engine, translator.engine), lambda: load_with("pytorch").engine, say
    )
    return translator


class ExportFailed(MTError):
    """An export could not be written, though the run is sound."""


def find_obstacle(folders: Sequence[Path], device: str, precision: str, backend: str) -> str:
    """Return why the fast engine cannot compute this, or ""."""
    if backend != "auto":
        return f"--backend is {backend}, not auto"
    if len(folders) > 1:
        return "an ensemble needs PyTorch"
    if is_export(folders[0]):
        return f"{folders[0]} is an export already"
    if (choice := os.environ.get(BACKEND_VARIABLE, "auto")) != "auto":
        if choice != "pytorch":
            raise UsageError(f"{BACKEND_VARIABLE} must be auto or pytorch, got {choice!r}")
        return f"{BACKEND_VARIABLE} is {choice}"
    if precision == "bf16":
        return "--precision is bf16"
    if importlib.util.find_spec(BACKEND) is None:
        return "CTranslate2 is not installed: pip install ctranslate2"
    if pick_device(device).type != "cpu":
        return "the device is not a CPU"
    unsupported = obstacles(RunFolder(folders[0]).read_config().model)
    return f"CTranslate2 does not support {'; '.join(unsupported)}" if unsupported else ""


def current_export(
    run: RunFolder, quantization: str, say: Callable[[str], None], check: Callable[[], None]
) -> Path:
    """Return the export of a run with its present weights; write it first if there is none.

    `check` is called before it is written. Raises ExportFailed if it cannot be written, MTError for
    a damaged run, UsageError for an unknown quantization.
    """
    folder = run.exports / f"auto-{quantization}"
    if is_current(folder, run):
        return folder
    check_quantization(BACKEND, quantization)
    check()
    trained = load_run(run.path, torch.device("cpu"))
    try:
        run.exports.mkdir(parents=True, exist_ok=True)
        with FileLock(run.exports / ".auto.lock", timeout=LOCK_SECONDS):
            if not is_current(folder, run):  # another process may have written it
                say(f"exporting {run} to CTranslate2 ({quantization}), once for these weights")
                export_run(folder, trained, BACKEND, quantization)
    except (MTError, OSError) as error:
        raise ExportFailed(str(error)) from error
    return folder


def is_current(folder: Path, run: RunFolder) -> bool:
    """Return whether an export is whole, has the run's weights and suits the installed library."""
    try:
        info = read_export(folder)
        same_weights = info.weights == file_checksum(run.model)
        check_export(folder)
    except (MTError, OSError):
        return False
    return same_weights and info.library == library_version(BACKEND)
