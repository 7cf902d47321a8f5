"""Files that a killed training leaves, read to compare them with those of another training."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mt
from mt.checksums import CHECKSUMS
from mt.errors import MTError
from mt.run_folder import RunFolder
from mt.tensor_files import read_tensors

# Values that depend on the time or the memory that a training took
TIMES = {
    "minutes", "minutes_left", "training_minutes", "validation_minutes", "tokens_per_second",
    "peak_memory", "test_seconds",
}  # fmt: skip
# Files whose content depends on the time, or of which each start writes one
HISTORY = {"train.log", "environment.json", "config.yaml", ".lock"}


def read(folder: Path) -> dict[str, Any]:
    """Return the content of all files of a finished training by name, without times."""
    content: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir() or path.parent.name == "tensorboard":
            continue
        if path.name in HISTORY or path.suffix == ".lock":
            content[name] = None
        elif path.suffix == ".safetensors":
            tensors, facts = read_tensors(path)
            content[name] = {
                **{key: tensor.numpy().tobytes() for key, tensor in tensors.items()},
                **without_times(facts),
            }
        elif path.name == "metrics.jsonl":
            lines = path.read_text().splitlines()
            content[name] = [repr(without_times(json.loads(line))) for line in lines]
        elif path.name == CHECKSUMS:  # of files that hold times; `unreadable` checks them
            content[name] = [line.split(" ", 1)[1] for line in path.read_text().splitlines()]
        elif path.name == "cost.json":
            content[name] = without_times(json.loads(path.read_text()))
        else:
            content[name] = path.read_bytes()
    return content


def without_times(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the values that must be equal; as text, because NaN differs from itself."""
    return {key: repr(value) for key, value in facts.items() if key not in TIMES}


def compare(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Return what is wrong with the results of a killed training."""
    faults = [f"file is left over: {name}" for name in found.keys() - expected.keys()]
    faults += [f"file is missing: {name}" for name in expected.keys() - found.keys()]
    for name in expected.keys() & found.keys():
        if expected[name] != found[name]:
            faults.append(f"other content: {name}{difference(expected[name], found[name])}")
    return faults


def difference(expected: Any, found: Any) -> str:
    """Return where two contents differ."""
    if isinstance(expected, dict) and isinstance(found, dict):
        keys = expected.keys() | found.keys()
        return f", {sorted(key for key in keys if expected.get(key) != found.get(key))[:5]}"
    if isinstance(expected, list):
        return f", {sorted(set(expected) ^ set(found))[:4]}"
    return ""


def unreadable(path: Path) -> list[str]:
    """Return what cannot be read after a kill, in a process of its own; no model is no fault."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        with os.fdopen(reader) as stream:
            text = stream.read()
        os.waitpid(pid, 0)
        return [text] if text else []
    try:
        folder = RunFolder.at(path)
        if folder.is_being_trained():
            os.write(writer, b"it is locked")
        folder.read_metrics()
        folder.read_cost()
        folder.checksums.check_all("")
        mt.load(path, device="cpu")
    except MTError as error:
        has_model = RunFolder.at(path).model.exists()
        if has_model or "\n" in str(error):
            os.write(writer, f"cannot load: {error}".encode())
    except BaseException as error:
        os.write(writer, f"error while loading: {error!r}".encode())
    finally:
        os._exit(0)


def import_everything(arguments: Sequence[str]) -> None:
    """Import what a training imports, so that forks of this process start fast."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        os.dup2(1, 2)
        sys.argv = ["mt-train", *arguments]
        try:
            from mt.commands import train

            train()
        finally:
            os.write(writer, " ".join(sys.modules).encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        names = stream.read().split()
    os.waitpid(pid, 0)
    for name in names:
        try:
            __import__(name)
        except Exception:  # modules that only exist as attributes, and the like
            continue
