"""A sentence is answered within seconds: nothing heavy is imported that the command does not use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mt

# A tenth of a second or more each, except hydra's plugins, which search the path. What only training, evaluation or drawing needs.
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
