"""Fine-tuning says if its held-out pairs are in the training text of the run it starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from helpers.prepared_corpora import PAIRS, write_split
from helpers.training_runs import NARROW_MODEL, run_training, write_tiny_run
from mt.config.schema import Config, DataConfig, TokenizerConfig, TrainerConfig
from mt.data.corpus import load_corpus
from mt.data.prepare import prepare
from mt.run_folder import RunFolder
from mt.training.seen_pairs import describe_seen_pairs


@pytest.fixture
def whole(tmp_path: Path) -> DataConfig:
    """Return the settings of the text of the run `first`, whose settings are written."""
    text = DataConfig(
        train=write_split(tmp_path, "whole", PAIRS),
        holdout=10,  # less than 5 %, which a part of the text has
        tokenizer=TokenizerConfig(vocab_size=330),
        cache=str(tmp_path / "cache"),
    )
    RunFolder(tmp_path / "first").write_config(Config(data=text))
    return text


def describe(tmp_path: Path, text: DataConfig) -> list[str]:
    config = Config(data=text, trainer=TrainerConfig(init_from=str(tmp_path / "first")))
    return describe_seen_pairs(config, prepare(text, lambda _: None))


def test_held_out_pairs_that_the_other_run_was_trained_on_are_counted(
    tmp_path: Path, whole: DataConfig
) -> None:
    part = replace(whole, train=write_split(tmp_path, "part", PAIRS[:200]))
    trained = set(load_corpus(whole).train[0].pairs())
    sets = load_corpus(part)
    seen = [len(trained & set(source.pairs())) for source in (sets.val, sets.test)]
    assert seen[0] and seen[1]
    assert describe(tmp_path, part) == [
        f"warning: the sources of {seen[0]} of 10 validation pairs and {seen[1]} of 10 test pairs "
        f"are in the training text of {tmp_path}/first, which flatters the model: give data.val "
        "and data.test of text that it has not seen"
    ]
    part.val = write_split(tmp_path, "val", PAIRS[:9])  # what is given is not compared
    (line,) = describe(tmp_path, part)
    assert line.endswith("give data.test of text that it has not seen")
    part.test = part.val
    assert describe(tmp_path, part) == []


def test_the_same_text_and_other_text_are_accepted(tmp_path: Path, whole: DataConfig) -> None:
    assert describe(tmp_path, whole) == []
    others = [(f"{source} again", target) for source, target in PAIRS[:200]]
    other = replace(whole, train=write_split(tmp_path, "other", others))
    assert describe(tmp_path, other) == []
    Path(whole.train.src).unlink()
    (line,) = describe(tmp_path, other)
    assert line.startswith("note: ") and line.endswith(
        "give data.val and data.test of text that it has not seen"
    )
    RunFolder(tmp_path / "first").write_config(Config())  # as of an imported model
    assert describe(tmp_path, other) == []


@pytest.mark.medium
def test_the_first_start_of_a_fine_tuning_warns(tmp_path: Path) -> None:
    sets = ("data.val.", "data.test.")
    base = [each for each in write_tiny_run(tmp_path, 200) if not each.startswith(sets)]
    base += ["trainer.test=false", "trainer.max_steps=1", "data.holdout=3"]
    run_training([*base, *NARROW_MODEL, "name=first"])
    tuned = [each for each in base if not each.startswith("data.tokenizer.")]
    tuned += ["data.train.limit=60", "name=tuned", f"trainer.init_from={tmp_path}/runs/first"]
    run_training(tuned)
    run_training([*tuned, "trainer.max_steps=2"])
    log = (tmp_path / "runs" / "tuned" / "train.log").read_text()
    assert log.count(f"are in the training text of {tmp_path}/runs/first") == 1
