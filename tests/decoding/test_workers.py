"""Search in worker processes: translations, errors, and the end of the processes."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import mt
from helpers.forks import Fork
from helpers.tiny_models import sentences
from mt import translate as command
from mt.arguments.translate import parse_arguments
from mt.decoding.engines import engine as engine_module
from mt.decoding.engines import pytorch as pytorch_module
from mt.decoding.engines.workers import MAX_WORKERS, resolve_workers
from mt.decoding.options import SearchOptions
from mt.decoding.search import Hypothesis, Searchable, search
from mt.decoding.token_budget import TokenBudget
from mt.decoding.translator import Translator
from mt.errors import MTError, UsageError

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="processes are forked on Linux only"
)
LINES = sentences(24)
SHORT = {"max_ratio": 0.3, "max_extra": 2}  # outputs


def load(run: Path, workers: int, batch_tokens: int = 120) -> Translator:
    return mt.load(run, device="cpu", precision="fp32", workers=workers, batch_tokens=batch_tokens)


@pytest.fixture
def parallel(run: Path) -> Translator:
    return load(run, 2)


@pytest.fixture
def started(parallel: Translator) -> Translator:
    """Its processes have been started."""
    parallel.translate(LINES, beam=1, max_ratio=0.1, max_extra=1)
    return parallel


def processes(translator: Translator) -> list[int]:
    pool = translator.engine.workers.pool  # type: ignore[attr-defined]
    return list(pool._processes)


def alive(process: int) -> bool:
    """Return True if the process runs. A zombie does not."""
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("options", [{"beam": 1}, {"beam": 3, "nbest": 3, "length_penalty": 0.6}])
def test_worker_processes_give_the_same_translations_in_the_same_order(
    run: Path, parallel: Translator, options: dict
) -> None:
    lines = [*LINES[:9], "", *LINES[9:]]
    expected = list(load(run, 1).translate_stream(lines, **SHORT, **options))
    found = list(parallel.translate_stream(lines, **SHORT, **options))
    assert [each.source for each in found] == [each.source for each in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert [output.text for output in ours.outputs] == [
            output.text for output in theirs.outputs
        ]
        assert [output.score for output in ours.outputs] == pytest.approx(
            [output.score for output in theirs.outputs], abs=1e-4
        )


def test_the_search_runs_in_worker_processes(
    started: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In this process, not in the workers, which exist already.
    monkeypatch.setattr(engine_module, "search", None)
    assert len(started.translate(LINES, **SHORT)) == len(LINES)
    with pytest.raises(TypeError):
        started.translate(LINES[0])  # a single batch is searched in this process


def test_progress_counts_every_sentence(parallel: Translator) -> None:
    done: list[int] = []
    list(parallel.translate_stream(LINES, progress=done.append, **SHORT))
    assert sum(done) == len(LINES)
    assert len(done) > 2


def test_samples_do_not_depend_on_the_number_of_processes(run: Path, parallel: Translator) -> None:
    options = {"sample": True, "seed": 3, **SHORT}
    expected = [each.text for each in load(run, 1).translate_stream(LINES, **options)]
    assert [each.text for each in parallel.translate_stream(LINES, **options)] == expected
    assert parallel.engine.workers is None  # type: ignore[attr-defined]


def test_an_error_in_a_worker_is_raised_unchanged(run: Path) -> None:
    translator = load(run, 2)
    with torch.no_grad():
        translator.models[0].output.bias.fill_(float("nan"))
        translator.engine = pytorch_module.PyTorchEngine(translator.models, "fp32", workers=2)
    with pytest.raises(MTError, match="output is NaN"):
        translator.translate(LINES, **SHORT)
    assert translator.engine.workers  # type: ignore[attr-defined]


def small_only(model: Searchable, source: Tensor, *arguments: Any) -> list[list[Hypothesis]]:
    if len(source) > 2:
        raise RuntimeError(
            "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"
        )
    return search(model, source, *arguments)


@pytest.mark.medium
def test_a_worker_that_runs_out_of_memory_continues_with_smaller_batches(
    run: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    expected = load(run, 1).translate(LINES, **SHORT)
    monkeypatch.setattr(engine_module, "search", small_only)
    translator = load(run, 2)
    assert translator.translate(LINES, **SHORT) == expected
    assert translator.engine.workers  # type: ignore[attr-defined]
    assert "out of memory" in capfd.readouterr().err


def test_a_worker_keeps_its_batches_small(
    translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls the function of the workers in this process."""
    monkeypatch.setattr(engine_module, "search", small_only)
    warnings: list[str] = []
    function = pytorch_module.PyTorchEngine(translator.models, "fp32", 2)._worker_function(
        TokenBudget(40, warnings.append)
    )
    rows, options = [[5, 6, 7, 8]] * 8, SearchOptions(beam=1, **SHORT)
    first, said = function(rows, options), len(warnings)
    assert said > 0
    assert function(rows, options) == first and len(warnings) == said


