"""Batches that requests share: their order, their size, and what becomes of errors."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mt.decoding.search import Hypothesis
from mt.serving.batch_queue import BatchQueue, Rows, cancel


def echo(rows: Rows, nbest: int) -> list[list[Hypothesis]]:
    """Find the source itself, `nbest` times."""
    return [[Hypothesis(row, 0.0, 0.0, True)] * nbest for row in rows]


class Recorder:
    """Records batches; waits before each until `go` is set."""

    def __init__(self) -> None:
        self.batches: list[Rows] = []
        self.go = threading.Event()

    def __call__(self, rows: Rows, nbest: int) -> list[list[Hypothesis]]:
        assert self.go.wait(30)
        self.batches.append(rows)
        return echo(rows, nbest)


def with_queue(
    search: Callable[[Rows, int], list[list[Hypothesis]]],
    test: Callable[[BatchQueue], Coroutine[Any, Any, None]],
    batch_tokens: int = 100,
) -> None:
    async def run() -> None:
        with ThreadPoolExecutor(1) as executor:
            queue = BatchQueue(search, executor, batch_tokens, 0.001)
            task = asyncio.create_task(queue.run())
            try:
                await asyncio.wait_for(test(queue), 30)
            finally:
                task.cancel()

    asyncio.run(run())


def test_every_part_gets_its_own_result_and_as_many_as_it_asked_for() -> None:
    async def test(queue: BatchQueue) -> None:
        requests = [queue.submit([[n, m] for m in range(5)], 1 + n % 3) for n in range(20)]
        for n, futures in enumerate(requests):
            for m, found in enumerate([await future for future in futures]):
                assert [hypothesis.tokens for hypothesis in found] == [[n, m]] * (1 + n % 3)
        assert len(queue) == 0

    with_queue(echo, test, batch_tokens=20)


def test_a_batch_takes_a_part_of_each_request_in_turn() -> None:
    recorder = Recorder()

    async def test(queue: BatchQueue) -> None:
        first = queue.submit([[0]], 1)
        await asyncio.sleep(0.05)  # its batch is being searched
        long, short = queue.submit([[1, n] for n in range(6)], 1), queue.submit([[2], [3]], 1)
        recorder.go.set()
        await asyncio.gather(*first, *long, *short)

    with_queue(recorder, test, batch_tokens=10)
    assert recorder.batches == [
        [[0]],
        [[1, 0], [2], [1, 1], [3]],  # 3 + 2 + 3 + 2 tokens with EOS
        [[1, 2], [1, 3], [1, 4]],
        [[1, 5]],
    ]


def test_a_part_that_is_longer_than_a_batch_is_searched_alone() -> None:
    recorder = Recorder()
    recorder.go.set()

    async def test(queue: BatchQueue) -> None:
        await asyncio.gather(*queue.submit([[1], [2] * 50, [3]], 1))

    with_queue(recorder, test, batch_tokens=10)
    assert recorder.batches == [[[1]], [[2] * 50], [[3]]]


def test_what_nobody_waits_for_is_not_searched() -> None:
    recorder = Recorder()

    async def test(queue: BatchQueue) -> None:
        first, gone = queue.submit([[0]], 1), queue.submit([[1], [2]], 1)
        await asyncio.sleep(0.05)
        late = queue.submit([[3], [4]], 1)
        cancel(gone + late[:1])
        assert len(queue) == 1
        recorder.go.set()
        await asyncio.gather(*first, late[1])
        assert len(queue) == 0

    with_queue(recorder, test)
    assert recorder.batches == [[[0], [1], [2]], [[4]]]


def test_an_error_belongs_to_its_batch_and_the_queue_goes_on() -> None:
    def search(rows: Rows, nbest: int) -> list[list[Hypothesis]]:
        if [13] in rows:
            raise ValueError("unlucky")
        return echo(rows, nbest)

    async def test(queue: BatchQueue) -> None:
        (bad,) = queue.submit([[13]], 1)
        with pytest.raises(ValueError, match="unlucky"):
            await bad
        (good,) = queue.submit([[7]], 1)
        assert (await good)[0].tokens == [7]

    with_queue(search, test)


def test_batches_are_observed_with_their_parts_and_tokens() -> None:
    seen: list[tuple[int, int]] = []

    async def test(queue: BatchQueue) -> None:
        queue.observe = lambda parts, tokens: seen.append((parts, tokens))
        await asyncio.gather(*queue.submit([[1, 2], [3]], 1))

    with_queue(echo, test)
    assert seen == [(2, 5)]
