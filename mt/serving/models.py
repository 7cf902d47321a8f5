"""All models of a server, by language pair."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mt.data.language_names import language_name
from mt.data.languages import find_language
from mt.errors import UsageError
from mt.inspection.inspector import Inspector
from mt.serving.metrics import Metrics
from mt.serving.model import ServedModel
from mt.serving.texts import Route

WINDOW_SECONDS = 0.005


def check_pairs(models: Sequence[tuple[str, tuple[str, str]]]) -> None:
    """Raise UsageError if models, given as (name, languages), do not have different pairs."""
    names: dict[tuple[str, str], str] = {}
    for name, (source, target) in models:
        if not source or not target or source == target:
            raise UsageError(
                f"{name} translates from {source or '?'} to {target or '?'}: mt-serve needs two "
                "languages (data.src_lang, data.tgt_lang)"
            )
        if other := names.get((source, target)):
            raise UsageError(f"{other} and {name} both translate {source}-{target}")
        names[source, target] = name


@dataclass(frozen=True)
class Offer:
    """Translation from each of the `sources` to each other one of the `targets`."""

    models: tuple[ServedModel, ...]  # one, or two that chain
    between: str = ""  # the language between two

    @property
    def sources(self) -> list[str]:
        return self.models[0].sources

    @property
    def targets(self) -> list[str]:
        return self.models[-1].targets

    def has(self, source: str, target: str) -> bool:
        """Return whether a pair is offered."""
        return source != target and source in self.sources and target in self.targets

    def has_more_than(self, others: Sequence[Offer]) -> bool:
        """Return whether a pair is offered that none of the others has."""
        return any(
            source != target and not any(other.has(source, target) for other in others)
            for source, target in itertools.product(self.sources, self.targets)
        )

    def route(self, source: str, target: str) -> Route:
        """Return the route of a pair that is offered."""
        if len(self.models) == 1:
            return Route((self.models[0].between(source, target),))
        first, second = self.models
        return Route((first.between(source, self.between), second.between(self.between, target)))

    def __str__(self) -> str:
        pairs = [f"{s}-{t}" for s in self.sources for t in self.targets if s != t]
        names = " and ".join(model.name for model in self.models)
        return pairs[0] if len(pairs) == 1 else f"{len(pairs):,} pairs of languages by {names}"

    def describe(self) -> dict[str, Any]:
        """Return what the models can do."""
        route = Route(self.models)
        return {
            "sources": self.sources,
            "targets": self.targets,
            "models": [model.name for model in self.models],
            "attention": route.attends,
            "alternatives": route.max_alternatives,
            "tags": list(route.tags),
            "tag": self.models[0].inspector.translator.tag,
        }


class Models:
    """Models of different pairs, which share one thread for what PyTorch computes on all cores.

    CTranslate2 computes on one core for each search, so its searches have threads of their own.
    """

    def __init__(
        self, metrics: Metrics, pivot: bool = False, window_seconds: float = WINDOW_SECONDS
    ) -> None:
        """Initialise without models; with `pivot`, two models that chain make a further pair."""
        self.metrics, self.pivot, self.window_seconds = metrics, pivot, window_seconds
        self.executor = ThreadPoolExecutor(1, "search")
        self.executors = [self.executor]  # all
        self.models: list[ServedModel] = []

    def add(
        self,
        name: str,
        languages: tuple[str, str],
        inspector: Inspector,
        tags: Sequence[str] = (),
    ) -> None:
        """Add a model; `tags` are those from which requests may choose.

        A multilingual model knows its languages itself. Raises UsageError if those of another one
        are unknown or already served.
        """
        if inspector.translator.tokenizer.languages is None:
            served = [(m.name, (m.source, m.target)) for m in self.models if not m.languages]
            check_pairs([*served, (name, languages)])
        for known in ("offers", "targets"):
            self.__dict__.pop(known, None)
        searches = self.executor
        if (concurrent := inspector.translator.engine.concurrent) > 1:
            searches = ThreadPoolExecutor(concurrent, f"search {name}")
            self.executors.append(searches)
        self.models.append(
            ServedModel.create(
                name,
                languages,
                inspector,
                self.executor,
                searches,
                self.window_seconds,
                self.metrics,
                tags,
            )
        )

    @cached_property
    def offers(self) -> list[Offer]:
        """Return what is offered, the best first.

        Models of one pair come before multilingual ones, and chains of two models last.
        """
        models = sorted(self.models, key=lambda model: len(model.languages) > 0)
        offers = [Offer((model,)) for model in models]
        if self.pivot:
            for first, second in itertools.permutations(models, 2):
                between = next((code for code in first.targets if code in second.sources), "")
                chain = Offer((first, second), between)
                if between and chain.has_more_than(offers):
                    offers.append(chain)
        return offers

    def route(self, source: str, target: str) -> Route:
        """Return the route between two languages, whose codes may have another form.

        Raises UsageError if there is none, or if a code may stand for several languages.
        """
        try:
            source = find_language(source, list(self.targets))
            target = find_language(target, self.targets[source])
        except UsageError as error:
            raise UsageError(f"{source}-{target} is not supported: {error}") from None
        return next(o.route(source, target) for o in self.offers if o.has(source, target))

    @cached_property
    def targets(self) -> dict[str, list[str]]:
        """Return the languages into which a text can be translated, by its language."""
        targets: dict[str, dict[str, None]] = {}
        for offer in self.offers:
            for source in offer.sources:
                found = targets.setdefault(source, {})
                found.update((code, None) for code in offer.targets if code != source)
        return {source: list(found) for source, found in targets.items() if found}

    def sources_of(self, target: str) -> list[str]:
        """Return the languages from which a text can be translated to `target`.

        Raises UsageError if there are none.
        """
        target = find_language(target, list(dict.fromkeys(itertools.chain(*self.targets.values()))))
        return [source for source, targets in self.targets.items() if target in targets]

    def languages(self) -> list[dict[str, Any]]:
        """Return all languages with the targets of each, as LibreTranslate does.

        Languages with the same name, such as aka and twi, have their codes in their names.
        """
        codes = dict.fromkeys([*self.targets, *itertools.chain(*self.targets.values())])
        names = {code: language_name(code) for code in codes}
        counts = Counter(names.values())
        return [
            {
                "code": code,
                "name": name if counts[name] == 1 else f"{name} ({code})",
                "targets": self.targets.get(code, []),
            }
            for code, name in names.items()
        ]

    def default_languages(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the languages of the first model, with their names."""
        first = self.models[0]
        source, target = (
            {"code": code, "name": language_name(code)} for code in (first.source, first.target)
        )
        return source, target

    def describe(self) -> list[dict[str, Any]]:
        """Return what is offered, with what each model can do."""
        return [offer.describe() for offer in self.offers]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let the queues run; at the end, wait for the searches that run."""
        tasks: Sequence[asyncio.Task[None]] = [
            asyncio.create_task(model.queue.run()) for model in self.models
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for executor in self.executors:
                await asyncio.to_thread(executor.shutdown)
