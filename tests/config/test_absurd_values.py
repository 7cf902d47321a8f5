"""Values that nobody can mean, and sizes that no machine has, are refused at once."""

from __future__ import annotations

import copy
import functools
import math
import re
from typing import Any

import pytest
import torch
import yaml

from mt.config.checks import check_values
from mt.config.compose import load_config
from mt.config.schema import keys
from mt.config.yaml import config_from_yaml
from mt.errors import MTError, UsageError
from mt.training.memory import check_memory


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.eps=1e10", "optim.eps must be >= 1e-30 and < 1, got 10000000000.0"),
        ("data.tokenizer.sampling=5", "data.tokenizer.sampling must be >= 0 and <= 1, got 5.0"),
        ("data.tokenizer.character_coverage=2", "character_coverage must be >= 0 and <= 1"),
        ("data.tokenizer.vocab_size=99999999999", "vocab_size must be >= 0 and <= 10,000,000"),
        ("data.train.weight=1e9", "data.train.weight must be >= 0 and <= 1,000"),
        ("+data.mix.news.weight=1e9", "data.mix.news.weight must be >= 0 and <= 1,000"),
        ("+data.mix.news.limit=-1", "data.mix.news.limit must be >= 0, got -1"),
        ("data.mix=${seed}", "data.mix is a group: set its settings, such as data.mix.news.src,"),
        ("data.mix=5", "data.mix is a group: set its settings, such as data.mix.news.src, got 5"),
        ("data.mix={a:{src:x}}", "data.mix is a group"),
        ("data.mix.a=3", "data.mix.a is a group: set its settings, such as data.mix.a.src, got 3"),
        ("+data.mix.a=[b]", "data.mix.a is a group"),
        ("data.val_sets.a=null", "data.val_sets.a is a group"),
        ("data.train=3", "data.train is a group: set its settings, such as data.train.src, got 3"),
        ("model.rnn=lstm", "model.rnn is a group"),
        ("optim=3", "unknown option optim=3: choose one of adamw, auto, cosine, muon, wsd"),
        ("model.dim=1e12", "model.dim: Value '1000000000000.0'"),
        ("model.dim=1000000000000", "model.dim must be >= 1 and <= 1,000,000"),
        ("model.transformer.encoder_layers=1000000", "encoder_layers must be >= 1 and <= 1,000"),
        ("trainer.val_beam=100000", "trainer.val_beam must be >= 1 and <= 1,000, got 100000"),
        ("trainer.threads=1000000", "trainer.threads must be >= 0 and <= 1,024"),
        ("name=' '", "name must have no spaces at its ends"),
        ("name='a/ b'", "name must have no spaces at its ends"),
        ("name='a\x07'", "only characters that can be seen"),
        ("name=.", "name must be a relative path inside runs_dir"),
        ("name=''", "name must be a relative path inside runs_dir"),
    ],
)
def test_absurd_values_are_refused_in_one_line(override: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        load_config([override])
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "key", ["optim", "data.train", "model.rnn", "data.mix", "data.mix.a", "data.val_sets.a"]
)
@pytest.mark.parametrize("value", [3, "x", [1], None])
def test_groups_of_a_file_must_hold_settings(key: str, value: Any) -> None:
    content = value
    for name in reversed(key.split(".")):
        content = {name: content}
    with pytest.raises(UsageError, match=rf"^{key} is a group: set its settings, such as {key}\."):
        config_from_yaml(yaml.safe_dump(content))


def test_a_model_that_the_machine_cannot_hold_is_refused_before_it_is_built() -> None:
    config = load_config(
        ["auto=false", "model.dim=1000000", "model.transformer.ff_dim=1000000"]
    ).model
    with pytest.raises(MTError, match=r"parameters needs [\d,]+\.\d GiB to train, and there are"):
        check_memory(config, [8000, 8000], torch.device("cpu"))
    check_memory(load_config(["auto=false"]).model, [8000, 8000], torch.device("cpu"))


# Settings of which every large value means that there is no limit, or only a long wait.
UNLIMITED = {
    "seed",
    "optim.lr",  # the loss diverges, which ends training with an error
    "optim.warmup",
    "optim.clip",
    "model.transformer.softcap",
    "data.holdout",
    "data.clean.max_words",
    "data.clean.max_chars",
    "data.clean.max_ratio",
    "data.clean.max_repeats",
    "data.clean.max_foreign",
    "data.tokenizer.train_lines",
    "trainer.max_steps",
    "trainer.max_epochs",
    "trainer.max_minutes",
    "trainer.max_target_tokens",
    "trainer.max_flops",
    "trainer.log_every",
    "trainer.val_every",
    "trainer.val_minutes",
    "trainer.patience",
    "trainer.samples",
    "trainer.save_minutes",
    *(f"data.{split}.limit" for split in ("train", "val", "test")),
}
default_config = functools.cache(lambda: load_config(["auto=false"]))
NUMBERS = {name: field.type for name, field in keys().items() if field.type in ("int", "float")}


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_is_refused_in_one_line_if_it_is_absurd(name: str) -> None:
    """Composing takes long, so that the checks are called with the value."""
    config = copy.deepcopy(default_config())
    *sections, field = name.split(".")
    owner = functools.reduce(getattr, sections, config)
    values: list[float] = [-1, -(10**30), 10**30]
    if NUMBERS[name] == "float":
        values = [-1e18, -math.inf, math.inf, math.nan]
    if name not in UNLIMITED:
        values.append(10**18 if NUMBERS[name] == "int" else 1e18)
    for value in values:
        setattr(owner, field, value)
        with pytest.raises(UsageError, match=rf"^{re.escape(name)} must be .*, got ") as error:
            check_values(config)
        assert "\n" not in str(error.value)


def test_an_epsilon_of_zero_is_refused() -> None:
    """AdamW divides by it where a piece has had no gradient, and its weights become NaN."""
    config = copy.deepcopy(default_config())
    config.optim.eps = 0.0
    with pytest.raises(UsageError, match=r"optim\.eps must be >= 1e-30 and < 1, got 0"):
        check_values(config)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, "x") for name in NUMBERS),
        *((name, text) for name in ("seed", "optim.lr") for text in ("", "1e", "0x", "1,2")),
    ],
)
def test_text_in_place_of_a_number_is_refused_in_one_line(name: str, text: str) -> None:
    """The type of the setting decides, so one of each type gets every text."""
    with pytest.raises(UsageError) as error:
        config_from_yaml(to_yaml({name: text}))
    assert "\n" not in str(error.value) and name.split(".")[-1] in str(error.value)


def to_yaml(settings: dict[str, str]) -> str:
    return "".join(nest(name.split("."), value) for name, value in settings.items())


def nest(parts: list[str], value: str) -> str:
    return "".join(f"{'  ' * i}{part}:\n" for i, part in enumerate(parts))[:-1] + f" '{value}'\n"
