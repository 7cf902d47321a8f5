"""Random models of the hub, and the runs they are imported as."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.hub_models import import_as, save_m2m

M2M_MODELS: dict[str, dict[str, Any]] = {
    "M2M-100": {},
    "NLLB-200": {"nllb": True, "seed": 6},
    "M2M-100, swish, untied output": {"activation_function": "swish", "tie_word_embeddings": False},
}


@pytest.fixture(scope="package")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """Return a function that returns a model of the hub and the run it was imported as."""
    made: dict[str, tuple[Path, Path]] = {}

    def get(name: str) -> tuple[Path, Path]:
        if name not in made:
            parent = tmp_path_factory.mktemp("hub")
            folder = save_m2m(parent / "model", **M2M_MODELS[name])
            made[name] = folder, import_as(folder, parent / "run")
        return made[name]

    return get
