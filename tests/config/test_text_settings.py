"""Settings that are text: they keep what is written in files and on the command line."""

from __future__ import annotations

import re
import shlex

import pytest
from hypothesis import given, strategies

from mt.config import compose, overrides
from mt.config import yaml as config_yaml
from mt.errors import UsageError


def test_paths_with_special_characters_are_kept():
    for path in ("a b.txt", "a=b.txt", "a,b.txt", "~/x.txt", "ä/ö.txt", "[x].txt", "a'b.txt"):
        quoted = path.replace("'", r"\'")
        assert compose.load_config([f"data.train.src='{quoted}'"]).data.train.src == path
    for path in ("zwölf.en", "a=b, c (1).en", "50%.en", "x(1).en", "#1.en", "a: b.en", "😀.en"):
        assert compose.load_config([f"data.train.src={path}"]).data.train.src == path
        mix = compose.load_config([f"data.mix.more.src={path}"]).data.mix
        assert mix["more"].src == path
    assert compose.load_config(["data.train.src=[a.txt,'b c.txt']"]).data.train.src == [
        "a.txt",
        "b c.txt",
    ]


@pytest.mark.parametrize("text", ["no", "true", "1e3", "007", "inf", "12:30", "0x1f", "1_000"])
def test_settings_that_are_text_keep_the_text_of_the_command_line(text):
    config = compose.load_config(
        [f"name={text}", f"data.tgt_lang={text}", f"data.train.src=[{text},x]"]
    )
    assert (config.name, config.data.tgt_lang, config.data.train.src) == (text, text, [text, "x"])


@pytest.mark.parametrize(
    "text", ["no", "on", "true", "1e3", "007", "inf", "12:30", "0x1f", "1_000"]
)
def test_settings_that_are_text_keep_the_text_of_a_recorded_configuration(text):
    config = config_yaml.config_from_yaml(
        f"data: {{tgt_lang: {text}, train: {{src: {text}, columns: [{text}, b]}}, "
        f"mix: {{{text}: {{src: {text}}}}}}}"
    )
    assert (config.data.tgt_lang, config.data.train.src) == (text, text)
    assert (config.data.train.columns, config.data.mix[text].src) == ([text, "b"], text)


def test_numbers_and_switches_of_yaml_get_the_type_of_the_schema():
    config = config_yaml.config_from_yaml(
        "seed: 7\noptim: {lr: 1e-3, betas: [0.5, 1e-1]}\ndata: {reverse: yes, train: {src: null}}"
    )
    assert (config.seed, config.optim.lr, config.optim.betas) == (7, 0.001, [0.5, 0.1])
    assert (config.data.reverse, config.data.train.src) == (True, None)


@given(strategies.text(max_size=12))
def test_every_text_can_be_quoted(text):
    assert overrides.parse_override(f"name={overrides.quote_value(text)}").value() == text


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("data.train.src=a,b.en", """for a text with a comma write 'data.train.src="a,b.en"'"""),
        ("data.train.src=a,b.en", "for a list 'data.train.src=[a,b.en]'"),
        ("data.train.src=[ä.en,b.en]", """as in 'data.train.src=["ä.en","b.en"]'"""),
        ("data.tgt_lang=null", "data.tgt_lang must have a value, got null: write it with quotes"),
    ],
)
def test_an_ambiguous_text_is_shown_as_it_must_be_written(argument, message):
    with pytest.raises(UsageError) as error:
        compose.load_config([argument])
    assert message in str(error.value)
    for shown in re.findall(r"'data[^']*'", str(error.value)):
        compose.load_config(shlex.split(shown))
