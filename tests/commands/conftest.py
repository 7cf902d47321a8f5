"""Fixtures of the tests of the commands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def restored_threads() -> Iterator[None]:
    """Restore the number of threads, which the commands set for this process."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
