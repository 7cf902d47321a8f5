"""The script that measures trimming and extending the vocabulary and LoRA."""

from __future__ import annotations

import gzip
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from helpers.benchmarks import cells, load
from helpers.training_runs import NARROW_MODEL, run_training, short_pairs, write_tiny_run


@pytest.mark.slow  # four trainings
def test_each_kind_of_adaptation_is_trained_and_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MT_CACHE", str(tmp_path / "cache"))
    script, trained = load("measure_adaptation"), list[str]()
    first = [*write_tiny_run(tmp_path, 200), *NARROW_MODEL, "optim.ema=0", "trainer.max_steps=2"]
    run_training(first)
    for split, count in (("train", 40), ("val", 5)):
        for side, attribute in (("src", "source"), ("tgt", "target")):
            text = "".join(getattr(pair, attribute) + "\n" for pair in short_pairs("val", count))
            (tmp_path / f"{split}.{side}.gz").write_bytes(gzip.compress(text.encode()))

    start = script.subprocess.run

    def call(command: list[str], **keys: Any) -> Any:
        if "mt.train" not in command:  # such as git, for environment.json
            return start(command, **keys)
        trained.append(command[-1])
        run_training(command[3:])
        return Namespace(returncode=0)

    monkeypatch.setattr(script.subprocess, "run", call)
    sizes = "--steps 2 --extend 20 --lora 2 --lines 5 --sides src tgt".split()
    run = str(tmp_path / "runs" / "tiny")
    script.main([run, str(tmp_path), "--out", str(tmp_path / "out"), *sizes])
    rows = cells(capsys.readouterr().out)
    assert [*rows] == [
        "initial model", "fine-tuned", "fine-tuned, trimmed", "fine-tuned, extend=20",
        "fine-tuned, lora=2",
    ]  # fmt: skip
    pieces = {title: int(row["pieces"]) for title, row in rows.items()}
    assert pieces["fine-tuned, trimmed"] < pieces["fine-tuned"] == pieces["initial model"]
    assert pieces["fine-tuned, extend=20"] == pieces["initial model"] + 20
    assert rows["fine-tuned, trimmed"]["BLEU"] == rows["fine-tuned"]["BLEU"]
    assert rows["fine-tuned, lora=2"]["parameters"] == rows["initial model"]["parameters"]
    untrained = [title for title, row in rows.items() if not row["peak memory"]]
    assert untrained == ["fine-tuned, trimmed"]
    checkpoints = {title: float(row["checkpoint"].split()[0]) for title, row in rows.items()
                   if row["checkpoint"]}  # fmt: skip
    assert checkpoints["fine-tuned, lora=2"] < checkpoints["fine-tuned"]
    per_word = {title: float(row["pieces per word"]) for title, row in rows.items()}
    assert per_word["fine-tuned, extend=20"] < per_word["fine-tuned"]
    assert per_word["fine-tuned"] <= per_word["fine-tuned, trimmed"]
    assert trained == ["name=tuned", "name=extended", "name=lora"]
