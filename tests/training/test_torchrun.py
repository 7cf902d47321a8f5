"""Under torchrun, what concerns all ranks is said once: errors, lost ranks and signals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.distributed import TCPStore

import mt
from helpers.training_runs import checkpoint_state, checkpoint_tensors
from mt.cli import run_command
from mt.errors import MTError, ProcessLost, UsageError
from mt.ranks import is_first_to_say
from mt.training.checkpoint_parts import read_whole

LOST = "another process of this training has ended"
INTERRUPTED = "interrupted: the same command continues"


@pytest.fixture
def agent(monkeypatch):
    """Set the environment of a rank, with the store that torchrun's agent would hold."""
    store = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", str(store.port))
    return store


def printed(error, capsys):
    """Return the exit code of a command that raises an error, and what it prints."""

    def command():
        raise error

    with pytest.raises(SystemExit) as ended:
        run_command(command, "the same command continues")
    return ended.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    "error", [UsageError("wrong\nkey"), MTError("no such file"), OSError(28, "no space", "a file")]
)
def test_an_error_is_printed_by_the_first_rank_that_meets_it(agent, capsys, error):
    code, text = printed(error, capsys)
    assert text.startswith("error: ") and text.count("\n") == 1
    assert printed(error, capsys) == (code, "")
    assert printed(MTError("another"), capsys) == (1, "error: another\n")


def test_what_follows_from_the_end_of_another_rank_is_not_printed_after_its_error(agent, capsys):
    assert printed(MTError("out of memory"), capsys)[1]
    assert printed(ProcessLost(LOST), capsys) == (1, "")
    assert printed(KeyboardInterrupt(), capsys) == (130, "")


def test_of_several_consequences_one_is_printed(agent, monkeypatch, capsys):
    assert printed(ProcessLost(LOST), capsys) == (1, f"error: {LOST}\n")
    assert printed(ProcessLost(LOST), capsys) == (1, "")
    assert printed(KeyboardInterrupt(), capsys) == (130, "")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")  # torchrun has started the ranks again
    assert printed(KeyboardInterrupt(), capsys) == (130, f"{INTERRUPTED}\n")


def test_every_process_prints_without_an_agent(monkeypatch):
    assert is_first_to_say("wrong") and is_first_to_say("wrong")
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", "nonsense")
    assert is_first_to_say("wrong") and is_first_to_say("wrong")


class Torchrun:
    """A training with several ranks, which torchrun starts again `restarts` times."""

    def __init__(self, arguments: list[str], ranks: int = 3, restarts: int = 0) -> None:
        options = [f"--nproc-per-node={ranks}", f"--max-restarts={restarts}"]
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "torch.distributed.run", *options, "-m", "mt.train"),
                *arguments,
            ],
            env={
                **os.environ,
                "PYTHONPATH": str(Path(mt.__file__).parent.parent),
                "OMP_NUM_THREADS": "1",
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        self.pids: dict[int, int] = {}  # of the ranks that have started

    def read_until(self, start: str) -> str:
        assert self.process.stderr is not None
        return next(line for line in self.process.stderr if line.startswith(start))

    def pid(self, rank: int) -> int:
        """Return the id of the process of a rank."""
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                try:
                    parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                    variables = (folder / "environ").read_bytes().split(b"\0")
                except OSError:
                    continue
                if parent == self.process.pid and f"RANK={rank}".encode() in variables:
                    return int(folder.name)
        raise AssertionError(f"no rank {rank}")

    def messages(self) -> list[str]:
        """Wait for the end; return what the ranks have printed, without torchrun's own report."""
        log = self.process.communicate(timeout=300)[1]
        report = re.search(r"^Traceback \(most recent call last\):\n", log, re.MULTILINE)
        assert report and log.count("Traceback (most recent call last)") == 1, log
        assert re.search(r"ChildFailedError|SignalException", log[report.start() :])
        lines = log[: report.start()].splitlines()
        return [line for line in lines if not re.match(r"[WEI]\d{4} ", line)]


@pytest.fixture
def base(tiny_run):
    settings = ["model/size=tiny", "trainer.log_every=1", "trainer.val_every=0"]
    return [*tiny_run(60), *settings, "trainer.max_steps=100000"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("trainer.nonsense=1", "error: unknown key trainer.nonsense"),
        ("data.train.src=nowhere.en", "error: no such file: nowhere.en"),
        ("data.tokenizer.vocab_size=30000", "error: the text of both sides is too small"),
    ],
)
def test_three_ranks_print_an_error_once(base, argument, message):
    errors = [each for each in Torchrun([*base, argument]).messages() if "error" in each]
    assert len(errors) == 1 and errors[0].startswith(message)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 2])
def test_ranks_that_are_left_print_one_message(base, rank):
    torchrun = Torchrun(base)
    torchrun.read_until("step 2 ")
    os.kill(torchrun.pid(rank), signal.SIGKILL)
    messages = [line for line in torchrun.messages() if not line.startswith("step ")]
    assert len(messages) == 1 and messages[0].startswith(f"error: {LOST}: the same command")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_torchrun_and_its_ranks_saves_once(base, tmp_path, number):
    torchrun = Torchrun(base)
    torchrun.read_until("step 2 ")
    for rank in range(3):
        os.kill(torchrun.pid(rank), number)
    torchrun.process.send_signal(number)
    messages = [line for line in torchrun.messages() if not line.startswith("step ")]
    assert len(messages) == 1 and messages[0].startswith("stopped by a signal and saved after step")
    assert checkpoint_state(tmp_path / "runs" / "tiny")["step"] >= 2


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ddp", "fsdp"])
def test_ranks_that_torchrun_starts_again_continue_from_the_last_save(base, tmp_path, engine):
    steps = [f"trainer.parallel={engine}", "trainer.max_steps=20", "trainer.test=false"]
    saving = [*base, *steps, "trainer.save_minutes=0.0001"]  # after each step
    torchrun = Torchrun(saving, ranks=2, restarts=2)
    for killed in (1, 0):
        torchrun.read_until("continuing" if killed == 0 else "step 5 ")
        torchrun.read_until("step ")
        os.kill(torchrun.pid(killed), signal.SIGKILL)
    assert int(torchrun.read_until("continuing").split()[-1]) >= 5
    torchrun.read_until("training ends")
    torchrun.process.communicate(timeout=300)
    assert torchrun.process.returncode == 0

    whole = Torchrun([*saving, f"runs_dir={tmp_path}/whole"], ranks=2)
    whole.read_until("training ends")
    whole.process.communicate(timeout=300)
    weights, expected = (trained_weights(tmp_path / name / "tiny") for name in ("runs", "whole"))
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def trained_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return all tensors of a checkpoint, in one file or in parts."""
    parts = list((folder / "last").glob("parts-*"))
    return read_whole(parts[0]) if parts else checkpoint_tensors(folder)
