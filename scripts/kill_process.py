"""A tiny training in a process that is killed at a moment of its progress."""

from __future__ import annotations

import collections
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mt.data.embedded_corpus import generate

# The beginning of a line of progress -> the phase that begins with it.
PHASES = {
    "preparing the corpus": "preparing",
    "training the tokenizer": "tokenizer",
    "validation pairs:": "model",
    "step ": "training",
    "validation at": "training",
    "training ends": "test",
}
NAMES = ("imports", "start", "preparing", "tokenizer", "model", "training", "validation", "test")
STEPS, INTERVAL = 8, 2  # of training, and between validations
END_SECONDS = 60  # within which a process must have ended


def write_corpus(folder: Path) -> None:
    """Write a small training, validation and test set."""
    for split, size in (("train", 40), ("val", 3), ("test", 4)):
        pairs = [pair for pair in generate(split, 400) if len(pair.source.split()) <= 6][:size]
        for side in ("source", "target"):
            text = "".join(getattr(pair, side) + "\n" for pair in pairs)
            (folder / f"{split}.{side}").write_text(text, encoding="utf-8")


def settings(corpus: Path, folder: Path) -> list[str]:
    """Return the arguments of a training in a folder."""
    names = {"src": "source", "tgt": "target"}
    files = [
        f"data.{split}.{side}={corpus}/{split}.{name}"
        for split in ("train", "val", "test")
        for side, name in names.items()
    ]
    return [
        "data=files", "data.name=tiny", "data.src_lang=en", "data.tgt_lang=de", *files,
        "data.tokenizer.vocab_size=330", "data.max_pieces=24", f"data.cache={folder}/cache",
        f"runs_dir={folder}/runs", "name=run", "model=transformer", "model/size=tiny",
        "model.dim=16", "model.transformer.encoder_layers=1", "model.transformer.decoder_layers=1",
        "model.transformer.heads=2", "model.transformer.ff_dim=32", "trainer.batch_tokens=64",
        "trainer.threads=1", "trainer.device=cpu", "trainer.precision=fp32",
        "trainer.max_minutes=0", "trainer.log_every=1", "trainer.save_minutes=0",
        f"trainer.max_steps={STEPS}", f"trainer.val_every={INTERVAL}", "trainer.samples=0",
        "trainer.val_beam=1", "trainer.test_beam=2",
    ]  # fmt: skip


@dataclass
class Attempt:
    """One start of the training."""

    code: int = 0
    number: int = 0  # the signal that was sent
    phase: str = ""  # in which it was sent
    seconds: float = 0.0  # from the signal to the end
    step: int = 0  # the last one that was reported
    log: str = ""
    spans: dict[str, list[float]] = field(default_factory=lambda: collections.defaultdict(list))


@dataclass
class Target:
    """The moment of a kill: a time after a certain line of a phase."""

    phase: str
    occurrence: int
    delay: float
    number: int
    group: bool  # whether all processes of the training receive the signal, as from a terminal


def start(arguments: Sequence[str], cold: bool) -> tuple[int, int]:
    """Start a training; return its process id and the other end of its standard error."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    try:
        os.setsid()
        os.close(reader)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(0, 1)
        os.dup2(writer, 2)
        os.close(writer)
        if cold:
            os.execv(sys.executable, [sys.executable, "-m", "mt.train", *arguments])
        sys.argv = ["mt-train", *arguments]
        from mt.commands import train

        train()
    except SystemExit as error:
        os._exit(int(error.code or 0))
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    finally:
        os._exit(1)


def catches_signals(pid: int) -> bool:
    """Return whether a process has a handler of SIGTERM; before, Python is starting."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def run(arguments: Sequence[str], target: Target | None, cold: bool = False) -> Attempt:
    """Start a training, kill it at the target, and wait until it and its children have ended."""
    pid, reader = start(arguments, cold)
    attempt, phase = Attempt(), "imports" if cold else "start"
    deadline, sent, line_time = None, 0.0, time.monotonic()
    occurrence, rest = 0, b""
    while not catches_signals(pid):
        time.sleep(0.002)
    if target and target.phase == phase:
        deadline = time.monotonic() + target.delay
    while True:
        timeout = END_SECONDS if deadline is None else max(0.0, deadline - time.monotonic())
        if not select.select([reader], [], [], timeout)[0]:
            if deadline is None:  # a process hangs
                os.killpg(pid, signal.SIGABRT)
                attempt.log += f"\nTraceback: no line in {END_SECONDS} s, in phase {phase}"
                continue
            assert target
            attempt.number, attempt.phase, deadline = target.number, phase, None
            sent = time.monotonic()
            (os.killpg if target.group else os.kill)(pid, target.number)
            continue
        data = os.read(reader, 65536)
        if not data:
            break
        attempt.log += data.decode(errors="replace")
        *lines, rest = (rest + data).split(b"\n")
        for line in map(bytes.decode, lines):
            entered = next((name for begin, name in PHASES.items() if line.startswith(begin)), "")
            if line.startswith("step "):
                attempt.step = int(line.split()[1])
                entered = "training" if attempt.step % INTERVAL else "validation"
            if not entered:
                continue
            now = time.monotonic()
            attempt.spans[phase].append(now - line_time)
            phase, line_time = entered, now
            if target and phase == target.phase and not attempt.number and deadline is None:
                occurrence += 1
                if occurrence == target.occurrence:
                    deadline = now + target.delay
    os.close(reader)
    attempt.spans[phase].append(time.monotonic() - line_time)
    attempt.code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    attempt.seconds = time.monotonic() - sent
    return attempt
