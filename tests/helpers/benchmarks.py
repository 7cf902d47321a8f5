"""Functions that the tests of the benchmark scripts share."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
from typing import Any

import pytest


def load(name: str) -> Any:
    return importlib.import_module(name)


def interpreter(peer: str, package: str) -> str:
    """Return a Python with the peer's package: $MT_PEER_HF etc., or this one; skip if none."""
    if python := os.environ.get(f"MT_PEER_{peer.upper()}"):
        return python
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(
            f"{package} is not installed here: set MT_PEER_{peer.upper()} to a Python that has it"
        )
    return sys.executable


def cells(table: str) -> dict[str, dict[str, str]]:
    """Return the cells of the Markdown tables in a text: first column -> header -> cell."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line.startswith("|")
    ]
    return {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[2:]}


TINY = [
    "--families",
    "transformer",
    "--size",
    "tiny",
    "--threads",
    "1",
    "--device",
    "cpu",
    "--precisions",
    "fp32",
    "--repeats",
    "1",
]
