"""Ranks that are lost, and another number of ranks."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist

import mt
from helpers.gloo_ranks import free_port, on_gloo
from helpers.training_runs import checkpoint_state, read_records, run_training
from mt import train
from mt.config.compose import load_config
from mt.errors import MTError, ProcessLost
from mt.run_folder import RunFolder
from mt.training import start
from mt.training.data_parallel import BucketedDataParallel
from mt.training.distributed import ProcessGroup
from mt.training.joining import agree_on_name
from mt.training.sharding import ShardedDataParallel
from mt.training.start import check_same_settings, check_shared_folder


def start_rank(rank: int, port: int, arguments: list[str], folder: Path) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(mt.__file__).parent.parent),
        "OMP_NUM_THREADS": "1",
        "RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    command = [sys.executable, "-m", "mt.train", *arguments]
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_a_lost_rank_is_explained_and_one_rank_continues_with_steps_of_the_same_size(
    tiny_run, tmp_path
):
    base = [*tiny_run(60), "model/size=tiny", "trainer.log_every=1", "trainer.save_minutes=0"]
    port = free_port()
    arguments = [*base, "trainer.val_every=0", "trainer.max_steps=1000000"]
    first, second = (start_rank(rank, port, arguments, tmp_path) for rank in (0, 1))
    for line in first.stderr:
        if line.startswith("step 3 "):
            second.send_signal(signal.SIGKILL)
            break
    log = first.communicate(timeout=100)[1]
    second.communicate()
    assert first.returncode == 1 and "Traceback" not in log
    assert log.splitlines()[-1].startswith("error: another process of this training has ended: the")
    folder = tmp_path / "runs" / "tiny"
    state = checkpoint_state(folder)
    assert state["micro_batches"] == 2
    run_training([*base, "trainer.val_every=0", f"trainer.max_steps={state['step'] + 1}"])
    assert "steps keep the size of 2 batches" in (folder / "train.log").read_text()
    after = checkpoint_state(folder)
    assert after["micro_batches"] == 2 and read_records(folder)
    assert after["batch"] - state["batch"] in (2, -state["batch"])


def test_one_process_keeps_the_step_size_of_two_ranks(tiny_run, tmp_path):
    base, run = [*tiny_run(60), "trainer.test=false"], RunFolder.at(tmp_path / "runs" / "tiny")
    run_training([*base, "trainer.max_steps=1"])
    tensors, state = run.read_tensors(run.checkpoint)
    assert (state["micro_batches"], state["batch"]) == (1, 1)
    run.write_tensors(run.checkpoint, tensors, {**state, "micro_batches": 2, "batch": 2})
    run_training([*base, "trainer.max_steps=2"])
    assert "steps keep the size of 2 batches" in run.log.read_text()
    state = checkpoint_state(run.path)
    assert (state["micro_batches"], state["batch"]) == (2, 4)


def test_ranks_with_different_settings_are_refused_and_paths_may_differ():
    settings = {
        "data.train.src": ("a", "b"),
        "data.cache": ("a", "b"),
        "trainer.threads": (1, 2),
        "optim.lr": (0.001, 0.002),
    }

    def refusal(group: ProcessGroup) -> list[str]:
        messages = []
        for name, values in settings.items():
            setting = f"{name}={values[group.rank]}"
            config = load_config(["auto=false", "optim=adamw", "name=run", setting])
            try:
                check_same_settings(config, group)
                messages.append("")
            except MTError as error:
                messages.append(str(error))
        return messages

    for messages in on_gloo(2, refusal):
        assert not any(messages[:-1])
        assert messages[-1] == (
            "the processes have different settings: optim.lr is 0.001 in rank 0, and 0.002 in "
            "rank 1"
        )


def messages_of_ranks(arguments: list[str], *own: list[str]) -> list[str]:
    """Return the error of a training on each of some ranks, which have arguments of their own."""

    def work(group: ProcessGroup) -> str:
        try:
            run_training([*arguments, *own[group.rank]])
        except MTError as error:
            return str(error)
        return ""

    return on_gloo(len(own), work)


@pytest.mark.slow
def test_ranks_with_different_text_are_refused_and_each_may_have_its_cache(tiny_run, tmp_path):
    base = [*tiny_run(60), "trainer.max_steps=2", "trainer.test=false"]
    lines = (tmp_path / "train.src").read_text().splitlines(keepends=True)
    (tmp_path / "other.src").write_text("".join(reversed(lines)))
    caches = [[f"data.cache={tmp_path}/cache-{rank}"] for rank in range(2)]
    other = [*caches[1], f"data.train.src={tmp_path}/other.src"]
    for message in messages_of_ranks([*base, "name=other"], caches[0], other):
        assert message.startswith("the processes have different prepared text: its digest is ")
    assert messages_of_ranks(base, *caches) == ["", ""]


@pytest.mark.slow
def test_a_text_that_one_rank_lacks_ends_all_with_its_name(tiny_run, tmp_path):
    base, port = tiny_run(60), free_port()
    missing = "no such file: nowhere.en"
    ranks = [
        start_rank(0, port, base, tmp_path),
        start_rank(1, port, [*base, "data.train.src=nowhere.en"], tmp_path),
    ]
    first, second = (rank.communicate(timeout=100)[1] for rank in ranks)
    assert [rank.returncode for rank in ranks] == [1, 1]
    assert second == f"error: {missing}\n"
    message = f"error: rank 1 on {socket.gethostname()} has failed: {missing}"
    assert first.splitlines()[-1] == message and "Traceback" not in first
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_checkpoint_that_one_rank_sees_is_refused(tiny_run, tmp_path):
    base = [*tiny_run(60), "trainer.test=false"]
    run_training([*base, "trainer.max_steps=1"])
    folders = [[f"runs_dir={tmp_path}/{name}"] for name in ("runs", "elsewhere")]
    more = ["trainer.max_steps=2", "trainer.parallel=ddp"]
    for message, (folder,) in zip(
        messages_of_ranks([*base, *more], *folders), folders, strict=True
    ):
        assert message.startswith("only some of the processes see ")
        assert folder.partition("=")[2] in message


@pytest.mark.slow
def test_the_patience_of_ranks_ends_when_that_of_one_process_does(tiny_run, tmp_path):
    base = [
        *tiny_run(60), "optim.lr=0.3", "optim.warmup=1", "trainer.max_steps=20",
        "trainer.val_every=1", "trainer.val_metric=loss", "trainer.patience=1",
        "trainer.test=false", "trainer.precision=fp32", "data.val.limit=3",
    ]  # fmt: skip
    run_training([*base, "name=alone", "trainer.accumulate=2"])
    expected = checkpoint_state(tmp_path / "runs" / "alone")
    assert expected["validations_since_best"] == 1 and expected["step"] < 20
    for engine in ("ddp", "fsdp"):
        arguments = [*base, f"name={engine}", f"trainer.parallel={engine}"]
        assert messages_of_ranks(arguments, [], []) == ["", ""]
        state = checkpoint_state(tmp_path / "runs" / engine)
        assert (state["step"], state["best_step"]) == (expected["step"], expected["best_step"])


def test_ranks_that_start_again_agree_on_a_new_name_in_the_same_store():
    store = dist.HashStore()

    def start(delays: list[float], timeout: float = 60) -> list[str]:
        def name(rank: int) -> str:
            time.sleep(delays[rank])
            return agree_on_name(store, rank, 3, timeout)

        with ThreadPoolExecutor(3) as pool:
            return list(pool.map(name, range(len(delays))))

    names = []
    for delays in ([0, 0, 0], [0, 0, 0.3], [0.3, 0.2, 0]):
        started = start(delays)
        assert started == started[:1] * 3
        names += started[:1]
    with pytest.raises(ProcessLost, match="some of 3 ranks did not start"):
        start([0, 0], timeout=0.5)  # the third has ended before
    names += start([0, 0, 0.3])[:1]
    assert len(set(names)) == 4


def test_a_run_directory_that_some_ranks_do_not_see_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(start, "SEEN_SECONDS", 0.3)

    def messages(group: ProcessGroup) -> list[str]:
        found = []
        for name in ("runs", f"runs of machine {group.rank // 2}"):
            try:
                check_shared_folder(RunFolder.at(tmp_path / name / "new"), group)
                found.append("")
            except MTError as error:
                found.append(str(error))
        return found

    refused = on_gloo(3, messages)
    assert [found[0] for found in refused] == [""] * 3
    for number, (_, message) in zip((0, 0, 1), refused, strict=True):
        assert message == (
            f"rank 2 does not see the {tmp_path}/runs of machine {number}/new of rank 0: "
            "runs_dir must be on a file system that all machines share"
        )
    left = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if not path.is_dir()]
    assert left == [] and not (tmp_path / "runs of machine 1").exists()


@pytest.mark.parametrize(
    "kind, is_checked", [(BucketedDataParallel, False), (ShardedDataParallel, True)]
)
def test_the_run_directory_is_checked_if_all_ranks_write_to_it(
    kind, is_checked, monkeypatch
) -> None:
    trainer = SimpleNamespace(parallel=object.__new__(kind), resume=lambda: False)
    checked: list[Any] = []
    monkeypatch.setattr(train, "make_model", lambda *_: None)
    monkeypatch.setattr(train, "Trainer", lambda *_: trainer)
    monkeypatch.setattr(train, "check_shared_folder", lambda *given: checked.append(given))
    config = load_config(["auto=false", "optim=adamw", "name=run"])
    group, folder = ProcessGroup(), RunFolder.at("run")
    started = train.start_trainer(config, None, folder, None, group, torch.device("cpu"))
    assert started == (trainer, False) and checked == [(folder, group)] * is_checked