@pytest.mark.parametrize("pause", [0.0, 0.5])  # noticed during the call, and before it
def test_if_workers_are_lost_this_process_translates_the_rest(
    run: Path, started: Translator, pause: float, capfd: pytest.CaptureFixture[str]
) -> None:
    for process in processes(started):
        os.kill(process, signal.SIGKILL)
    time.sleep(pause)
    assert started.translate(LINES, **SHORT) == load(run, 1).translate(LINES, **SHORT)
    assert capfd.readouterr().err.count("worker process was lost") == 1
    assert started.engine.workers.pool is None  # type: ignore[attr-defined]


def test_if_workers_cannot_be_started_this_process_translates_all(
    run: Path,
    parallel: Translator,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    assert parallel.translate(LINES, **SHORT) == load(run, 1).translate(LINES, **SHORT)
    assert "Resource temporarily unavailable" in capfd.readouterr().err


@pytest.mark.medium
def test_an_interrupted_call_ends_its_workers_and_the_next_call_starts_new_ones(
    run: Path, started: Translator
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    before = processes(started)
    with pytest.raises(KeyboardInterrupt):
        list(started.translate_stream(LINES, progress=interrupt))
    assert have_ended(before, 5)
    assert started.translate(LINES, **SHORT) == load(run, 1).translate(LINES, **SHORT)
    assert len(processes(started)) == 2


@pytest.mark.medium
def test_a_fork_of_this_process_starts_its_own_workers(started: Translator) -> None:
    expected = started.translate(LINES, **SHORT)
    child = os.fork()
    if child == 0:
        os._exit(started.translate(LINES, **SHORT) != expected)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert started.translate(LINES, **SHORT) == expected


def test_the_number_of_workers_is_as_requested_or_one_per_cpu_thread(
    translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert (
        resolve_workers(cpu, 0),
        resolve_workers(cpu, 5),
        resolve_workers(torch.device("cuda"), 5),
    ) == (
        3,
        5,
        1,
    )
    assert pytorch_module.PyTorchEngine(translator.models, "fp32", 0).count == 3
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert resolve_workers(cpu, 0) == MAX_WORKERS
    monkeypatch.setattr(sys, "platform", "darwin")
    assert resolve_workers(cpu, 5) == 1
    with pytest.raises(UsageError, match="-1"):
        pytorch_module.PyTorchEngine(translator.models, "fp32", -1)


def have_ended(processes: list[int], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while any(map(alive, processes)) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(map(alive, processes))


def test_workers_end_with_their_translator(run: Path) -> None:
    translator = load(run, 2)
    translator.translate(LINES, beam=1, max_ratio=0.1, max_extra=1)
    started = processes(translator)
    assert all(map(alive, started))
    gc.disable()  # a reference cycle would keep them until it is collected
    try:
        del translator
        assert have_ended(started, 10)
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGINT],
)
def test_workers_end_if_the_command_is_killed(run: Path, tmp_path: Path, number: int) -> None:
    def translate_for_ever() -> None:
        translator = load(run, 2)
        translator.translate(LINES, beam=1, max_ratio=0.1, max_extra=1)
        print(*processes(translator))
        while True:
            translator.translate(LINES)

    (out, stdout), (err, stderr) = os.pipe(), os.pipe()
    command = Fork(translate_for_ever, tmp_path, stderr, stdout)
    os.close(stdout)
    os.close(stderr)
    with open(out) as printed, open(err) as said:
        started = [int(each) for each in printed.readline().split()]
        assert len(started) == 2
        if number == signal.SIGINT:
            os.killpg(command.pid, number)  # as a terminal does for Ctrl-C
        else:
            command.send_signal(number)
        command.wait(60)
        assert have_ended(started, 10)
        messages = said.read()
    assert messages.count("Traceback") == (number == signal.SIGINT)  # only the parent prints one


@pytest.mark.medium
def test_the_command_starts_one_worker_per_thread(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "in.txt"
    text.write_text("\n".join(LINES) + "\n", encoding="utf-8")
    forked: list[int] = []
    begin = pytorch_module.WorkerPool
    monkeypatch.setattr(
        pytorch_module,
        "WorkerPool",
        lambda count, function: forked.append(count) or begin(count, function),
    )
    flags = [str(run), "--input", str(text), "--device", "cpu", "--precision", "fp32"]
    flags += ["--batch-tokens", "120", "--max-ratio", "0.3"]
    printed = {}
    for threads in ("3", "1"):  # 1 last: the other tests need it
        command.translate(parse_arguments([*flags, "--threads", threads]))
        printed[threads] = capsys.readouterr().out
    assert forked == [3]
    assert printed["3"] == printed["1"] != ""
