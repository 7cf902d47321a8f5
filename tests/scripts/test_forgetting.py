"""The script that measures what fine-tuning gains and loses."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from helpers.benchmarks import load
from helpers.training_runs import NARROW_MODEL, run_training, short_pairs, write_tiny_run
from mt.config.schema import Config, SplitConfig
from mt.errors import MTError
from mt.run_folder import RunFolder


@pytest.mark.slow  # four trainings
def test_all_ways_are_trained_and_scored_on_both_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MT_CACHE", str(tmp_path / "cache"))
    base = [*write_tiny_run(tmp_path, 60), *NARROW_MODEL, "trainer.test=false", "optim.ema=0"]
    run_training([*base, "name=old", "trainer.max_steps=2"])
    old = RunFolder.at(tmp_path / "runs" / "old")
    for side, attribute in (("src", "source"), ("tgt", "target")):
        text = "".join(getattr(pair, attribute) + "\n" for pair in short_pairs("compose", 8))
        (tmp_path / f"new.{side}").write_text(text, encoding="utf-8")
    script = load("forgetting")
    start = script.subprocess.run

    def call(command: list[str], **keys: Any) -> Any:
        if "mt.train" not in command:  # such as git, for environment.json
            return start(command, **keys)
        run_training(command[3:])
        return Namespace(returncode=0)

    monkeypatch.setattr(script.subprocess, "run", call)

    script.main(
        [
            *(str(old), "--out", str(tmp_path / "out"), "--pulls", "10", "--mixes", "0.5"),
            *("--shares", "0.25", "--picture", str(tmp_path / "curves.svg"), "--"),
            *("auto=false", "trainer.device=cpu", "trainer.precision=fp32", "optim.lr=0.01"),
            *("optim.warmup=1", "trainer.max_steps=3", "data.src_lang=en", "data.tgt_lang=de"),
            *(f"data.{part}.{side}={tmp_path}/{name}.{side}" for part, name in
              (("train", "train"), ("val", "new"), ("test", "test")) for side in ("src", "tgt")),
        ]
    )  # fmt: skip
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert list(scores) == ["initial model", "fine-tuning", "pull 10", "mix 0.5", "average 0.25"]
    runs = {title: RunFolder.at(tmp_path / "out" / title.replace(" ", "-")) for title in scores}
    for title in ("fine-tuning", "pull 10", "mix 0.5"):
        config = runs[title].read_config()
        assert config.optim.init_decay == (10 if title == "pull 10" else 0)
        assert [s.weight for s in config.data.mix.values()] == [0.5] * (title == "mix 0.5")
        best = min(
            (record for record in runs[title].read_metrics() if record["kind"] == "val"),
            key=lambda record: record["loss"],
        )
        for name, key in (("val", "loss"), ("old", "old/loss")):
            assert scores[title][name]["loss"] == pytest.approx(best[key], rel=1e-4)
    first, last, mean = (
        load_file(folder.model) for folder in (old, runs["fine-tuning"], runs["average 0.25"])
    )
    for name in mean:
        expected = 0.75 * first[name] + 0.25 * last[name]
        np.testing.assert_allclose(mean[name], expected, rtol=1e-5, atol=1e-7)
    printed = capsys.readouterr().out
    assert "| initial model" in printed and printed == (tmp_path / "out" / "table.md").read_text()
    assert "average" in (tmp_path / "curves.svg").read_text()


def test_the_old_text_is_given_with_all_its_settings() -> None:
    split = SplitConfig(src=["a b.en", "c.en"], tgt="x,y", limit=5, tag="<old>")
    assert load("forgetting").split_settings("data.val_sets.old", split) == [
        "+data.val_sets.old.src=['a b.en','c.en']",
        "+data.val_sets.old.tgt='x,y'",
        "+data.val_sets.old.tag='<old>'",
        "+data.val_sets.old.limit='5'",
    ]


def test_an_average_is_that_of_the_present_fine_tuning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, made = load("forgetting"), list[list[str]]()

    def average_runs(paths: list[str], out: RunFolder, shares: list[float]) -> None:
        out.path.mkdir(parents=True)  # fails if there is one
        made.append(paths)

    monkeypatch.setattr(script, "average_runs", average_runs)
    given = Namespace(out=tmp_path, run=RunFolder.at(tmp_path / "old"))
    assert [script.average(given, 0.25).name for _ in range(2)] == ["average-0.25"] * 2
    assert made == [[str(tmp_path / "fine-tuning"), str(tmp_path / "old")]] * 2


@pytest.mark.parametrize("name", ["forgetting", "measure_adaptation", "settings_by_size"])
def test_a_training_that_was_killed_says_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    script = load(name)
    killed = Namespace(returncode=-9, stderr="")
    monkeypatch.setattr(script.subprocess, "run", lambda *_, **__: killed)
    run = Namespace(read_config=Config)
    given = Namespace(
        run=run, settings=[], out=Path("out"), folder=Path(), sides=["en", "de"], steps=1
    )
    calls = {
        "forgetting": lambda: script.train(given, script.Way("pull", 1)),
        "measure_adaptation": lambda: script.fine_tune(given, "tuned"),
        "settings_by_size": lambda: script.train([]),
    }
    with pytest.raises((MTError, SystemExit), match="killed by SIGKILL"):
        calls[name]()
