"""mt: train, run and evaluate translation models.

import mt
mt.load("runs/demo").translate(["A sentence.", "Another one."])
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mt.version import __version__ as __version__

if TYPE_CHECKING:
    from mt.decoding.translator import Translator
    from mt.inspection.inspector import Inspector

# How long threads of GNU OpenMP spin for their next piece of work before they sleep, in turns of a
# loop; its own 300,000 are milliseconds. Where something else runs too, a thread would spin while
# the one that it waits for has no core: a training step beside one busy process took over six times
# as long; with 2,000 under three times, and no longer when alone. Read when torch loads.
if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = "2000"


def load(paths: Any, device: str = "auto", precision: str = "auto", **settings: Any) -> Translator:
    """A Translator from a run directory, or from several as an ensemble; see `mt.decoding.load.load`."""
    from mt.decoding.load import load  # importing torch takes seconds: only for those who need it

    return load(paths, device, precision, **settings)


def inspect(translator: Translator) -> Inspector:
    """Return an Inspector of the translator: its attention, as weights of pieces and words and as alignments."""
    from mt.inspection.inspector import Inspector

    return Inspector(translator)
