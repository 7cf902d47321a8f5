"""Tensors with JSON metadata in safetensors files, with a checksum."""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from mt.errors import MTError
from mt.files import atomic_write
from mt.git_lfs import refuse_pointer

if TYPE_CHECKING:
    from torch import Tensor

RESTORE = "restore it from a copy, or delete it and start the same mt-train command again"
FORMAT = 1  # of tensor files; newer ones are rejected, older ones must stay readable
# What reading a damaged file can raise.
DAMAGE = (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError)


def write_tensors(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors, JSON metadata and a checksum of both to a safetensors file."""
    from safetensors.torch import save_file  # imports torch, which takes seconds

    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"mt_format": str(FORMAT), "facts": json.dumps(facts)}
    metadata["checksum"] = _checksum(contiguous, metadata["facts"])
    with atomic_write(path) as temporary:
        save_file(contiguous, temporary, metadata)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors (on the CPU) and metadata of a file of `write_tensors`.

    Raises MTError if the file is damaged, not written by mt, or of a newer format.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = _checked_metadata(path, file.metadata())
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        # Runs of earlier versions have no checksum.
        if metadata.get("checksum", checksum := _checksum(tensors, metadata["facts"])) != checksum:
            raise ValueError("its content does not match its checksum")
        return tensors, _parse_facts(metadata)
    except DAMAGE as error:
        raise _damaged(path, error) from error


def read_facts(path: Path) -> dict[str, Any]:
    """Return the metadata of a file of `write_tensors` without reading tensors.

    Raises MTError as `read_tensors` does, but damage to the tensors goes unnoticed.
    """
    try:
        with safe_open(path, "np") as file:
            return _parse_facts(_checked_metadata(path, file.metadata()))
    except DAMAGE as error:
        raise _damaged(path, error) from error


def _checked_metadata(path: Path, metadata: dict[str, str] | None) -> dict[str, str]:
    """Return the header's metadata. Raises MTError unless mt wrote it in a known format."""
    if not metadata or "mt_format" not in metadata:
        raise MTError(f"{path} was not written by mt: it has no format number")
    if int(metadata["mt_format"]) > FORMAT:
        raise MTError(
            f"{path} has format {metadata['mt_format']}, and this version of mt reads "
            f"formats up to {FORMAT}: upgrade mt"
        )
    return metadata


def _parse_facts(metadata: dict[str, str]) -> dict[str, Any]:
    facts = json.loads(metadata["facts"])
    if not isinstance(facts, dict):
        raise ValueError("its metadata is not a JSON object")
    return facts


def read_checksum(path: Path) -> str | None:
    """Return the stored checksum of a tensor file; raise MTError if it is damaged.

    None if an earlier version of mt, or another program, wrote the file.
    """
    try:
        with safe_open(path, "np") as file:
            return (file.metadata() or {}).get("checksum")
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def count_parameters(path: Path) -> int:
    """Return the number of parameters in a tensor file; raise MTError if it is damaged."""
    try:
        with safe_open(path, "np") as file:
            return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def _checksum(tensors: dict[str, Tensor], facts: str) -> str:
    """Return the CRC-32 of facts and of contiguous tensors on the CPU, their names and shapes."""
    import torch

    value = zlib.crc32(facts.encode())
    for name, tensor in sorted(tensors.items()):
        value = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), value)
        value = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, value)
    return f"crc32:{value:08x}"


def _damaged(path: Path, error: Exception) -> MTError:
    refuse_pointer(path)
    return MTError(f"{path} is damaged or not a safetensors file ({error}): {RESTORE}")
