"""Checkpoints in parts, one of each rank: safetensors files of torch.distributed.checkpoint.

The parts can be read by any number of ranks.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.tensor import DTensor

from mt.errors import MTError
from mt.run_files import PARTS
from mt.run_folder import RunFolder
from mt.tensor_files import DAMAGE, RESTORE, read_facts


def write_parts(folder: Path, tensors: dict[str, DTensor]) -> None:
    """Write the part of this rank to a folder; all ranks call it, and all have written after it.

    Raises MTError on all of them if one cannot write.
    """
    writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    try:
        dcp.save(dict(tensors), storage_writer=writer)
    except dcp.api.CheckpointException as error:
        rank, (reason, _) = min(error.failures.items())
        raise MTError(f"{folder}: rank {rank} cannot write its part: {reason}") from error


def read_shapes(folder: Path) -> dict[str, torch.Size]:
    """Return the shapes of the whole tensors in a folder of parts; raise MTError if damaged."""
    try:
        entries = HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata
    except (*DAMAGE, AssertionError) as error:
        raise damaged(folder, error) from error
    return {
        name: entry.size
        for name, entry in entries.items()
        if isinstance(entry, TensorStorageMetadata)
    }


def read_whole(folder: Path) -> dict[str, Tensor]:
    """Return the whole tensors from a folder of parts; raise MTError if it is damaged."""
    tensors = {name: torch.empty(shape) for name, shape in read_shapes(folder).items()}
    _read(folder, tensors, no_dist=True)
    return tensors


def read_parts(folder: Path, tensors: dict[str, DTensor]) -> None:
    """Read the part of this rank into tensors; all ranks call it. Raises MTError if damaged."""
    _read(folder, dict(tensors), no_dist=False)


def next_parts(folder: RunFolder) -> Path:
    """Return an empty place for the parts of the next checkpoint, other than that of the last."""
    last = ""
    if folder.checkpoint.exists():
        last = read_facts(folder.checkpoint).get(PARTS, "")
    folder.remove_checkpoint_parts(last)  # of a process that was killed
    return next(path for path in folder.checkpoint_parts if path.name != last)


def weight_name(key: str) -> str:
    """Return the name of a weight from a key of a checkpoint, such as `optimizer.exp_avg.NAME`."""
    return key.split(".", 2 if key.startswith("optimizer.") else 1)[-1]


def _read(folder: Path, tensors: dict[str, Tensor], no_dist: bool) -> None:
    reader = HuggingFaceStorageReader(str(folder))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled")
            dcp.load(tensors, storage_reader=reader, no_dist=no_dist)
    except (*DAMAGE, dcp.api.CheckpointException, AssertionError, RuntimeError) as error:
        raise damaged(folder, error) from error


def damaged(folder: Path, error: BaseException) -> MTError:
    """Return the error of a folder of parts that cannot be read."""
    reason = next((line for line in map(str.strip, str(error).splitlines()) if line), "")
    return MTError(f"{folder} is damaged ({reason or type(error).__name__}): {RESTORE}")
