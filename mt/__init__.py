"""mt: train, run and evaluate translation models.

import mt
mt.load("runs/demo").translate(["A sentence.", "Another one."])
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mt.decoding.options import BATCH_TOKENS, SearchOptions
from mt.version import __version__ as __version__

if TYPE_CHECKING:
    from mt.decoding.translator import Translator
    from mt.inspection.inspector import Inspector

# The number of iterations that a thread of GNU OpenMP spins while it waits for work, before it
# sleeps; read when torch is imported. The default of 300,000 takes milliseconds. If other processes
# run, threads spin while those they wait for have no core. Next to one busy process, a training
# step took over six times as long; with 2,000, less than three times, and no longer when alone.
if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = "2000"


def load(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    device: str = "auto",
    precision: str = "auto",
    backend: str = "auto",
    workers: int = 1,
    batch_tokens: int = BATCH_TOKENS,
    options: SearchOptions | None = None,
    warn: Callable[[str], None] | None = None,
    split_sentences: bool | None = None,
    tag: str | None = None,
    src_lang: str = "",
    tgt_lang: str = "",
) -> Translator:
    """Load a Translator from a run directory, or several as an ensemble; see `mt.decoding.load`."""
    from mt.decoding.load import load  # imports torch, which takes seconds

    return load(
        paths,
        device,
        precision,
        backend,
        workers,
        batch_tokens,
        options,
        warn,
        split_sentences,
        tag,
        src_lang,
        tgt_lang,
    )


def inspect(translator: Translator) -> Inspector:
    """Return an Inspector, which gives attention weights and word alignments of a translator."""
    from mt.decoding.arguments import describe
    from mt.decoding.translator import Translator
    from mt.errors import UsageError
    from mt.inspection.inspector import Inspector

    if not isinstance(translator, Translator):
        raise UsageError(
            f"mt.inspect needs a Translator, got {describe(translator)}: give what mt.load returns"
        )
    return Inspector(translator)
