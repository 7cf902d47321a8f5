"""Folders in the layout of the Hugging Face hub: their files, and where they come from.

Only JSON, safetensors and SentencePiece models are read, and pickled tensors with PyTorch's
`weights_only`, which runs no code of the file.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
import yaml  # type: ignore[import-untyped]
from huggingface_hub.errors import (
    EntryNotFoundError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mt.data.sentencepiece_model import load_processor
from mt.errors import MTError, UsageError
from mt.files import expand_user
from mt.git_lfs import refuse_pointer

# The weights, as one file or as an index of several; the first that exists is read.
WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
SMALL_FILES = ("*.json", "*.spm", "*.model", "README.md")  # all but the weights
# YAML at the beginning of a model card
FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.S)
MAX_LENGTH = 1024  # of a source in tokens, if no file has it
BLOCK_SIZE = 1 << 20  # bytes read at a time


@dataclass(frozen=True)
class HubFolder:
    """A local folder, with the name under which it was asked for."""

    path: Path
    name: str  # a folder, or a repository such as Helsinki-NLP/opus-mt-en-de
    revision: str = ""  # the commit of a repository

    def missing(self, names: tuple[str, ...]) -> list[str]:
        """Return those of the named files that do not exist."""
        return [name for name in names if not (self.path / name).is_file()]

    def read_json(self, name: str, default: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the object in a JSON file; `default`, unless it is None, if there is no file.

        Raises MTError if the file is missing, damaged, or has no object.
        """
        path = self.path / name
        if default is not None and not path.exists():
            return default
        refuse_pointer(path)
        try:
            content = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise MTError(f"cannot read {path} ({error}): copy or download it again") from error
        if not isinstance(content, dict):
            raise MTError(f"cannot read {path}: it must have a JSON object")
        return content

    def read_sentencepiece(self, name: str) -> bytes:
        """Return a SentencePiece model. Raises MTError if it cannot be read, or is none."""
        path = self.path / name
        refuse_pointer(path)
        try:
            content = path.read_bytes()
            load_processor(content)
            return content
        except OSError as error:
            raise MTError(f"cannot read {path}: {error.strerror}") from error
        except RuntimeError as error:
            raise MTError(
                f"{path} is not a SentencePiece model: copy or download it again"
            ) from error

    def weight_files(self) -> list[str]:
        """Return the names of the files with the weights; empty if there are none."""
        for name in WEIGHTS:
            if self.missing((name,)):
                continue
            if not name.endswith(".index.json"):
                return [name]
            return self.parts(name)
        return []

    def parts(self, index: str) -> list[str]:
        """Return the names of the files that an index of weights lists.

        Raises MTError if it is damaged, or lists files of another folder.
        """
        listed = self.read_json(index).get("weight_map")
        names: list[Any] = list(listed.values()) if isinstance(listed, dict) else [None]
        if not all(isinstance(name, str) and Path(name).name == name for name in names):
            raise MTError(
                f"cannot read {self.path / index}: its weight_map must name a file of the folder "
                "for each weight"
            )
        return sorted(set(names))

    def read_tensors(self) -> dict[str, Tensor]:
        """Return all weights in float32. Raises MTError if a file is missing or damaged."""
        tensors: dict[str, Tensor] = {}
        for name in self.weight_files():
            path = self.path / name
            refuse_pointer(path)
            try:
                tensors |= load_weights(path)
            except (
                SafetensorError,
                pickle.UnpicklingError,
                OSError,
                RuntimeError,
                EOFError,
                ValueError,
            ) as error:
                reason = str(error).strip().split("\n")[0]
                if isinstance(error, pickle.UnpicklingError):  # PyTorch advises to run its code
                    reason = "it has other objects"
                raise MTError(
                    f"{path} is missing, damaged, or has more than tensors ({reason}): copy or "
                    "download it again"
                ) from error
        for name, tensor in tensors.items():
            if not tensor.is_floating_point():
                raise MTError(
                    f"cannot import {self.name}: {name} is {tensor.dtype}, and only floating-point "
                    "weights are read"
                )
        return {name: tensor.float() for name, tensor in tensors.items()}

    def max_length(self) -> int:
        """Return the maximum length of a source in tokens, the end of the sentence included.

        Raises MTError if it is not a number.
        """
        lengths = {
            "max_position_embeddings": self.read_json("config.json"),
            "model_max_length": self.read_json("tokenizer_config.json", {}),
        }
        given: list[float] = []
        for name, content in lengths.items():
            length = content.get(name)
            length = MAX_LENGTH if length is None else length
            if not isinstance(length, int | float) or not length >= 2:
                raise MTError(
                    f"cannot import {self.name}: {name} must be a number >= 2, got {length!r}"
                )
            given.append(length)
        return int(min(given))

    def card(self) -> dict[str, Any]:
        """Return the metadata of the model card; empty if there is none."""
        if self.missing(("README.md",)):
            return {}
        text = (self.path / "README.md").read_text(encoding="utf-8-sig", errors="replace")
        match = FRONT_MATTER.match(text)
        try:
            content = yaml.safe_load(match[1]) if match else {}
        except yaml.YAMLError:
            return {}
        return content if isinstance(content, dict) else {}

    def origin(self) -> dict[str, Any]:
        """Return what a run records of the origin of its weights."""
        licence = self.card().get("license")
        return {
            "from": self.name,
            "revision": self.revision or None,
            "license": str(licence) if licence else None,
            "model_type": self.read_json("config.json").get("model_type"),
            "sha256": {name: file_digest(self.path / name) for name in self.weight_files()},
        }


