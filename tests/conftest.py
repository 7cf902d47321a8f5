"""Fixtures that several test files share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

import mt
from helpers import ROOT
from helpers.tiny_models import save_run, sentences
from mt.config.schema import TokenizerConfig
from mt.data.embedded_corpus import generate
from mt.data.tokenizer import Tokenizer
from mt.decoding.translator import Translator

torch.set_num_threads(
    1
)  # tiny tensors: a second thread only waits, and more so where other work shares the cores


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of real parallel text: $MT_REALDATA, by default ../shared/data beside the checkout."""
    folder = Path(os.environ.get("MT_REALDATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real text at {folder}: set MT_REALDATA")
    return folder


@pytest.fixture(autouse=True)
def cheap_operations(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting what a step costs takes every run a second or two, longer than most runs of the tests train."""
    if request.path.name != "test_budget.py":
        monkeypatch.setattr(
            "mt.training.trainer.FlopsEstimator",
            lambda model: lambda sentences, source, target: 0.0,
        )


@pytest.fixture
def tiny_run(tmp_path: Path):
    """Overrides of a run that takes seconds: `tiny_run(pairs)` writes that many pairs of the embedded corpus as files."""

    def overrides(pairs: int, write: bool = True) -> list[str]:
        if write:
            for split, size in (("train", pairs), ("val", 12), ("test", 12)):
                # With few pairs the test is on the training text: whether a model can learn it by
                # heart.
                count = pairs if pairs < 50 else size
                found = generate("train" if pairs < 50 else split, 5 * count)
                # Short ones: a model that has learned nothing translates up to the longest output
                # that is allowed.
                lines = [pair for pair in found if len(pair.source.split()) <= 10][:count]
                for side, text in (("src", "source"), ("tgt", "target")):
                    (tmp_path / f"{split}.{side}").write_text(
                        "".join(getattr(line, text) + "\n" for line in lines), encoding="utf-8"
                    )
        files = [
            f"data.{split}.{side}={tmp_path}/{split}.{side}"
            for split in ("train", "val", "test")
            for side in ("src", "tgt")
        ]
        return [
            "data=files",
            "data.name=tiny",
            "data.src_lang=en",
            "data.tgt_lang=de",
            "data.tokenizer.vocab_size=400",
            *files,
            f"data.cache={tmp_path}/cache",
            f"runs_dir={tmp_path}/runs",
            "name=tiny",
            "trainer.batch_tokens=256",
            "trainer.max_minutes=0",
            "trainer.threads=1",
            "trainer.device=cpu",
        ]

    return overrides


@pytest.fixture(scope="module")
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
