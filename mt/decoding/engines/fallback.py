"""CTranslate2, and PyTorch for what it does not support."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence

import torch

from mt.data.tokenizer import Tokenizer
from mt.decoding.engines.ctranslate2 import CTranslate2Engine
from mt.decoding.engines.engine import Engine, Sources, Unsupported
from mt.decoding.options import SearchOptions
from mt.decoding.prefixes import Prefixes
from mt.decoding.scoring import PairScore
from mt.decoding.search import Hypothesis
from mt.decoding.token_budget import TokenBudget
from mt.models.seq2seq import Seq2Seq


class FallbackEngine:
    """CTranslate2 on the CPU. PyTorch steps in; its model is loaded when that happens."""

    device = torch.device("cpu")

    def __init__(
        self,
        fast: CTranslate2Engine,
        load_slow: Callable[[], Engine],
        say: Callable[[str], None],
    ) -> None:
        """`say` is told the first time that PyTorch searches, and why."""
        self.fast, self._load_slow = fast, load_slow
        self.concurrent = fast.concurrent
        self.slow_lock = threading.Lock()  # whoever computes with `slow` holds it
        self._say: Callable[[str], None] | None = say

    @functools.cached_property
    def slow(self) -> Engine:
        """The PyTorch engine."""
        return self._load_slow()

    @property
    def models(self) -> list[Seq2Seq]:
        """The PyTorch models, from which attention is read."""
        return self.slow.models

    def check(self, options: SearchOptions) -> None:
        try:
            self.fast.check(options)
        except Unsupported:
            self.slow.check(options)

    def search(
        self,
        sources: Sources,
        options: SearchOptions,
        budget: TokenBudget,
        generator: torch.Generator,
        progress: Callable[[int], None],
        prefixes: Prefixes | None = None,
    ) -> list[list[Hypothesis]]:
        arguments = (sources, options, budget, generator, progress, prefixes)
        try:
            self.fast.check(options)
            return self.fast.search(*arguments)
        except Unsupported as error:
            self._explain(error)
            with self.slow_lock:
                return self.slow.search(*arguments)

    def score(
        self, tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]], budget: TokenBudget
    ) -> list[PairScore]:
        try:
            return self.fast.score(tokenizer, pairs, budget)
        except Unsupported as error:
            self._explain(error)
            with self.slow_lock:
                return self.slow.score(tokenizer, pairs, budget)

    def _explain(self, error: Unsupported) -> None:
        if self._say:
            self._say(f"computing with PyTorch: {error.reason}")
            self._say = None
