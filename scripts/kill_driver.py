"""Kill trainings at random moments, and compare their results with those of an uninterrupted one.

    python scripts/kill_driver.py --kills 1000 --cold 40

A tiny training is started, killed by SIGKILL, SIGTERM or SIGINT and started again with the same
command, until it finishes. The moment is a random time after a line of its progress, so that all
phases are reached. Starts are forks of this process, which has imported everything; cold starts are
new processes, which are killed during their imports. Prints the number of kills by phase and
signal, and what is wrong: exit code 1 if anything is.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

import kill_results
import mt.train
from mt.data.embedded_corpus import generate

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# The beginning of a line of progress -> the phase that begins with it.
PHASES = {
    "preparing the corpus": "preparing",
    "training the tokenizer": "tokenizer",
    "validation pairs:": "model",
    "step ": "training",
    "validation at": "training",
    "training ends": "test",
}
NAMES = ("imports", "start", *dict.fromkeys([*PHASES.values(), "validation"]))
STEPS, INTERVAL = 8, 2  # of training, and between validations
END_SECONDS = 60  # within which a process must have ended
SPAN = {"imports": 3.0}  # seconds, of phases that the reference does not measure


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
    finally:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        os._exit(1)
    raise AssertionError


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


class Driver:
    """Kills by phase and signal, and the faults that they have shown."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.draw = folder, random.Random(seed)
        self.kills: collections.Counter[tuple[str, int]] = collections.Counter()
        self.slowest: dict[tuple[str, int], float] = {}
        self.faults: list[str] = []
        self.runs = self.cold = 0
        self.spans: dict[str, float] = {}

    def measure(self, corpus: Path) -> None:
        """Train once without interruption, twice to warm up, and measure the phases."""
        for name in ("warm", "whole"):
            attempt = run(settings(corpus, self.folder / name), None)
            assert attempt.code == 0, attempt.log
        means = {phase: sum(times) / len(times) for phase, times in attempt.spans.items()}
        self.spans = {**means, **SPAN}
        self.whole = kill_results.read(self.folder / "whole")
        self.temporary = {*os.listdir(tempfile.gettempdir())}
        times = ", ".join(f"{phase} {mean:.2f} s" for phase, mean in means.items())
        print(f"mean times of the phases: {times}", file=sys.stderr, flush=True)

    def choose(self, folder: Path, step: int, cold: bool) -> Target:
        """Choose a moment in the phase, among those still to come, with the fewest kills."""
        if cold:
            phase, occurrence = "imports", 0
        else:
            prepared = any((folder / "cache").glob("*/report.json"))
            left = STEPS - step
            phases = ["start", "model", "test"]
            phases += [] if prepared else ["preparing", "tokenizer"]
            phases += ["training"] if left > 1 else []
            phases += ["validation"] if left else []
            totals = collections.Counter(phase for phase, _ in self.kills.elements())
            phase = min(self.draw.sample(phases, len(phases)), key=totals.__getitem__)
            most = {"training": left, "validation": left // INTERVAL}.get(phase, 1)
            occurrence = self.draw.randint(1, max(1, most))
        delay = self.draw.uniform(0, self.spans[phase])
        number = self.draw.choice(SIGNALS)
        group = number != signal.SIGKILL and self.draw.random() < 0.5
        return Target(phase, occurrence, delay, number, group)

    def kill_one(self, corpus: Path, kills: int, cold: int) -> None:
        """Kill one training several times, let it finish, and compare its results."""
        folder = self.folder / f"run{self.runs}"
        arguments, step = settings(corpus, folder), 0
        before = len(self.faults)
        for count in range(kills):
            target = self.choose(folder, step, count < cold)
            attempt = run(arguments, target, count < cold)
            step = max(step, attempt.step)
            self.check(attempt, folder)
            if not attempt.number:
                break
        else:
            self.check(run(arguments, None), folder)
        found = kill_results.read(folder)
        self.faults += [
            f"run {self.runs}: {each}" for each in kill_results.compare(self.whole, found)
        ]
        left = sorted({*os.listdir(tempfile.gettempdir())} - self.temporary)
        self.faults += [f"run {self.runs}: left in the temporary directory: {left}"] if left else []
        if len(self.faults) == before:
            shutil.rmtree(folder)
        self.runs += 1

    def check(self, attempt: Attempt, folder: Path) -> None:
        """Note what is wrong after one start."""
        key, number = (attempt.phase, attempt.number), attempt.number
        wrong = [
            word for word in ("Traceback", "Exception ignored", "Error") if word in attempt.log
        ]
        if number:
            self.kills[key] += 1
            self.slowest[key] = max(self.slowest.get(key, 0.0), attempt.seconds)
        stopped = attempt.code in (-number, 128 + number) and number
        if not stopped and attempt.code:
            wrong.append(f"exit code {attempt.code}")
        says = attempt.log.count("interrupted: the same") + attempt.log.count("stopped by a signal")
        if attempt.code == 128 + number and says != 1:
            wrong.append(f"{says} messages")
        wrong += kill_results.unreadable(folder / "runs" / "run")
        if wrong:
            name = signal.Signals(number).name if number else "no signal"
            self.faults.append(
                f"run {self.runs}, {name} in {attempt.phase}: {', '.join(wrong)}\n{attempt.log}"
            )

    def report(self, seconds: float) -> str:
        """Return a table of kills, with the longest time until the end of the process."""
        lines = [f"{'phase':12}" + "".join(f"{each.name:>18}" for each in SIGNALS)]
        for phase in NAMES:
            cells = [
                f"{self.kills[phase, each]:7} (max {self.slowest.get((phase, each), 0):.1f} s)"
                for each in SIGNALS
            ]
            lines.append(f"{phase:12}" + "".join(f"{cell:>18}" for cell in cells))
        lines.append(
            f"{self.kills.total()} kills in {self.runs} runs, {seconds / 60:.1f} min: "
            f"{len(self.faults)} faults"
        )
        return "\n".join(lines)


def main() -> None:
    """Run the driver."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--cold", type=int, default=8, help="kills during imports, included")
    parser.add_argument("--minutes", type=float, default=1e9, help="after which no run starts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", help="for the runs; those with faults are kept")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(Path(mt.__file__).parent.parent)
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    folder = Path(options.folder or tempfile.mkdtemp(prefix="kills-"))
    corpus, temporary = folder / "corpus", folder / "tmp"
    for each in (corpus, temporary):
        each.mkdir(parents=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
    write_corpus(corpus)
    kill_results.import_everything(settings(corpus, folder / "imports"))
    driver, before = Driver(folder, options.seed), time.monotonic()
    driver.measure(corpus)
    cold, said = options.cold, 0
    while (left := options.kills - driver.kills.total()) > 0 and len(driver.faults) < 20:
        if time.monotonic() - before > 60 * options.minutes:
            break
        count = min(left, driver.draw.randint(3, 12))
        share = min(cold, 1 + cold * count // options.kills)
        driver.kill_one(corpus, count, share)
        cold -= share
        for fault in driver.faults[said:]:
            print(fault, flush=True)
        said = len(driver.faults)
        print(f"{driver.kills.total()} kills, {said} faults", file=sys.stderr, flush=True)
    print(driver.report(time.monotonic() - before))
    if not driver.faults:
        shutil.rmtree(folder)
    raise SystemExit(bool(driver.faults))


if __name__ == "__main__":
    main()
