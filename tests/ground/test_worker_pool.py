"""Processes that share the calls of one function: order, bounds, and errors."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from mt.errors import MTError, UsageError
from mt.worker_pool import AHEAD, map_in_order

NAMES = ("/dev/null", "/dev/null", "/nowhere")

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="processes are forked on Linux only"
)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_come_in_the_order_of_the_calls(count: int) -> None:
    def slow_first(number: int, factor: int) -> tuple[int, int]:
        time.sleep(0.05 if number % 4 == 0 else 0)
        return number * factor, os.getpid()

    results = list(map_in_order(count, slow_first, ((number, 3) for number in range(20))))
    assert [value for value, _ in results] == [3 * number for number in range(20)]
    processes = {process for _, process in results}
    assert (os.getpid() in processes) == (count == 1) and len(processes) <= count
    assert list(map_in_order(count, slow_first, [(2, 2)])) == [(4, os.getpid())]
    assert list(map_in_order(count, slow_first, [])) == []


def test_few_calls_are_begun_before_their_results_are_taken() -> None:
    begun = 0

    def calls() -> object:
        nonlocal begun
        for number in range(100):
            begun += 1
            yield (number,)

    results = map_in_order(2, abs, calls())
    assert next(results) == 0 and begun == 2 * AHEAD
    assert next(results) == 1 and begun == 2 * AHEAD + 1
    results.close()


def test_errors_of_the_function_and_lost_processes_are_raised() -> None:
    def fail(number: int) -> int:
        if number == 3:
            raise UsageError("three")
        if number == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    for count in (1, 2):
        with pytest.raises(UsageError, match="three"):
            list(map_in_order(count, fail, ((number,) for number in range(4))))
        with pytest.raises(FileNotFoundError, match="nowhere"):  # of the calls: no process is lost
            list(map_in_order(count, abs, ((Path(name).stat().st_size,) for name in NAMES)))
    with pytest.raises(MTError, match=r"one of 2 processes was lost.*set data\.workers to a"):
        list(map_in_order(2, fail, ((number,) for number in range(5, 9))))


def test_processes_that_cannot_be_started_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise BlockingIOError("too many processes")

    monkeypatch.setattr(os, "fork", fork)
    with pytest.raises(MTError, match="lost.*too many processes"):
        list(map_in_order(2, abs, [(1,), (2,)]))
