"""Batches that many requests share.

The parts of a request wait in a queue of their own, and a batch takes one part of each request in
turn: a short text does not wait for all of a long one. While the engine searches as many batches as
it can, the parts that arrive form the next one. Requests with other search options have batches of
their own, in turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import torch

from mt.decoding.options import SearchOptions
from mt.decoding.prefixes import Prefixes, Sequences
from mt.decoding.search import Hypothesis

Rows = list[list[int]]  # the pieces of each part, without EOS
Found = asyncio.Future[list[Hypothesis]]


@dataclass(frozen=True, eq=False)
class Search:
    """Settings with which the parts of a request, or those of a batch, are searched."""

    options: SearchOptions
    generator: torch.Generator | None = None  # of samples
    prefixes: Prefixes | None = None  # of all parts; with the target language, if it is a choice

    @property
    def key(self) -> Hashable:
        """Requests with the same key share batches.

        Samples do not, so that their random numbers depend on nothing but the request.
        """
        if self.generator or (self.prefixes and self.prefixes.has_text):
            return self
        return replace(self.options, nbest=1), tuple(self.prefixes.start) if self.prefixes else ()


# Called with the rows of a batch, their search, and a function to call now and then, which raises
# Abandoned if nobody waits for the results any more.
SearchBatch = Callable[[Rows, Search, Callable[[int], None]], list[list[Hypothesis]]]


class Abandoned(Exception):
    """Nobody waits for the results of a search any more."""


@dataclass(frozen=True)
class WaitingPart:
    """A part that is not translated yet."""

    pieces: list[int]
    begun: Sequences  # how its translation may begin; none: in any way
    search: Search
    found: Found  # cancelled if nobody waits for it any more


class BatchQueue:
    """A queue before one engine. Its methods must be called in the thread of the event loop."""

    def __init__(
        self,
        search: SearchBatch,
        executor: Executor,
        batch_tokens: int,
        window_seconds: float,
        observe: Callable[[int, int], None] = lambda parts, tokens: None,
        concurrent: int = 1,
    ) -> None:
        """Initialise the queue; `run` must run as a task.

        Args:
            search: returns the hypotheses of rows, best first; called in `executor`. It ends early
                if all clients of the batch have gone.
            executor: where batches are searched.
            batch_tokens: maximum number of source tokens of a batch, EOS included, each hypothesis
                counted. A longer part is a batch of its own.
            window_seconds: how long the first part waits for others if the engine is idle and the
                last batch had parts of several requests. A client alone never waits.
            observe: called with the numbers of parts and tokens of each batch.
            concurrent: number of batches that are searched at the same time.
        """
        self.search, self.executor = search, executor
        self.batch_tokens, self.window_seconds = batch_tokens, window_seconds
        self.observe, self.concurrent = observe, concurrent
        # By the keys of their searches; the first has the next batch.
        self.requests: dict[Hashable, deque[deque[WaitingPart]]] = {}
        self.arrived = asyncio.Event()
        self.is_shared = False  # whether the last batch had parts of several requests

    def __len__(self) -> int:
        """Return the number of waiting parts."""
        return sum(
            not part.found.done()
            for requests in self.requests.values()
            for request in requests
            for part in request
        )

    def submit(self, rows: Rows, search: Search) -> list[Found]:
        """Add the parts of a request; return a future for the hypotheses of each.

        To give up, cancel the futures.
        """
        loop = asyncio.get_running_loop()
        begun = search.prefixes.sequences if search.prefixes else [[] for _ in rows]
        request = deque(
            WaitingPart(*part, search, loop.create_future())
            for part in zip(rows, begun, strict=True)
        )
        if request:
            self.requests.setdefault(search.key, deque()).append(request)
            self.arrived.set()
        return [part.found for part in request]

    async def run(self) -> None:
        """Search batches until this task is cancelled."""
        await asyncio.gather(*(self._search_batches() for _ in range(self.concurrent)))

    async def _search_batches(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self.requests:
                self.arrived.clear()
                await self.arrived.wait()
                await asyncio.sleep(self.window_seconds if self.is_shared else 0)
                continue  # another batch may have taken them meanwhile
            batch = self.take_batch()
            if not batch:
                continue
            self.is_shared = any(part.search is not batch[0].search for part in batch)
            rows = [part.pieces for part in batch]
            self.observe(len(rows), sum(len(row) + 1 for row in rows))
            try:
                results = await loop.run_in_executor(
                    self.executor, self.search, rows, join_searches(batch), stop_if_abandoned(batch)
                )
            except Exception as error:  # which belongs to the requests, not to the queue
                for part in batch:
                    if not part.found.done():
                        part.found.set_exception(error)
                continue
            for part, hypotheses in zip(batch, results, strict=True):
                if not part.found.done():
                    part.found.set_result(hypotheses[: part.search.options.candidates])

    def take_batch(self) -> list[WaitingPart]:
        """Remove and return the parts of the next batch; drop those that nobody waits for."""
        batch: list[WaitingPart] = []
        tokens = 0
        key = next(iter(self.requests))
        requests = self.requests.pop(key)
        while requests:
            request = requests[0]
            while request and request[0].found.done():
                request.popleft()
            if not request:
                requests.popleft()
                continue
            part = request[0]
            tokens += (len(part.pieces) + 1) * part.search.options.width
            if batch and tokens > self.batch_tokens:
                break
            batch.append(request.popleft())
            requests.rotate(-1)
        if requests:
            self.requests[key] = requests  # behind the others
        return batch


def join_searches(batch: Sequence[WaitingPart]) -> Search:
    """Return the search of the parts of a batch, whose searches have one key."""
    search = batch[0].search
    prefixes = search.prefixes
    if prefixes:
        begun = replace(prefixes, sequences=[part.begun for part in batch])
        prefixes = begun.select(range(len(batch)))
    return replace(
        search,
        options=replace(search.options, nbest=max(part.search.options.nbest for part in batch)),
        prefixes=prefixes,
    )


def stop_if_abandoned(batch: Sequence[WaitingPart]) -> Callable[[int], None]:
    """Return a function, for any thread, that raises Abandoned if nobody waits for a batch."""

    def check(count: int) -> None:
        if all(part.found.done() for part in batch):
            raise Abandoned

    return check


def cancel(futures: Sequence[Found]) -> None:
    """Give up what still waits for these futures; an error among them is nobody's any more."""
    for future in futures:
        if not future.cancel() and not future.cancelled():
            future.exception()  # seen, so that asyncio does not report it
