"""Fixtures that several test files share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # tiny tensors: a second thread only waits, and more so where other work shares the cores

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of real parallel text: $MT_REALDATA, by default ../shared/data beside the checkout."""
    folder = Path(os.environ.get("MT_REALDATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real text at {folder}: set MT_REALDATA")
    return folder
