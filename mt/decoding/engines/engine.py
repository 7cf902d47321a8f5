"""Engines: token ids in, hypotheses out. An engine knows nothing of text or lines.

- `mt/decoding/engines/pytorch.py` runs the model as it was trained.
- `mt/decoding/engines/ctranslate2.py` runs a CTranslate2 export with the search of CTranslate2.
- `mt/decoding/engines/onnx.py` runs an ONNX export with the search of this package.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch

from mt.data.batching import make_batch
from mt.data.tokenizer import Tokenizer
from mt.decoding.options import SearchOptions
from mt.decoding.prefixes import Prefixes
from mt.decoding.scoring import PairScore
from mt.decoding.search import Hypothesis, Searchable, search
from mt.decoding.token_budget import TokenBudget
from mt.device import autocast
from mt.errors import UsageError
from mt.models.seq2seq import Seq2Seq

Sources = Sequence[Sequence[int]]  # token ids of each sentence, without BOS and EOS


class Engine(Protocol):
    """The interface that a translator needs. Each engine makes its own batches."""

    device: torch.device
    concurrent: int  # number of searches that may run at the same time, each in a thread

    @property
    def models(self) -> list[Seq2Seq]:
        """The PyTorch models, from which attention is read. Raises UsageError if there are none."""

    def check(self, options: SearchOptions) -> None:
        """Raise UsageError if the engine does not support these options."""

    def search(
        self,
        sources: Sources,
        options: SearchOptions,
        budget: TokenBudget,
        generator: torch.Generator,
        progress: Callable[[int], None],
        prefixes: Prefixes | None = None,
    ) -> list[list[Hypothesis]]:
        """Return the hypotheses of each source, `options.candidates` or fewer, best first.

        After each batch, `progress` is called with its number of sentences, and before each step
        of a search in this process, with 0. An exception that it raises ends the search. `prefixes`
        are those of all sources. Raises UsageError if the engine does not support them.
        """

    def score(
        self, tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]], budget: TokenBudget
    ) -> list[PairScore]:
        """Return the log-probability of each target given its source, both normalised."""


class Unsupported(UsageError):
    """An engine does not support what is asked for; PyTorch does."""

    def __init__(self, reason: str, advice: str = "use --backend pytorch") -> None:
        super().__init__(f"{reason}: {advice}")
        self.reason = reason


class SearchEngine:
    """Base class of the engines that use `mt.decoding.search`."""

    concurrent = 1  # which uses all cores

    def __init__(self, searched: Searchable, device: torch.device, precision: str) -> None:
        self.searched, self.device, self.precision = searched, device, precision

    def check(self, options: SearchOptions) -> None:
        """Accept all options."""

    def search(
        self,
        sources: Sources,
        options: SearchOptions,
        budget: TokenBudget,
        generator: torch.Generator,
        progress: Callable[[int], None],
        prefixes: Prefixes | None = None,
    ) -> list[list[Hypothesis]]:
        def search_batch(indices: list[int]) -> list[list[Hypothesis]]:
            batch = make_batch([sources[i] for i in indices], [()] * len(indices))
            batch = batch.to(self.device)
            inputs, beginnings = (batch.source, batch.source_mask), select(prefixes, indices)
            with autocast(self.device, self.precision):
                results = search(
                    self.searched, *inputs, options, generator, beginnings, lambda: progress(0)
                )
            progress(len(indices))
            return results

        return budget.map(sources, options.width, search_batch)


def select(prefixes: Prefixes | None, sentences: Sequence[int]) -> Prefixes | None:
    """Return the prefixes of some sentences, if there are any."""
    return prefixes.select(sentences) if prefixes else None


def no_attention_error(backend: str) -> UsageError:
    """Return the error to raise when attention is requested from an exported model."""
    return Unsupported(
        f"the backend {backend} does not expose attention",
        "use --backend pytorch for alignments and attention maps",
    )
