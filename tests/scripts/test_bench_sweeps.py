"""Sweeps over settings, and the table of mechanisms: they vary and measure what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from helpers.benchmarks import TINY, cells, load
from mt.config.compose import load_config


@pytest.mark.medium
@pytest.mark.parametrize(
    "name, values",
    [("length", ["16", "2048"]), ("model", ["tiny"]), ("vocab", ["16000"]), ("corpus", ["900"])],
)
def test_sweeps_vary_what_they_say(name: str, values: list[str], tmp_path: Path) -> None:
    sweeps, training = load("bench.sweeps"), load("bench.training")
    job = training.Job(tmp_path, torch.device("cpu"), 1, 8192, 1, 2)
    for value in values:
        (src, _), own = sweeps.SWEEPS[name].prepare_value(value, job)
        config = load_config(["data=files", f"data.train.src={src}", *own])
        lengths = [len(line.split()) for line in src.read_text("utf-8").splitlines()]
        shown = {
            "length": lengths[0] + 1,
            "model": config.model.dim,
            "vocab": config.data.tokenizer.vocab_size,
            "corpus": len(lengths),
        }
        assert shown[name] == (128 if value == "tiny" else int(value))


@pytest.mark.slow
def test_a_sweep_measures_preparation_and_first_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        *TINY,
        "--sweep",
        "corpus",
        "--values",
        "200",
        "--vocab",
        "600",
        "--warm-up",
        "1",
        "--steps",
        "1",
        "--folder",
        str(tmp_path),
    ]
    load("bench_train").main([*arguments, "--batch-tokens", "512"])
    found = cells(capsys.readouterr().out)["transformer"]
    assert (
        found["pairs"] == "200"
        and float(found["preparing, s"]) > 0
        and float(found["first step, s"]) > float(found["preparing, s"])
    )


@pytest.mark.medium
def test_mechanisms_differ_in_what_their_names_say() -> None:
    mechanisms = load("mechanisms")
    plain, normalised = (
        load_config([*mechanisms.COMMON, *mechanisms.MECHANISMS[name]])
        for name in ("rope", "qk-norm")
    )
    assert not plain.model.transformer.qk_norm and normalised.model.transformer.qk_norm
    assert plain.optim.optimizer == "adamw"  # that of recurrent networks


@pytest.mark.slow
def test_mechanisms_trains_what_is_missing_and_prints_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It trains, tests and times one, repeats nothing, and leaves out what is missing."""
    mechanisms = load("mechanisms")
    small = [
        "data.train.demo=300",
        "data.val.demo=10",
        "data.tokenizer.vocab_size=500",
        "trainer.batch_tokens=256",
        "trainer.max_steps=2",
    ]
    told = [
        "gqa",
        *small,
        f"data.cache='{tmp_path}/cache'",
        "--folder",
        str(tmp_path),
        "--threads",
        "1",
    ]
    for name, value in {"TEST_PAIRS": 30, "WARM_UP": 1, "STEPS": 1, "REPEATS": 1}.items():
        monkeypatch.setattr(mechanisms, name, value)
    printed = []
    for flags in (["--speed"], [], []):
        monkeypatch.setattr("sys.argv", ["mechanisms.py", *told, *flags])
        mechanisms.main()
        printed.append(cells(capsys.readouterr().out))
        if not flags:
            monkeypatch.setattr(mechanisms, "train", None)
    assert [*printed[1]] == ["gqa"] and printed[1] == printed[2]
    found = printed[1]["gqa"]
    assert (
        float(found["AER"]) > 0
        and float(found["loss"]) > 1
        and found["tokens/s"] == printed[0]["gqa"]["tokens/s"]
    )
    assert float(found["tokens/s"].replace(",", "")) > 0 and printed[0]["gqa"]["AER"] == ""


def test_mechanisms_does_not_show_results_of_other_overrides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mechanisms = load("mechanisms")
    (tmp_path / "rope").mkdir()
    result = {"weights": 1, "bleu": dict.fromkeys(mechanisms.TESTS, 1.0), "aer": None, "loss": 1.0}
    for told, stored in (([], None), (["optim.lr=1"], ["optim.lr=1"]), (["optim.lr=2"], None)):
        extra = {"overrides": stored} if stored else {}
        (tmp_path / "rope" / mechanisms.RESULT).write_text(json.dumps(result | extra))
        monkeypatch.setattr("sys.argv", ["script", "rope", *told, "--folder", str(tmp_path)])
        if told == (stored or []):
            mechanisms.main()
            assert "| rope | 1.0" in capsys.readouterr().out
        else:
            with pytest.raises(SystemExit):
                mechanisms.main()
            assert "rope was trained with no overrides" in capsys.readouterr().err
