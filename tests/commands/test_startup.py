"""A sentence is answered within seconds: nothing heavy is imported that the command does not use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mt

# A tenth of a second or more each, except hydra's plugins, which search the path. What only
# training, evaluation or drawing needs.
HEAVY = {
    "datasets", "pyarrow", "pandas", "hydra", "sacrebleu", "matplotlib", "tensorboard", "torch.utils.tensorboard", "torch._dynamo",
    "torch._inductor", "scipy", "sklearn", "transformers", "ctranslate2", "onnx", "onnxruntime", "jinja2", "rich", "mt.train",
    "mt.training.trainer", "mt.data.prepare", "mt.evaluation.metrics",
}  # fmt: skip
PROBE = """
import importlib, sys
command, *sys.argv = sys.argv[1:]
try:
    importlib.import_module(command).main()
finally:
    print(*sorted(sys.modules), file=sys.stderr)
"""


def imported(command: str, *flags: str) -> set[str]:
    """The modules that a call of a command ends with."""
    found = subprocess.run(
        [sys.executable, "-c", PROBE, command, command, *flags],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": str(Path(mt.__file__).parent.parent)},
    )
    return set(found.stderr.splitlines()[-1].split())


def test_translating_imports_nothing_heavy_that_it_does_not_use(run: Path) -> None:
    flags = ("--device", "cpu", "--max-ratio", "0.3", "--alignments", "--format", "jsonl")
    modules = imported("mt.translate", str(run), "The cat sees.", *flags)
    assert {"torch", "mt.decoding.search"} <= modules
    assert sorted(HEAVY & modules) == []


@pytest.mark.parametrize("command", ["mt.translate", "mt.evaluate"])
def test_a_wrong_flag_is_reported_without_waiting_for_torch(command: str) -> None:
    assert not ({"torch", "datasets", "pandas"} & imported(command, "run", "--no-such-flag"))


@pytest.mark.parametrize(
    "own, expected",
    [
        ({}, "2000 None"),
        ({"GOMP_SPINCOUNT": "7"}, "7 None"),
        ({"OMP_WAIT_POLICY": "active"}, "None active"),
    ],
)
def test_threads_spin_briefly_unless_the_user_says_otherwise(
    own: dict[str, str], expected: str
) -> None:
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    environment = {key: value for key, value in os.environ.items() if key not in names}
    environment |= {**own, "PYTHONPATH": str(Path(mt.__file__).parent.parent)}
    probe = f"import mt.train, os; print(*map(os.environ.get, {names}))"
    found = subprocess.run(
        [sys.executable, "-c", probe],
        capture_output=True,
        text=True,
        timeout=100,
        env=environment,
        check=True,
    )
    assert found.stdout.split() == expected.split()
