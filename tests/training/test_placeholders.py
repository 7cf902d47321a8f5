"""Placeholders from training to evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.training_runs import NARROW_MODEL, run_training, write_tiny_run
from mt.data.noise import MODIFICATIONS
from mt.data.normalisation import Normaliser
from mt.data.symbols import Symbols
from mt.data.tokenizer import Tokenizer
from mt.errors import MTError, UsageError
from mt.evaluate import main as evaluate
from mt.evaluation.placeholders import PlaceholderCounts, count_placeholders
from mt.run_files import SYMBOLS
from mt.run_folder import RunFolder


def write_text(folder: Path) -> list[str]:
    """Write a tiny corpus whose every second pair has a placeholder on both sides."""
    overrides = [*write_tiny_run(folder, 60), *NARROW_MODEL]
    for split in ("train", "val", "test"):
        for side in ("src", "tgt"):
            path = folder / f"{split}.{side}"
            lines = path.read_text(encoding="utf-8").splitlines()
            lines = [f"{line} {{{i}}}" if i % 2 else line for i, line in enumerate(lines)]
            path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return [*overrides, "data.tokenizer.vocab_size=0", "trainer.max_steps=3"]


@pytest.mark.medium
def test_a_run_has_its_symbols_and_counts_lost_placeholders(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    separate = ["data.tokenizer.joint=false", "model.tie_embeddings=target"]
    overrides = [*write_text(tmp_path), *separate, "data.tokenizer.placeholders=[braces]"]
    run_training(overrides)
    run = tmp_path / "runs" / "tiny"
    assert Tokenizer.load(run).symbols.patterns
    capsys.readouterr()
    flags = ["--json", str(tmp_path / "scores.json"), "--beam", "1", "--bootstrap", "0"]
    evaluate([str(run), *flags, "--robustness"])
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert [row["name"] for row in scores["robustness"]] == ["", *MODIFICATIONS]
    assert scores["robustness"][1]["changed"] == 6
    counts = scores["placeholders"]
    assert counts["sources"] == 3 and counts["references_lost"] == 0
    assert counts["lost"] <= 3 and f"lost in translation: {counts['lost']}" in (
        capsys.readouterr().out
    )
    others = [each for each in overrides[:-1] if each != "data.tokenizer.joint=false"]
    tune = [*others, "name=tuned", f"trainer.init_from={run}"]
    with pytest.raises(UsageError, match=r"leave out data.tokenizer.placeholders=\[\"url\"\]"):
        run_training([*tune, "data.tokenizer.placeholders=[url]"])
    run_training(tune)
    tuned = RunFolder(run.with_name("tuned")).read_config()
    assert tuned.data.tokenizer.placeholders == ["braces"]
    (run / SYMBOLS).write_text("{}")
    with pytest.raises(MTError, match="has changed since mt wrote it"):
        Tokenizer.load(run)


def test_counts_are_those_counted_by_hand() -> None:
    symbols = Symbols(patterns=[r"\{\w+\}"])
    sources = ["{a} {b}", "no", "{c}\u00ad"]
    hypotheses = ["{b}", "{x} no", "{c}"]
    references = ["{a} {b}", "no", "c"]
    assert count_placeholders(symbols, sources, hypotheses, references, Normaliser()) == (
        PlaceholderCounts(3, 1, 1, 1, 0)
    )
    assert count_placeholders(Symbols(), sources, hypotheses, references, Normaliser()) is None
