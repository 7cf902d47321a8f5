"""Fixtures that several test files share."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

import mt
from helpers import ROOT
from helpers.tiny_models import save_run, sentences
from helpers.training_runs import NARROW_MODEL, write_tiny_run
from mt.cli import NEW_OBJECTS
from mt.config.schema import TokenizerConfig
from mt.data.tokenizer import Tokenizer
from mt.decoding.translator import Translator

# As in the commands, see `mt.cli.run_module`. The tests themselves are many objects, too.
gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])

# Tensors are tiny: a second thread would only wait, even more if other processes use the cores.
torch.set_num_threads(1)
# NumPy reads this when it is imported: in the processes of pytest-xdist and in commands.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# An example may take any time: the machine may be busy.
hypothesis.settings.register_profile("any-time", deadline=None)
hypothesis.settings.load_profile("any-time")


def pytest_collection_finish() -> None:
    gc.freeze()


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Return the directory of real parallel text: $MT_REALDATA or ../shared/data."""
    folder = Path(os.environ.get("MT_REALDATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real text at {folder}: set MT_REALDATA")
    return folder


@pytest.fixture(scope="session", autouse=True)
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let tests share prepared corpora, whose names are hashes, and not use those of the user."""
    os.environ["MT_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let commands that run in this process see one core, and compute with one thread again."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0}, raising=False)
    yield
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def pytorch_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands not export every tiny run to CTranslate2, in this process and in others."""
    monkeypatch.setenv("MT_BACKEND", "pytorch")


@pytest.fixture(autouse=True)
def skip_flops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the count of FLOPs, which takes a second or two, longer than most runs here train."""
    if request.path.name != "test_budget.py":
        monkeypatch.setattr(
            "mt.training.trainer.FlopsEstimator",
            lambda model: lambda sentences, source, target: 0.0,
        )


@pytest.fixture
def tiny_run(tmp_path: Path) -> Callable[..., list[str]]:
    """Return a function that writes some sentence pairs to files and returns overrides of a run.

    See `helpers.training_runs.write_tiny_run`. The model is a narrow one.
    """
    return lambda *arguments, **choices: [
        *write_tiny_run(tmp_path, *arguments, **choices),
        *NARROW_MODEL,
    ]


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    lines = sentences(300)
    return Tokenizer.train(
        lambda: lines, lambda: lines, TokenizerConfig(type="bpe", vocab_size=330)
    )


@pytest.fixture(scope="module")
def run(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_run(tmp_path_factory.mktemp("runs") / "a run, with spaces", tokenizer)


@pytest.fixture(scope="module")
def translator(run: Path) -> Translator:
    return mt.load(run, device="cpu", precision="fp32")
