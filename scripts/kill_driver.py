"""Kill trainings at random moments, and compare their results with those of an uninterrupted one.

    python scripts/kill_driver.py --kills 1000 --cold 30

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
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch

import kill_results
import mt.train
from kill_process import INTERVAL, NAMES, STEPS, Attempt, Target, run, settings, write_corpus

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
IMPORT_SECONDS = 3.0  # within which a cold start is killed


class Driver:
    """Kills by phase and signal, and the faults that they have shown."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.draw = folder, random.Random(seed)
        self.kills: collections.Counter[tuple[str, int]] = collections.Counter()
        self.slowest: dict[tuple[str, int], float] = {}
        self.faults: list[str] = []
        self.runs = 0
        self.spans: dict[str, float] = {}

    def measure(self, corpus: Path) -> None:
        """Train twice without interruption, and measure the phases of the second training."""
        for name in ("warm", "whole"):
            attempt = run(settings(corpus, self.folder / name), None)
            assert attempt.code == 0, attempt.log
        means = {phase: sum(times) / len(times) for phase, times in attempt.spans.items()}
        self.spans = {**means, "imports": IMPORT_SECONDS}
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
