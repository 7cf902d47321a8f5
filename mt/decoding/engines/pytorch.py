"""The PyTorch engine: a model as it was trained, or an ensemble, in one or more processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from mt.data.batching import translation_batches
from mt.data.tokenizer import Tokenizer
from mt.decoding.engines.engine import SearchEngine, Sources, select
from mt.decoding.engines.workers import MIN_WORKER_TOKENS, resolve_workers
from mt.decoding.ensemble import Ensemble
from mt.decoding.options import SearchOptions
from mt.decoding.prefixes import Prefixes
from mt.decoding.scoring import PairScore, score_pairs
from mt.decoding.search import Hypothesis
from mt.decoding.token_budget import TokenBudget
from mt.errors import UsageError
from mt.models.seq2seq import Seq2Seq
from mt.worker_pool import WorkerLost, WorkerPool


class PyTorchEngine(SearchEngine):
    """One model, or an ensemble of several. The caller must have called `eval()` on them.

    With `workers` > 1 (0: one per thread), batches are searched in that many processes, if there
    are enough batches for at least half of them. Sampling always runs in this process, so that
    random numbers are drawn in order. The processes keep the weights that the models had when the
    processes were started.
    """

    def __init__(self, models: Sequence[Seq2Seq], precision: str, workers: int = 1) -> None:
        if workers < 0:
            raise UsageError(f"workers must be >= 0, got {workers}")
        self.models = list(models)
        searched = self.models[0] if len(self.models) == 1 else Ensemble(self.models)
        super().__init__(searched, self.models[0].device, precision)
        self.count = resolve_workers(self.device, workers)
        self.workers: WorkerPool | None = None

    def check(self, options: SearchOptions) -> None:
        if len(self.models) > 1 and options.repetition_penalty != 1:
            raise UsageError(
                "repetition_penalty changes logits, and an ensemble has none, because it averages "
                "probabilities: use a single run, or no_repeat_ngram"
            )

    def search(
        self,
        sources: Sources,
        options: SearchOptions,
        budget: TokenBudget,
        generator: torch.Generator,
        progress: Callable[[int], None],
        prefixes: Prefixes | None = None,
    ) -> list[list[Hypothesis]]:
        if self.count == 1 or options.sample:
            return super().search(sources, options, budget, generator, progress, prefixes)
        worker_tokens = max(budget.tokens // self.count, min(budget.tokens, MIN_WORKER_TOKENS))
        batches = translation_batches(sources, max(1, worker_tokens // options.width))
        if len(batches) < max(2, self.count // 2):
            return super().search(sources, options, budget, generator, progress, prefixes)
        if self.workers is None:
            function = self._worker_function(TokenBudget(worker_tokens, budget.warn))
            self.workers = WorkerPool(self.count, function)
        calls = [
            ([sources[i] for i in batch], options, select(prefixes, batch)) for batch in batches
        ]
        hypotheses: list[list[Hypothesis]] = [[] for _ in sources]
        try:
            for batch, results in zip(batches, self.workers.map(calls), strict=True):
                for i, result in zip(batch, results, strict=True):
                    hypotheses[i] = result
                progress(len(batch))
        except WorkerLost as error:
            budget.warn(
                f"a worker process was lost, possibly for lack of memory ({error}): "
                "continuing in a single process"
            )
            self.count = 1
            remaining = [i for i, result in enumerate(hypotheses) if not result]
            rest = [sources[i] for i in remaining]
            results = super().search(
                rest, options, budget, generator, progress, select(prefixes, remaining)
            )
            for i, result in zip(remaining, results, strict=True):
                hypotheses[i] = result
        return hypotheses

    def _worker_function(self, budget: TokenBudget) -> Callable[..., list[list[Hypothesis]]]:
        """Return the function that searches a batch in a worker.

        Each worker has its own copy of `budget`. The function must not refer to `self`: `self`
        holds the pool, the pool holds the function, and the cycle would keep the processes alive.
        """
        engine = SearchEngine(self.searched, self.device, self.precision)
        generator = torch.Generator()  # unused: workers never sample
        return lambda sources, options, prefixes=None: engine.search(
            sources, options, budget, generator, lambda _: None, prefixes
        )

    def score(
        self, tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]], budget: TokenBudget
    ) -> list[PairScore]:
        return score_pairs(self.models, tokenizer, pairs, budget, self.precision)
