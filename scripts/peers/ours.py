"""mt itself in the benchmarks, in the same protocol as its peers (scripts/peers/protocol.py): its own trainer and translator.

It runs with the checkout on PYTHONPATH that is to be measured. Beside what all get, the work has
`overrides` (of mt-train) to train, and `run` (a run directory), `lines` (JSON lines of text) and
`settings` (of `mt.load`) to translate: from text to text.
"""

from __future__ import annotations

import inspect
import itertools
import json
import math
import multiprocessing
import time
from pathlib import Path
from typing import Any

from protocol import Enough, Window, clock, finish, memory, read_lines, read_work, synchronise

from mt.config.compose import load_config
from mt.data.prepare import prepare_run
from mt.decoding.load import load
from mt.decoding.options import SearchOptions
from mt.device import keep_freed_memory, pick_device, set_threads
from mt.environment import git_commit, package_versions
from mt.run_folder import RunFolder
from mt.train import make_model
from mt.training.distributed import ProcessGroup
from mt.training.run_log import RunLog
from mt.training.trainer import Trainer


class Watch(RunLog):
    """The log of a run, which tells the window what the trainer reports, and leaves the training when it is enough."""

    def __init__(self, folder: Path, window: Window) -> None:
        super().__init__(folder, active=True)
        self.window, self.tokens = window, 0
        self.trainer: Trainer | None = None

    def record(self, kind: str, step: int, **values: Any) -> None:
        super().record(kind, step, **values)
        if kind != "train":
            return
        assert self.trainer is not None
        sentences = sum(map(len, itertools.islice(batches(self.trainer), self.window.step, step)))
        tokens, self.tokens = values["target_tokens"] - self.tokens, values["target_tokens"]
        if self.window.advance(step - self.window.step, target_tokens=tokens, sentences=sentences):
            raise Enough


def batches(trainer: Trainer) -> Any:
    """Rows of each step, as the trainer takes them."""
    epochs = (trainer.order.epoch(number) for number in itertools.count())
    return itertools.chain.from_iterable(epochs)


def train(work: dict[str, Any]) -> None:
    """`mt-train` up to the last measured step, without its validation and test."""
    every = math.gcd(work["warm_up"], work["steps"])
    folder = Path(work["folder"]) / f"run-{time.time_ns()}"
    config = load_config(
        [*work["overrides"], f"trainer.log_every={every}", f"runs_dir='{folder}'", "name=bench"]
    )
    window = Window(work)
    device = pick_device(config.trainer.device)
    set_threads(config.trainer.threads)
    run = RunFolder(folder / "bench")
    log = Watch(run, window)
    before = time.perf_counter()
    data = prepare_run(config, log.say)
    preparing = time.perf_counter() - before
    trainer = log.trainer = Trainer(
        config, make_model(config, data, device), data, run, log, ProcessGroup(), device
    )
    try:
        trainer.fit()
    except Enough:
        log.close()
    else:
        raise SystemExit(
            "training ended before everything was measured: it has other limits than steps"
        )
    weights = sum(parameter.numel() for parameter in trainer.model.parameters())
    finish(
        window.result(version(), weights)
        | {"padding": trainer.order.padding(0), "preparing": preparing}
    )


def version() -> str:
    return f"mt {(git_commit() or '')[:7]}, torch {package_versions()['torch']}"


def translate(work: dict[str, Any]) -> None:
    set_threads(work["threads"])
    keep_freed_memory()  # as mt-translate
    options = SearchOptions(beam=work["beam"], length_penalty=work["length_penalty"])
    processes = (
        {"workers": 0} if "workers" in inspect.signature(load).parameters else {}
    )  # as mt-translate; older checkouts have none
    translator = load(
        work["run"],
        work["device"],
        work["precision"],
        options=options,
        **{**processes, **work["settings"]},
    )
    loaded = time.time() - work["started"]
    lines = read_lines(work["lines"])
    translator.translate(lines[: work["batch"]])
    synchronise(work["device"])
    begin = clock(work)
    outputs = translator.translate(lines)
    seconds = clock(work) - begin
    Path(work["outputs"]).write_text(
        "".join(json.dumps(each) + "\n" for each in outputs), encoding="utf-8"
    )
    peak = memory(work["device"]) + sum(
        own_memory(child.pid) for child in multiprocessing.active_children()
    )
    finish({"seconds": seconds, "load": loaded, "memory": peak, "versions": version()})


def own_memory(process: int | None) -> int:
    """Bytes that a process shares with no other. What a worker frees it keeps, so at the end this is about its peak."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


if __name__ == "__main__":
    work = read_work()
    {"train": train, "translate": translate}[work["task"]](work)
