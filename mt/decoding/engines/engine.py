"""What stands under the translator: pieces in, hypotheses out. An engine knows nothing of text, lines or parts of lines.

`PyTorchEngine` is the model as it was trained. Others run what mt-export made of it:
`mt/decoding/engines/ctranslate2.py`, which brings its own search, and
`mt/decoding/engines/onnx.py`, which runs ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch

from mt.data.batching import batches_in_order, make_batch
from mt.data.tokenizer import Tokenizer
from mt.decoding.engines.workers import SHARE, LostWorker, Workers, workers_for
from mt.decoding.ensemble import Ensemble
from mt.decoding.options import SearchOptions
from mt.decoding.scoring import PairScore, score_pairs
from mt.decoding.search import Hypothesis, Searchable, search
from mt.decoding.token_budget import Budget
from mt.device import autocast
from mt.errors import UsageError
from mt.models.seq2seq import Seq2Seq

Rows = Sequence[Sequence[int]]  # pieces of each sentence, without BOS and EOS


class Engine(Protocol):
    """What a translator asks for. Batches are made here, because engines differ in what suits them."""

    device: torch.device

    @property
    def models(self) -> list[Seq2Seq]:
        """The PyTorch models, of which attention is asked; UsageError, with what to do, from an engine that has none."""

    def check(self, options: SearchOptions) -> None:
        """UsageError for options that this engine cannot serve."""

    def search(
        self,
        rows: Rows,
        options: SearchOptions,
        budget: Budget,
        generator: torch.Generator,
        progress: Callable[[int], None],
    ) -> list[list[Hypothesis]]:
        """The `nbest` hypotheses of each row, best first. `progress` is told how many rows each batch finished."""

    def score(
        self, tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]], budget: Budget
    ) -> list[PairScore]:
        """The log-probability of each normalised target given its source."""


class SearchEngine:
    """Our own search (`mt.decoding.search`) over whatever has the steps of a model."""

    def __init__(self, searched: Searchable, device: torch.device, precision: str) -> None:
        self.searched, self.device, self.precision = searched, device, precision

    def check(self, options: SearchOptions) -> None:
        """The search serves all options that there are."""

    def search(
        self,
        rows: Rows,
        options: SearchOptions,
        budget: Budget,
        generator: torch.Generator,
        progress: Callable[[int], None],
    ) -> list[list[Hypothesis]]:
        def work(chosen: list[int]) -> list[list[Hypothesis]]:
            batch = make_batch([rows[row] for row in chosen], [()] * len(chosen)).to(
                self.device
            )  # padded as in training
            with autocast(self.device, self.precision):
                found = search(self.searched, batch.source, batch.source_mask, options, generator)
            progress(len(chosen))
            return found

        return budget.map(rows, options.width, work)


class PyTorchEngine(SearchEngine):
    """One model, or several as an ensemble. Models as they are: call `eval()` before.

    `workers` processes (0: one a thread) search side by side where there are batches for half of
    them at least; samples are drawn in order, and so here. The processes have the weights of their
    first use.
    """

    def __init__(self, models: Sequence[Seq2Seq], precision: str, workers: int = 1) -> None:
        if workers < 0:
            raise UsageError(f"workers cannot be {workers}")
        self.models = list(models)
        super().__init__(
            self.models[0] if len(self.models) == 1 else Ensemble(self.models),
            self.models[0].device,
            precision,
        )
        self.count = workers_for(self.device, workers)
        self.workers: Workers | None = None

    def search(
        self,
        rows: Rows,
        options: SearchOptions,
        budget: Budget,
        generator: torch.Generator,
        progress: Callable[[int], None],
    ) -> list[list[Hypothesis]]:
        if self.count == 1 or options.sample:
            return super().search(rows, options, budget, generator, progress)
        share = max(budget.tokens // self.count, min(budget.tokens, SHARE))
        batches = batches_in_order(rows, max(1, share // options.width))
        if len(batches) < max(2, self.count // 2):
            return super().search(rows, options, budget, generator, progress)
        self.workers = self.workers or Workers(
            self.count, self._for_worker(Budget(share, budget.warn))
        )
        results = self.workers.map([([rows[row] for row in batch], options) for batch in batches])
        found: list[list[Hypothesis]] = [[] for _ in rows]
        try:
            for batch, hypotheses in zip(batches, results, strict=True):
                for row, best in zip(batch, hypotheses, strict=True):
                    found[row] = best
                progress(len(batch))
        except LostWorker as error:
            budget.warn(
                f"a process that translates was lost, as where memory runs out ({error}): going on in this one alone"
            )
            self.count = 1
            left = [row for row in range(len(rows)) if not found[row]]
            for row, best in zip(
                left,
                super().search([rows[row] for row in left], options, budget, generator, progress),
                strict=True,
            ):
                found[row] = best
        return found

    def _for_worker(
        self, budget: Budget
    ) -> Callable[[Rows, SearchOptions], list[list[Hypothesis]]]:
        """What a process does with a batch. It has a copy of the budget, and holds no reference to this object, which holds it."""
        engine = SearchEngine(self.searched, self.device, self.precision)
        generator = torch.Generator()  # nothing is drawn
        return lambda rows, options: engine.search(rows, options, budget, generator, lambda _: None)

    def score(
        self, tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]], budget: Budget
    ) -> list[PairScore]:
        return score_pairs(self.models, tokenizer, pairs, budget, self.precision)


def no_attention(backend: str) -> UsageError:
    """What to say where attention is asked of an exported model."""
    return UsageError(
        f"the backend {backend} gives translations without attention: alignments and maps are what --backend pytorch shows"
    )
