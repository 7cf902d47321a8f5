"""Ranks that start: one that fails, or is missing, does not let the others wait."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch.distributed as dist

from helpers.gloo_ranks import free_port
from mt.cli import run_command
from mt.errors import MTError, ProcessLost, UsageError
from mt.training import joining
from mt.training.distributed import join_group
from mt.training.joining import FAILURE, Launch, Start, finish_start, starting, token_key

HOST = socket.gethostname()
MISSING = "error: no such file: a.en\n"


def fail() -> None:
    raise MTError("no such file: a.en")


def fail_after_joining() -> None:
    join_group()
    time.sleep(0.5)
    fail()


def fail_by_a_bug() -> None:
    raise ValueError("a bug")


def start_late() -> None:
    time.sleep(0.5)
    join_group()


def join() -> None:
    join_group()


def prepare() -> None:
    join_group()
    deadline = time.monotonic() + 50
    while time.monotonic() < deadline:
        sum(range(1000))


def wait_for_the_text() -> None:
    join_group().all_gather("text")


def train() -> None:
    group = join_group()
    group.all_gather(None)
    finish_start()
    if group.rank == 1:
        fail()
    group.all_gather("a checkpoint")


class Ranks:
    """Forked processes that are started as by hand, without torchrun."""

    def __init__(self, folder: Path, works: list[Callable[[], None] | None]) -> None:
        self.logs = [folder / f"log-{rank}" for rank in range(len(works))]
        port, fork = free_port(), multiprocessing.get_context("fork")
        self.processes = {
            rank: fork.Process(target=self.run, args=(rank, port, work), daemon=True)
            for rank, work in enumerate(works)
            if work
        }
        for process in self.processes.values():
            process.start()

    def run(self, rank: int, port: int, work: Callable[[], None]) -> None:
        launch = (rank, len(self.logs), "127.0.0.1", port)
        for name, value in zip(
            ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"), launch, strict=True
        ):
            os.environ[name] = str(value)
        with self.logs[rank].open("w") as sys.stderr:
            try:
                with starting():
                    run_command(work)
            except SystemExit as stop:
                sys.stderr.flush()
                os._exit(int(str(stop.code)))

    def ends(self) -> list[tuple[int | None, str]]:
        """Return the exit code and the log of each rank. They must end within a minute."""
        for process in self.processes.values():
            process.join(20)
        ends = [
            (process.exitcode, self.logs[rank].read_text())
            for rank, process in self.processes.items()
        ]
        for process in self.processes.values():
            process.kill()
        return ends


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "LOOK_SECONDS", 0.1)


@pytest.mark.parametrize("failing", [0, 1])  # rank 0 holds the store
@pytest.mark.parametrize(
    ("failure", "other"),
    [
        (fail, start_late),
        (fail, join),
        (fail_after_joining, prepare),
        (fail_after_joining, wait_for_the_text),
    ],
)
def test_the_reason_of_a_rank_that_fails_ends_all(tmp_path, failing, failure, other) -> None:
    works = [other, other, other]
    works[failing] = failure
    ends = Ranks(tmp_path, works).ends()
    assert ends.pop(failing) == (1, MISSING)
    for code, log in ends:
        assert code == 1
        assert log == f"error: rank {failing} on {HOST} has failed: no such file: a.en\n"


def test_ranks_that_fail_alike_do_not_wait_for_each_other(tmp_path) -> None:
    assert Ranks(tmp_path, [fail, fail]).ends() == [(1, MISSING)] * 2


def test_a_bug_in_one_rank_ends_all(tmp_path) -> None:
    code, log = Ranks(tmp_path, [join, fail_by_a_bug]).ends()[0]
    assert code == 1 and log.endswith(f"rank 1 on {HOST} has failed: its log says why\n")


def test_the_end_of_a_rank_in_training_is_told_by_its_connection(tmp_path) -> None:
    lost, failed = Ranks(tmp_path, [train, train]).ends()
    assert failed == (1, MISSING)
    assert lost[0] == 1 and "another process of this training has ended: the same" in lost[1]


@pytest.mark.parametrize(
    ("works", "missing"),
    [([join, None, None], "rank 1, 2 of 3"), ([None, join], "rank 0 at 127.0.0.1:")],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_rank_that_waits_says_for_which_and_a_signal_ends_it(
    tmp_path, monkeypatch, works, missing, number
) -> None:
    monkeypatch.setattr(joining, "PATIENCE_SECONDS", 0.1)
    ranks = Ranks(tmp_path, works)
    logs = [ranks.logs[rank] for rank in ranks.processes]
    deadline = time.monotonic() + 20
    while not all(log.exists() and "waiting" in log.read_text() for log in logs):
        assert time.monotonic() < deadline, [log.read_text() for log in logs if log.exists()]
        time.sleep(0.05)
    for process in reversed(ranks.processes.values()):  # rank 0 holds the store
        os.kill(process.pid, number)
        process.join(20)
    for code, log in ranks.ends():
        assert code == 128 + number
        assert f"waiting for {missing}" in log and log.endswith("interrupted\n")


def test_the_end_of_rank_0_ends_those_that_wait_with_it(tmp_path) -> None:
    def end() -> None:
        joining.shared_store()
        time.sleep(1)
        os._exit(0)

    code, log = Ranks(tmp_path, [end, join, None]).ends()[1]
    assert (code, log) == (1, "error: rank 0 has ended before the training began\n")


def test_a_rank_that_never_comes_is_named(monkeypatch) -> None:
    with pytest.raises(ProcessLost, match=r"^rank 1 of 2 did not start within 0 minutes"):
        joining.agree_on_name(dist.HashStore(), 0, 2, timeout=0.2)


def test_the_failure_of_a_rank_that_torchrun_replaces_does_not_end_its_successors() -> None:
    start = Start()
    start.launch = Launch(0, 2, "", 0, is_restartable=True, holds_store=False)
    start.store = dist.HashStore()
    start.check()
    start.store.set(token_key(1), "before")
    start.store.set(FAILURE, json.dumps((1, "before", "it failed")))
    start.check()  # torchrun may be about to replace it
    assert start.failure() == "it failed"
    start.first_seen -= joining.RESTART_SECONDS
    with pytest.raises(ProcessLost, match="it failed"):
        start.check()
    start.store.set(token_key(1), "after")
    start.check()
    assert start.failure() == ""


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("2", "2", "29500"), "RANK must be < WORLD_SIZE=2, got 2"),
        (("x", "2", "29500"), "must be numbers .*'x'"),
        (("0", "2", ""), "must be numbers"),
    ],
)
def test_impossible_variables_are_refused(monkeypatch, values, message) -> None:
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    for name, value in zip(("RANK", "WORLD_SIZE", "MASTER_PORT"), values, strict=True):
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=message):
        join_group()


def test_a_port_that_is_taken_is_named(monkeypatch) -> None:
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        port = other.getsockname()[1]
        launch = Launch(0, 2, "localhost", port, is_restartable=False, holds_store=True)
        with pytest.raises(MTError, match=rf"^no connection .* at localhost:{port}: .*in use"):
            joining.connect(launch)
