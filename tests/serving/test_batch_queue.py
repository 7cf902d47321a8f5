"""Batches that requests share: their order, their size, and what becomes of errors."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import torch

from mt.decoding.options import SearchOptions
from mt.decoding.prefixes import Prefixes
from mt.decoding.search import Hypothesis
from mt.serving.batch_queue import BatchQueue, Rows, Search, SearchBatch, cancel

ONE = Search(SearchOptions(beam=1))
Stop = Callable[[int], None]


def echo(rows: Rows, search: Search, stop: Stop) -> list[list[Hypothesis]]:
    """Find the source itself, as often as there are candidates."""
    return [[Hypothesis(row, 0.0, 0.0, True)] * search.options.candidates for row in rows]


class Recorder:
    """Records batches; waits before each until `go` is set."""

    def __init__(self) -> None:
        self.batches: list[Rows] = []
        self.go = threading.Event()

    def __call__(self, rows: Rows, search: Search, stop: Stop) -> list[list[Hypothesis]]:
        assert self.go.wait(30)
        self.batches.append(rows)
        return echo(rows, search, stop)


def with_queue(
    search: SearchBatch,
    test: Callable[[BatchQueue], Coroutine[Any, Any, None]],
    batch_tokens: int = 100,
    concurrent: int = 1,
) -> None:
    async def run() -> None:
        with ThreadPoolExecutor(concurrent) as executor:
            queue = BatchQueue(search, executor, batch_tokens, 0.001, concurrent=concurrent)
            task = asyncio.create_task(queue.run())
            try:
                await asyncio.wait_for(test(queue), 30)
            finally:
                task.cancel()

    asyncio.run(run())


def test_every_part_gets_its_own_result_and_as_many_as_it_asked_for() -> None:
    async def test(queue: BatchQueue) -> None:
        searches = [Search(SearchOptions(beam=3, nbest=1 + n % 3)) for n in range(20)]
        requests = [
            queue.submit([[n, m] for m in range(5)], search) for n, search in enumerate(searches)
        ]
        for n, futures in enumerate(requests):
            for m, found in enumerate([await future for future in futures]):
                assert [hypothesis.tokens for hypothesis in found] == [[n, m]] * (3 if n % 3 else 1)
        assert len(queue) == 0

    with_queue(echo, test, batch_tokens=60)


def test_a_batch_takes_a_part_of_each_request_in_turn() -> None:
    recorder = Recorder()

    async def test(queue: BatchQueue) -> None:
        first = queue.submit([[0]], ONE)
        await asyncio.sleep(0.05)  # its batch is being searched
        long, short = queue.submit([[1, n] for n in range(6)], ONE), queue.submit([[2], [3]], ONE)
        recorder.go.set()
        await asyncio.gather(*first, *long, *short)

    with_queue(recorder, test, batch_tokens=10)
    assert recorder.batches == [
        [[0]],
        [[1, 0], [2], [1, 1], [3]],  # 3 + 2 + 3 + 2 tokens with EOS
        [[1, 2], [1, 3], [1, 4]],
        [[1, 5]],
    ]


def test_requests_share_batches_if_their_options_are_equal() -> None:
    recorder = Recorder()
    searches: list[Search] = []

    def search(rows: Rows, how: Search, stop: Stop) -> list[list[Hypothesis]]:
        found = recorder(rows, how, stop)
        searches.append(how)
        return found

    narrow, other = SearchOptions(beam=2), SearchOptions(beam=2, no_repeat_ngram=3)
    prefixes = Prefixes([[[7]], [], [[8]]], [])
    samples = SearchOptions(sample=True)

    async def test(queue: BatchQueue) -> None:
        first = queue.submit([[0]], Search(narrow))
        await asyncio.sleep(0.05)  # its batch is being searched
        rest = [
            queue.submit([[1], [2], [3]], Search(narrow)),
            queue.submit([[4]], Search(other)),
            queue.submit([[5], [6], [7]], Search(narrow, prefixes=prefixes)),
            queue.submit([[8]], Search(samples, torch.Generator())),
            queue.submit([[9]], Search(samples, torch.Generator())),
            queue.submit([[10]], Search(replace(narrow, nbest=2))),
            queue.submit([[11]], Search(narrow, prefixes=Prefixes([[]], [], start=[1]))),
            queue.submit([[12]], Search(narrow, prefixes=Prefixes([[]], [], start=[2]))),
            queue.submit([[13]], Search(narrow, prefixes=Prefixes([[]], [], start=[1]))),
        ]
        recorder.go.set()
        await asyncio.gather(*first, *(future for request in rest for future in request))

    with_queue(search, test, batch_tokens=12)  # three parts of two tokens, two hypotheses each
    assert recorder.batches == [
        [[0]], [[1], [10], [2]], [[4]], [[5], [6], [7]], [[8]], [[9]], [[11], [13]], [[12]], [[3]],
    ]  # fmt: skip
    assert [how.options.nbest for how in searches] == [1, 2, 1, 1, 1, 1, 1, 1, 1]
    starts = [Prefixes([[], []], [], start=[1]), Prefixes([[]], [], start=[2])]
    assert [how.prefixes for how in searches] == [None] * 3 + [prefixes, None, None, *starts, None]


def test_prefixes_belong_to_their_parts_in_each_batch() -> None:
    found: list[Prefixes | None] = []

    def search(rows: Rows, how: Search, stop: Stop) -> list[list[Hypothesis]]:
        found.append(how.prefixes)
        return echo(rows, how, stop)

    async def test(queue: BatchQueue) -> None:
        prefixes = Prefixes([[[7]], [], [[8]]], [])
        await asyncio.gather(*queue.submit([[1], [2], [3]], Search(ONE.options, prefixes=prefixes)))

    with_queue(search, test, batch_tokens=2)
    assert found == [Prefixes([[[7]]], []), None, Prefixes([[[8]]], [])]


def test_a_part_that_is_longer_than_a_batch_is_searched_alone() -> None:
    recorder = Recorder()
    recorder.go.set()

    async def test(queue: BatchQueue) -> None:
        await asyncio.gather(*queue.submit([[1], [2] * 50, [3]], ONE))

    with_queue(recorder, test, batch_tokens=10)
    assert recorder.batches == [[[1]], [[2] * 50], [[3]]]


def test_what_nobody_waits_for_is_not_searched() -> None:
    recorder = Recorder()

    async def test(queue: BatchQueue) -> None:
        first, gone = queue.submit([[0]], ONE), queue.submit([[1], [2]], ONE)
        await asyncio.sleep(0.05)
        late = queue.submit([[3], [4]], ONE)
        cancel(gone + late[:1])
        assert len(queue) == 1
        recorder.go.set()
        await asyncio.gather(*first, late[1])
        assert len(queue) == 0

    with_queue(recorder, test)
    assert recorder.batches == [[[0], [1], [2]], [[4]]]


def test_a_search_ends_when_the_last_client_of_its_batch_has_gone() -> None:
    steps: list[int] = []
    pace = threading.Semaphore(0)

    def search(rows: Rows, how: Search, stop: Stop) -> list[list[Hypothesis]]:
        while len(steps) < 100:
            assert pace.acquire(timeout=30)
            stop(0)
            steps.append(len(rows))
        return echo(rows, how, stop)

    async def test(queue: BatchQueue) -> None:
        requests = [queue.submit([[n], [n]], ONE) for n in range(2)]
        for number, request in enumerate(requests, start=1):
            pace.release()
            while len(steps) < number:
                await asyncio.sleep(0.01)
            cancel(request)
        pace.release()  # the step at which it notices
        (next_one,) = queue.submit([[7]], ONE)
        pace.release(100)
        assert (await next_one)[0].tokens == [7]

    with_queue(search, test)
    assert steps == [4, 4] + [1] * 98


def test_an_error_belongs_to_its_batch_and_the_queue_goes_on() -> None:
    def search(rows: Rows, how: Search, stop: Stop) -> list[list[Hypothesis]]:
        if [13] in rows:
            raise ValueError("unlucky")
        return echo(rows, how, stop)

    async def test(queue: BatchQueue) -> None:
        (bad,) = queue.submit([[13]], ONE)
        with pytest.raises(ValueError, match="unlucky"):
            await bad
        (good,) = queue.submit([[7]], ONE)
        assert (await good)[0].tokens == [7]

    with_queue(search, test)


def test_batches_are_observed_with_their_parts_and_tokens() -> None:
    seen: list[tuple[int, int]] = []

    async def test(queue: BatchQueue) -> None:
        queue.observe = lambda parts, tokens: seen.append((parts, tokens))
        await asyncio.gather(*queue.submit([[1, 2], [3]], ONE))

    with_queue(echo, test)
    assert seen == [(2, 5)]


def test_as_many_batches_are_searched_at_the_same_time_as_the_engine_can() -> None:
    both = threading.Barrier(2)

    def meet(rows: Rows, search: Search, stop: Stop) -> list[list[Hypothesis]]:
        both.wait(20)  # raises an error if the other batch does not begin
        return echo(rows, search, stop)

    async def test(queue: BatchQueue) -> None:
        for _ in range(3):
            (first,) = queue.submit([[1]], Search(SearchOptions(beam=1)))
            await asyncio.sleep(0.05)  # the batch of the first is searched
            (second,) = queue.submit([[2]], Search(SearchOptions(beam=1)))
            found = await asyncio.gather(first, second)
            assert [hypotheses[0].tokens for hypotheses in found] == [[1], [2]]

    with_queue(meet, test, concurrent=2)
