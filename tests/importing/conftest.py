"""Random models of the hub, and the runs they are imported as."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.hub_models import MODELS, import_as


@pytest.fixture(scope="package")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """Return a function that returns a model of the hub and the run it was imported as."""
    made: dict[str, tuple[Path, Path]] = {}

    def get(name: str) -> tuple[Path, Path]:
        if name not in made:
            parent = tmp_path_factory.mktemp("hub")
            folder = MODELS[name](parent / "model")
            made[name] = folder, import_as(folder, parent / "run")
        return made[name]

    return get
