"""Settings of a run that names data.prepared: those of the corpus, and what may differ."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from mt.config.compose import load_config
from mt.config.prepared import INDEX, PreparedIndex, read_index, shaping_settings
from mt.config.schema import Config
from mt.errors import MTError, UsageError
from mt.locations import Content

TEXT = [
    "data.train.src=a${b}.en", "data.train.tgt=a.de", "data.src_lang=en", "data.tgt_lang=de",
    "data.mix.news.file=[n.tsv,m.tsv]", "data.mix.news.weight=3", "data.val_sets.old.src=o.en",
    "data.val_sets.old.tgt=o.de", "data.tokenizer.type=bpe", "data.tokenizer.vocab_size=777",
    "data.both_directions=true", "data.noise.upper=0.1", "data.test.links=gold.txt",
]  # fmt: skip


@pytest.fixture
def text() -> Config:
    """The settings of a run on the text."""
    config = load_config(["data=files", *(each for each in TEXT if "${" not in each)])
    config.data.train.src, config.data.name = "a${b}.en", "files-a"
    return config


@pytest.fixture
def corpus(text: Config, tmp_path: Path) -> Path:
    """A folder with the index of a corpus, which has no files."""
    index = PreparedIndex("0a1b", [], shaping_settings(text.data), {"a.arrow": Content(3, "d")})
    (tmp_path / INDEX).write_text(index.to_json())
    return tmp_path


@pytest.mark.parametrize("more", [[], ["data=files"], ["model=rnn"], ["data.tokenizer.type=bpe"]])
def test_the_settings_are_those_of_the_text(more: list[str], text: Config, corpus: Path) -> None:
    config = load_config([f"data.prepared={corpus}", *more])
    text.data.prepared = str(corpus)
    assert asdict(config.data) == asdict(text.data)
    assert config.name == f"files-a-{'rnn' if 'model=rnn' in more else 'transformer'}"


def test_what_does_not_shape_the_text_may_differ(corpus: Path) -> None:
    own = {
        "data.name": "mine", "data.concat": 0.5, "data.workers": 3, "data.cache": "c",
        "data.train.weight": 0.5, "data.tokenizer.vocab_size": 0,
        "data.tokenizer.max_vocab_size": "auto",
    }  # fmt: skip
    named = ["data.mix.news.weight=2", *(f"{key}={value}" for key, value in own.items())]
    data = load_config([f"data.prepared={corpus}", *named]).data
    assert (data.name, data.concat, data.workers, data.cache) == ("mine", 0.5, 3, "c")
    assert (data.train.weight, data.mix["news"].weight) == (0.5, 2)
    assert data.tokenizer.vocab_size == 777 and data.mix["news"].file == ["n.tsv", "m.tsv"]


@pytest.mark.parametrize(
    ("setting", "before"),
    [
        ("data.train.src=b.en", "with a${b}.en"),
        ("data.mix.news.file=x.tsv", "with ['n.tsv', 'm.tsv']"),
        ("data.mix.other.src=x", "without"),
        ("data.src_lang=fr", "with en"),
        ("data.tokenizer.type=unigram", "with bpe"),  # although it is the default
        ("data.tokenizer.sampling=0.1", "without"),
        ("data.noise.upper=0.2", "with 0.1"),
        ("data.max_pieces=100", "with 256"),
        ("data=multi30k", ""),  # the preset has data.src_lang=de, or a name of a text
        ("experiment=demo", ""),  # data.train.subset=core
    ],
)
def test_what_contradicts_the_text_is_refused(setting: str, before: str, corpus: Path) -> None:
    with pytest.raises(UsageError) as error:
        load_config([f"data.prepared={corpus}", setting])
    message = str(error.value)
    assert "contradicts data.prepared=" in message and "\n" not in message
    if setting.startswith("data."):
        assert message.startswith(setting) and f"was prepared {before}: " in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content | {"format": 2}, "has format 2, and this version of mt reads"),
        (lambda content: content | {"hash": "../x"}, "is damaged .*is not the name of a file"),
        (lambda content: content | {"files": {"../x": [1, "d"]}}, "is not the name of a file"),
        (lambda content: content | {"files": {"x": [1]}}, "is damaged"),
        (lambda content: content | {"settings": None}, "is damaged"),
        (lambda content: [content], "is damaged"),
        (lambda content: {}, "is damaged .*format"),
    ],
)
def test_a_bad_index_is_one_line(change: Any, message: str, corpus: Path) -> None:
    content = json.loads((corpus / INDEX).read_text())
    (corpus / INDEX).write_text(json.dumps(change(content)))
    with pytest.raises(MTError, match=message) as error:
        read_index(str(corpus))
    assert "\n" not in str(error.value)


def test_a_truncated_index_and_none_are_one_line(corpus: Path) -> None:
    (corpus / INDEX).write_text((corpus / INDEX).read_text()[:-20])
    with pytest.raises(MTError, match="is damaged"):
        read_index(str(corpus))
    for path in (corpus / INDEX, corpus / "none"):
        with pytest.raises(MTError, match="there is no .*: give a folder or URL to which"):
            load_config([f"data.prepared={path}"])


def test_settings_that_are_newer_than_the_corpus_have_the_value_of_before(corpus: Path) -> None:
    content = json.loads((corpus / INDEX).read_text())
    content["settings"]["clean"].pop("max_words")
    content["settings"].pop("holdout")
    (corpus / INDEX).write_text(json.dumps(content))
    assert load_config([f"data.prepared={corpus}"]).data.holdout == 1000