def load_weights(path: Path) -> Mapping[str, Tensor]:
    """Return the tensors of a file by name."""
    if path.suffix == ".safetensors":
        return load_file(path)
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise ValueError("it is not a dictionary of tensors")
    return content


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, which the hub shows too."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_folder(name: str, revision: str = "") -> HubFolder:
    """Return a local folder, or download a repository of the hub.

    Raises MTError if the folder does not exist, or the repository cannot be downloaded.
    """
    path = expand_user(name)
    if name and path.is_dir():
        if revision:
            raise UsageError(f"--revision is for models of the hub, and {name} is a folder")
        return HubFolder(path, name)
    if path.exists() or name.count("/") != 1 or name.startswith((".", "~", "/")):
        raise MTError(f"no folder {name}: give a folder, or a model of the hub, owner/name")
    try:
        found = download(name, revision or None)
    except RepositoryNotFoundError as error:
        raise MTError(
            f"{name} is no folder, and no model of the hub that you may read: check the name; for "
            "a private or gated model, ask for access and log in with hf auth login"
        ) from error
    except RevisionNotFoundError as error:
        raise MTError(f"{name} has no revision {revision}: see its page on the hub") from error
    except Exception as error:  # also those of the HTTP library, if the connection breaks
        reason = str(error).strip().split("\n")[0]
        raise MTError(
            f"{name} is no folder, and cannot be downloaded from the hub ({reason}): give a folder "
            "with its files"
        ) from error
    return HubFolder(found, name, found.name)


def download(name: str, revision: str | None) -> Path:
    """Download the files of a repository that are read, and return their folder.

    What was downloaded before needs no network. Raises OSError or HFValidationError if there is no
    such repository, and errors of the HTTP library if the connection breaks.
    """
    found = Path(
        huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=[*SMALL_FILES])
    )
    folder = HubFolder(found, name)
    if (files := folder.weight_files()) and not folder.missing(tuple(files)):
        return found  # they were downloaded before
    broken: LocalEntryNotFoundError | None = None
    for weights in WEIGHTS:
        if weights.endswith(".index.json"):
            if (found / weights).is_file():
                parts = folder.parts(weights)
                huggingface_hub.snapshot_download(name, revision=found.name, allow_patterns=parts)
                return found
        elif not broken:
            try:
                huggingface_hub.hf_hub_download(name, weights, revision=found.name)
                return found
            except LocalEntryNotFoundError as error:  # no network
                broken = error
            except EntryNotFoundError:
                continue
    if broken:
        raise broken
    return found
