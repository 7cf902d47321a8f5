"""The trainer and the translator of mt in the benchmarks (scripts/peers/protocol.py).

PYTHONPATH selects the checkout to measure. The work has additional keys. Training: `overrides` of
mt-train. Translation, from text to text: `run` (a run directory), `lines` (JSON lines of text) and
`settings` (arguments of `mt.load`).
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import json
import math
import multiprocessing
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from protocol import (
    MeasurementDone,
    Window,
    clock,
    finish,
    memory,
    read_lines,
    read_work,
    synchronise,
)

from mt.config.compose import load_config
from mt.config.schema import Config, keys
from mt.data.prepare import prepare_run
from mt.decoding.load import load
from mt.decoding.options import SearchOptions
from mt.device import configure_memory, pick_device, set_threads
from mt.environment import git_commit, package_versions, short_commit
from mt.run_folder import RunFolder
from mt.training.distributed import ProcessGroup
from mt.training.run_log import RunLog
from mt.training.start import make_model
from mt.training.trainer import Trainer


class WindowLog(RunLog):
    """A run log that passes the reports of the trainer to the window.

    Raises MeasurementDone after the last measured step.
    """

    def __init__(self, folder: Path, window: Window) -> None:
        super().__init__(folder, active=True)
        self.window, self.tokens = window, 0
        self.trainer: Trainer | None = None

    def record(self, kind: str, step: int, **values: Any) -> None:
        super().record(kind, step, **values)
        if kind != "train":
            return
        assert self.trainer is not None
        share = self.trainer.state.micro_batches  # of a step
        done = itertools.islice(batches(self.trainer), share * self.window.step, share * step)
        sentences = sum(map(len, done))
        tokens, self.tokens = values["target_tokens"] - self.tokens, values["target_tokens"]
        if self.window.advance(step - self.window.step, target_tokens=tokens, sentences=sentences):
            raise MeasurementDone


def batches(trainer: Trainer) -> Any:
    """Return the rows of each micro-batch, in the order of the trainer."""
    epochs = (trainer.order.epoch(number) for number in itertools.count())
    return itertools.chain.from_iterable(epochs)


def ranks_of(config: Config, device: torch.device, follow: Callable[[ProcessGroup], None]) -> Any:
    """Return the context in which this process is one of `trainer.processes`."""
    if not find_spec("mt.training.forked_ranks"):  # an older version
        return contextlib.nullcontext(ProcessGroup())
    from mt.training.forked_ranks import forked_ranks, possible_ranks

    count = min(config.trainer.processes, possible_ranks(device, ProcessGroup()))
    return forked_ranks(ProcessGroup(), count, follow)


def train(work: dict[str, Any]) -> None:
    """Run mt-train up to the last measured step, without validation and test."""
    every = math.gcd(work["warm_up"], work["steps"])
    folder = Path(work["folder"]) / f"run-{time.time_ns()}"
    config = load_config(
        [
            *work["overrides"],
            *(["auto=false"] if "auto" in keys() else []),  # older versions have no such setting
            f"trainer.log_every={every}",
            f"runs_dir='{folder}'",
            "name=bench",
        ]
    )
    window = Window(work)
    device = pick_device(config.trainer.device)
    set_threads(config.trainer.threads)
    run = RunFolder(folder / "bench")
    log = WindowLog(run, window)
    before = time.perf_counter()
    data = prepare_run(config, log.say)
    preparing = time.perf_counter() - before

    def trainer_of(group: ProcessGroup, log: RunLog) -> Trainer:
        return Trainer(
            config, make_model(config, data, device, group), data, run, log, group, device
        )

    def follow(group: ProcessGroup) -> None:
        trainer_of(group, RunLog(run, active=False)).fit()

    with ranks_of(config, device, follow) as group:
        trainer = log.trainer = trainer_of(group, log)
        try:
            trainer.fit()
        except MeasurementDone:
            log.close()
        else:
            raise SystemExit(
                "training ended before the last measured step: it has other limits than steps"
            )
    weights = sum(parameter.numel() for parameter in trainer.model.parameters())
    finish(
        window.result(version(), weights)
        | {"padding": trainer.order.padding(0), "preparing": preparing}
    )


def version() -> str:
    """Return the commit of mt and the version of torch."""
    return f"mt {short_commit(git_commit() or '')}, torch {package_versions()['torch']}"


def translate(work: dict[str, Any]) -> None:
    """Measure the translation."""
    set_threads(work["threads"])
    configure_memory()  # like mt-translate
    options = SearchOptions(beam=work["beam"], length_penalty=work["length_penalty"])
    # Like mt-translate. Older checkouts do not have this argument.
    processes = {"workers": 0} if "workers" in inspect.signature(load).parameters else {}
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
        private_memory(child.pid) for child in multiprocessing.active_children()
    )
    finish({"seconds": seconds, "load": loaded, "memory": peak, "versions": version()})


def private_memory(process: int | None) -> int:
    """Return the bytes that a process does not share with others.

    Workers keep the memory that they free, so at the end this is about their peak.
    """
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


if __name__ == "__main__":
    work = read_work()
    {"train": train, "translate": translate}[work["task"]](work)
