"""mt: train, run and evaluate translation models.

import mt
mt.load("runs/demo").translate(["A sentence.", "Another one."])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mt.decoding.translator import Translator

__version__ = "0.1.0"


def load(paths: Any, device: str = "auto", precision: str = "auto", **settings: Any) -> Translator:
    """A Translator from a run directory, or from several as an ensemble; see `mt.decoding.translator.load`."""
    from mt.decoding.translator import load  # importing torch takes seconds: only for those who need it

    return load(paths, device, precision, **settings)
