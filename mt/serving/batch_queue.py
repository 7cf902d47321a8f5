"""Batches that many requests share.

The parts of a request wait in a queue of their own, and a batch takes one part of each request in
turn: a short text does not wait for all of a long one. While a batch is searched, the parts that
arrive form the next one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from mt.decoding.search import Hypothesis

Rows = list[list[int]]  # the pieces of each part, without EOS
SearchBatch = Callable[[Rows, int], list[list[Hypothesis]]]
Found = asyncio.Future[list[Hypothesis]]


@dataclass(frozen=True)
class WaitingPart:
    """A part that is not translated yet."""

    pieces: list[int]
    nbest: int
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
    ) -> None:
        """Initialise the queue; `run` must run as a task.

        Args:
            search: searches rows for as many hypotheses each as requested; called in `executor`.
            executor: where batches are searched.
            batch_tokens: maximum number of source tokens of a batch, EOS included. A longer part is
                a batch of its own.
            window_seconds: how long the first part waits for others if the engine is idle.
            observe: called with the numbers of parts and tokens of each batch.
        """
        self.search, self.executor = search, executor
        self.batch_tokens, self.window_seconds = batch_tokens, window_seconds
        self.observe = observe
        self.requests: deque[deque[WaitingPart]] = deque()
        self.arrived = asyncio.Event()

    def __len__(self) -> int:
        """Return the number of waiting parts."""
        return sum(not part.found.done() for request in self.requests for part in request)

    def submit(self, rows: Rows, nbest: int) -> list[Found]:
        """Add the parts of a request; return a future for the `nbest` hypotheses of each.

        To give up, cancel the futures.
        """
        loop = asyncio.get_running_loop()
        request = deque(WaitingPart(row, nbest, loop.create_future()) for row in rows)
        if request:
            self.requests.append(request)
            self.arrived.set()
        return [part.found for part in request]

    async def run(self) -> None:
        """Search batches until this task is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            if not self.requests:
                self.arrived.clear()
                await self.arrived.wait()
                await asyncio.sleep(self.window_seconds)
            batch = self.take_batch()
            if not batch:
                continue
            rows, nbest = [part.pieces for part in batch], max(part.nbest for part in batch)
            self.observe(len(rows), sum(len(row) + 1 for row in rows))
            try:
                results = await loop.run_in_executor(self.executor, self.search, rows, nbest)
            except Exception as error:  # which belongs to the requests, not to the queue
                for part in batch:
                    if not part.found.done():
                        part.found.set_exception(error)
                continue
            for part, hypotheses in zip(batch, results, strict=True):
                if not part.found.done():
                    part.found.set_result(hypotheses[: part.nbest])

    def take_batch(self) -> list[WaitingPart]:
        """Remove and return the parts of the next batch; drop those that nobody waits for."""
        batch: list[WaitingPart] = []
        tokens = 0
        while self.requests:
            request = self.requests[0]
            while request and request[0].found.done():
                request.popleft()
            if not request:
                self.requests.popleft()
                continue
            tokens += len(request[0].pieces) + 1
            if batch and tokens > self.batch_tokens:
                break
            batch.append(request.popleft())
            self.requests.rotate(-1)
        return batch


def cancel(futures: Sequence[Found]) -> None:
    """Give up what still waits for these futures; an error among them is nobody's any more."""
    for future in futures:
        if not future.cancel() and not future.cancelled():
            future.exception()  # seen, so that asyncio does not report it
