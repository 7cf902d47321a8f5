"""All models of a server, by language pair."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mt.data.language_names import language_name
from mt.errors import UsageError
from mt.inspection.inspector import Inspector
from mt.serving.metrics import Metrics
from mt.serving.model import ServedModel
from mt.serving.steering import invalid
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

        Raises UsageError if its languages are unknown or already served.
        """
        served = [(model.name, (model.source, model.target)) for model in self.models]
        check_pairs([*served, (name, languages)])
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

    def routes(self) -> list[Route]:
        """Return all routes: the models, then the pivots for pairs that have no model."""
        routes = [Route((model,)) for model in self.models]
        if self.pivot:
            pairs = {(route.source, route.target) for route in routes}
            for first in self.models:
                for second in self.models:
                    pair = (first.source, second.target)
                    if first.target == second.source and pair[0] != pair[1] and pair not in pairs:
                        pairs.add(pair)
                        routes.append(Route((first, second)))
        return routes

    def route(self, source: str, target: str) -> Route:
        """Return the route of a pair. Raises HTTPException 400 if there is none."""
        routes = self.routes()
        for route in routes:
            if (route.source, route.target) == (source, target):
                return route
        pairs = ", ".join(f"{route.source}-{route.target}" for route in routes)
        raise invalid(f"{source}-{target} is not supported, only {pairs}")

    def sources_of(self, target: str) -> list[str]:
        """Return the languages from which a text can be translated to `target`."""
        return [route.source for route in self.routes() if route.target == target]

    def languages(self) -> list[dict[str, Any]]:
        """Return all languages with the targets of each, as LibreTranslate does."""
        routes = self.routes()
        codes = dict.fromkeys([r.source for r in routes] + [r.target for r in routes])
        return [
            {
                "code": code,
                "name": language_name(code),
                "targets": [route.target for route in routes if route.source == code],
            }
            for code in codes
        ]

    def default_languages(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the languages of the first model, with their names."""
        first = self.models[0]
        source, target = (
            {"code": code, "name": language_name(code)} for code in (first.source, first.target)
        )
        return source, target

    def describe(self) -> list[dict[str, Any]]:
        """Return what each pair can do."""
        return [
            {
                "source": route.source,
                "target": route.target,
                "models": [model.name for model in route.models],
                "attention": route.attends,
                "alternatives": route.max_alternatives,
                "tags": list(route.tags),
            }
            for route in self.routes()
        ]

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
