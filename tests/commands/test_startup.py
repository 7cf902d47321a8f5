"""Start-up time of the commands: no command imports a heavy module that it does not use."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mt
from mt.cli import NEW_OBJECTS

# Modules that only training, evaluation or drawing needs; most take a tenth of a second or more.
HEAVY_OWN = {"mt.train", "mt.training.trainer", "mt.data.prepare", "mt.evaluation.metrics"}
HEAVY = HEAVY_OWN | {
    "datasets", "pyarrow", "pandas", "hydra", "sacrebleu", "matplotlib", "tensorboard",
    "torch.utils.tensorboard", "torch._dynamo", "torch._inductor", "scipy", "sklearn",
    "transformers", "ctranslate2", "onnx", "onnxruntime", "jinja2", "rich",
}  # fmt: skip
PROBE = """
import importlib, sys
command, *sys.argv = sys.argv[1:]
try:
    importlib.import_module(command).main()
finally:
    print(*sorted(sys.modules), file=sys.stderr)
"""


def imported_modules(command: str, *flags: str) -> set[str]:
    """Return the modules that are loaded when a call of a command ends."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, command, command, *flags],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": str(Path(mt.__file__).parent.parent)},
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.medium
def test_translating_imports_nothing_heavy_that_it_does_not_use(run: Path) -> None:
    flags = ("--device", "cpu", "--max-ratio", "0.3", "--alignments", "--format", "jsonl")
    modules = imported_modules("mt.translate", str(run), "The cat sees.", *flags)
    assert {"torch", "mt.decoding.search"} <= modules
    assert sorted(HEAVY & modules) == []


@pytest.mark.medium
def test_training_imports_the_library_of_the_hugging_face_hub_only_to_ask_it() -> None:
    assert not {"datasets", "pandas"} & imported_modules("mt.train", "--version")


@pytest.mark.parametrize("module", sorted(HEAVY_OWN))
def test_the_heavy_modules_of_the_package_exist(module: str) -> None:
    """Otherwise the test above would pass with the name of a module that was removed."""
    assert importlib.util.find_spec(module) is not None


@pytest.mark.parametrize("command", ["mt.translate", "mt.evaluate"])
def test_a_wrong_flag_is_reported_without_waiting_for_torch(command: str) -> None:
    assert not (
        {"torch", "datasets", "pandas"} & imported_modules(command, "run", "--no-such-flag")
    )


@pytest.mark.parametrize(
    "settings, expected",
    [
        ({}, "2000 None"),
        ({"GOMP_SPINCOUNT": "7"}, "7 None"),
        ({"OMP_WAIT_POLICY": "active"}, "None active"),
    ],
)
def test_threads_spin_briefly_unless_the_user_says_otherwise(
    settings: dict[str, str], expected: str
) -> None:
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    environment = {key: value for key, value in os.environ.items() if key not in names}
    environment |= {**settings, "PYTHONPATH": str(Path(mt.__file__).parent.parent)}
    probe = f"import mt, os, sys; print(*map(os.environ.get, {names}), 'torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", probe],
        capture_output=True,
        text=True,
        timeout=100,
        env=environment,
        check=True,
    )
    assert done.stdout.split() == [*expected.split(), "False"], "PyTorch reads them at its import"


def test_a_command_does_not_search_its_imports_for_garbage() -> None:
    """Neither often, nor when it ends: that takes a third of the time of a short command."""
    program = (
        "import atexit, gc, sys; from mt.commands import serve; "
        "atexit.register(lambda: print(gc.get_threshold()[0], gc.get_freeze_count() > 0)); "
        "sys.argv = ['mt-serve', '--version']; serve()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": str(Path(mt.__file__).parent.parent)},
    )
    assert done.stdout.split()[-2:] == [str(NEW_OBJECTS), "True"]
