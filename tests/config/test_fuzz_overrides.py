"""No override of mt-train gives anything but settings or an error of one line."""

from __future__ import annotations

import math

from hypothesis import example, given
from hypothesis import strategies as st

from helpers.fuzzing import fuzz, odd_text, outcome
from mt.arguments.train import prepare_arguments
from mt.config.compose import load_config
from mt.config.presets import groups
from mt.config.schema import Config, keys
from mt.config.yaml import config_from_yaml, config_to_yaml
from mt.errors import MTError

NAMES = [*keys(), *groups(), "data.mix.x", "data.mix.x.src", "data.mix.x.weight", "hydra.run.dir",
         "hydra.searchpath", "model.nosuch", "", "data", "optim"]  # fmt: skip
OPTIONS = sorted({option for options in groups().values() for option in options})
values = st.one_of(
    st.sampled_from([*OPTIONS, "", "null", "true", "[]", "{}", "[a,b]", "{a: 1}", "a,b", "-1", "0",
                     "1", "2.5", "1e-3", "1e999", "nan", "inf", "9" * 30, "0x10", "1_000"]),
    st.integers().map(str),
    st.floats().map(str),
    odd_text,
)  # fmt: skip
overrides = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "", "", "", "+", "++", "~"]),
    st.sampled_from(NAMES),
    st.sampled_from(["=", "=", "=", "=", "", "@a=", "@a:b="]),
    values,
)


@fuzz(40)
@given(st.lists(st.one_of(overrides, overrides, odd_text), max_size=4))
def test_fuzz_overrides_give_settings_or_one_line(arguments: list[str]) -> None:
    config = outcome(lambda: load_config(arguments))
    if isinstance(config, MTError):
        return
    assert isinstance(config, Config)
    again = config_from_yaml(config_to_yaml(config))  # as the run records it
    assert again == config or any(math.isnan(value) for value in numbers(config)), arguments


def numbers(value: object) -> list[float]:
    """Return the floats in nested settings."""
    if isinstance(value, float):
        return [value]
    if isinstance(value, dict):
        return [number for item in value.values() for number in numbers(item)]
    if isinstance(value, list):
        return [number for item in value for number in numbers(item)]
    return numbers(vars(value)) if hasattr(value, "__dict__") else []


flags = st.sampled_from(["-m", "--multirun", "--cfg", "job", "--config-dir", "-cd", "--config-name",
                         "--info", "-p", "optim", "--nosuch", "--resolve"])  # fmt: skip


@fuzz(20)
@example(["--config-dir", "\n"])
@example(["--config-dir", "~nosuchuser"])
@example(["--config-dir", "9" * 400])
@given(st.lists(st.one_of(overrides, odd_text, flags), max_size=4))
def test_fuzz_arguments_are_prepared_or_refused_in_one_line(arguments: list[str]) -> None:
    prepared = outcome(lambda: prepare_arguments(arguments))
    assert isinstance(prepared, list | MTError)
