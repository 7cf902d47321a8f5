"""Processes that share the batches of one training on a CPU."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import mt
from helpers.training_runs import checkpoint_state, checkpoint_tensors, run_training
from mt.errors import MTError, ProcessLost
from mt.training.distributed import ProcessGroup
from mt.training.forked_ranks import MAX_MESSAGE_BYTES, forked_ranks
from mt.training.muon import Muon

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ranks are forked on Linux only")


def on_ranks(count: int, work: Callable[[ProcessGroup], list[Tensor]]) -> list[list[Tensor]]:
    """Return the tensors that `work` returns on each rank, in float32."""

    def run(group: ProcessGroup) -> list[list[np.ndarray]]:
        return group.all_gather([tensor.float().numpy() for tensor in work(group)])

    with forked_ranks(ProcessGroup(), count, run) as group:
        return [list(map(torch.from_numpy, arrays)) for arrays in run(group)]


def tensors(rank: int, size: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(rank)
    return [torch.randn(shape, generator=generator) for shape in ((size,), (3, size), (1,))]


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("size", [5, MAX_MESSAGE_BYTES])
def test_every_rank_gets_the_sums_over_all(count: int, size: int) -> None:
    def work(group: ProcessGroup) -> list[Tensor]:
        for factor in (1, 2):  # the second time in memory that exists
            own = [factor * tensor for tensor in tensors(group.rank, size // factor)]
            group.all_reduce_sum(own)
        return [tensor.clone() for tensor in own]

    expected = [
        2 * sum(all_of)
        for all_of in zip(*(tensors(r, size // 2) for r in range(count)), strict=True)
    ]
    for result in on_ranks(count, work):
        for tensor, total in zip(result, expected, strict=True):
            torch.testing.assert_close(tensor, total)


def test_exchanged_tensors_are_those_of_their_owners() -> None:
    def work(group: ProcessGroup) -> list[Tensor]:
        own = [torch.full((4, 2), 10.0 * group.rank + i, dtype=torch.bfloat16) for i in range(5)]
        group.exchange(own, [2, 0, 1, 1, 0])
        return own

    for result in on_ranks(3, work):
        assert [tensor[3, 1].item() for tensor in result] == [20, 1, 12, 13, 4]


def test_muon_gives_the_same_weights_on_several_ranks_as_on_one() -> None:
    def work(group: ProcessGroup) -> list[Tensor]:
        generator = torch.Generator().manual_seed(1)
        weights = [torch.randn(s, generator=generator) for s in [(8, 6)] * 4 + [(6, 6)]]
        optimizer = Muon(weights, 0.1, weight_decay=0.1, map_matrices=group.map_matrices)
        for _ in range(3):
            for weight in weights:
                weight.grad = torch.randn(weight.shape, generator=generator)
            optimizer.step()
        return weights

    alone = work(ProcessGroup())
    first, *others = on_ranks(3, work)
    for result in others:
        assert all(map(torch.equal, first, result))
    for weight, expected in zip(first, alone, strict=True):
        torch.testing.assert_close(weight, expected, atol=1e-3, rtol=1e-2)  # bfloat16


def test_a_rank_that_fails_is_explained_in_the_first() -> None:
    def fail(group: ProcessGroup) -> None:
        raise MTError("too little of something")

    def end(group: ProcessGroup) -> None:
        os._exit(9)

    with (
        pytest.raises(MTError, match="too little of something"),
        forked_ranks(ProcessGroup(), 2, fail) as group,
    ):
        group.all_gather(0)
    with (
        pytest.raises(ProcessLost, match="has ended"),
        forked_ranks(ProcessGroup(), 2, end) as group,
    ):
        group.all_gather(0)


def test_the_ranks_end_with_the_block_and_threads_return() -> None:
    before = torch.get_num_threads()

    def wait(group: ProcessGroup) -> None:
        group.all_gather(os.getpid())
        time.sleep(100)

    with forked_ranks(ProcessGroup(), 2, wait) as group:
        other = group.all_gather(0)[1]
        os.kill(other, signal.SIGTERM)  # ignored
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    with pytest.raises(ProcessLookupError):
        os.kill(other, 0)


def base_run(tiny_run: Callable[..., list[str]]) -> list[str]:
    base = [*tiny_run(64), "model/size=tiny", "optim=muon", "trainer.precision=fp32"]
    return [*base, "trainer.test=false", "trainer.processes=2", "trainer.batch_tokens=512"]


@pytest.mark.medium
def test_two_processes_train_as_one_that_takes_both_shares(tiny_run, tmp_path) -> None:
    base = [*base_run(tiny_run), "trainer.max_epochs=2", "data.val.limit=2"]
    run_training([*base, "name=two", "trainer.threads=2"])
    run_training([*base, "name=again", "trainer.threads=2"])
    run_training([*base, "name=one", "trainer.threads=1"])
    two, again, one = (
        checkpoint_tensors(tmp_path / "runs" / name) for name in ("two", "again", "one")
    )
    assert "2 processes" in (tmp_path / "runs/two/train.log").read_text()
    assert "2 processes" not in (tmp_path / "runs/one/train.log").read_text()
    for name in one:
        assert torch.equal(two[name], again[name])
        torch.testing.assert_close(one[name], two[name], atol=2e-4, rtol=1e-3)
    assert checkpoint_state(tmp_path / "runs" / "one")["micro_batches"] == 2
    peaks = [checkpoint_state(tmp_path / "runs" / name)["peak_memory"] for name in ("again", "one")]
    assert peaks[0] > 1.2 * peaks[1]  # of both processes


def start(arguments: list[str], folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(mt.__file__).parent.parent)}
    command = [sys.executable, "-m", "mt.train", *arguments, "trainer.threads=2"]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def read_until_step(process: subprocess.Popen[str], step: int) -> None:
    assert process.stderr
    for line in process.stderr:
        if line.startswith(f"step {step} "):
            return
    raise AssertionError("training ended before")


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.slow
@pytest.mark.parametrize("to_all", [True, False])
def test_a_signal_saves_once_and_the_same_command_continues_exactly(
    tiny_run, tmp_path, to_all
) -> None:
    base = [
        *base_run(tiny_run),
        "trainer.log_every=1",
        "trainer.val_every=0",
        "trainer.max_steps=30",
    ]
    process = start([*base, "name=parts"], tmp_path)
    read_until_step(process, 3)
    if to_all:
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
    else:
        process.send_signal(signal.SIGTERM)
    log = process.communicate(timeout=100)[1]
    assert process.returncode == 128 + (signal.SIGINT if to_all else signal.SIGTERM)
    assert log.count("the same command continues") == 1 and "Traceback" not in log
    run_training([*base, "name=parts", "trainer.threads=2"])
    run_training([*base, "name=whole", "trainer.threads=2"])
    parts, whole = (checkpoint_tensors(tmp_path / "runs" / name) for name in ("parts", "whole"))
    assert all(torch.equal(parts[name], whole[name]) for name in whole)


@pytest.mark.slow
@pytest.mark.parametrize("first", [False, True])
def test_no_rank_survives_another(tiny_run, tmp_path, first) -> None:
    base = [
        *base_run(tiny_run),
        "trainer.log_every=1",
        "trainer.val_every=0",
        "trainer.max_steps=100000",
    ]
    process = start([*base, "trainer.save_minutes=0"], tmp_path)
    read_until_step(process, 3)
    (other,) = children(process.pid)
    os.kill(process.pid if first else other, signal.SIGKILL)
    log = process.communicate(timeout=100)[1]
    assert process.returncode == (-signal.SIGKILL if first else 1)
    assert first or "a process of this training was killed, perhaps because memory ran out" in log
    deadline = time.monotonic() + 20
    while Path(f"/proc/{other}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{other}").exists()
