"""Default names of runs on text of one's own."""

from __future__ import annotations

import pytest

from mt.config.compose import differences, load_config


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (["data.train.src=a/europarl-v7.de-en.en", "data.train.tgt=x"], "files-europarl-v7.de-en"),
        (["data.train.file=opus.de-en.tsv.gz"], "files-opus.de-en"),
        (["data.train.file=/texts/own/train.jsonl"], "files-own-train"),
        (["data.train.src=news/train.en.gz"], "files-news-train"),
        (["data.train.src=[a.en,b.en,c.en]"], "files-a+2"),
        (["data.train.src=zwölf (neu).en"], "files-zwölf_neu"),
        (["data.train.src=Makefile"], "files-Makefile"),
        (["data.train.src=../."], "files"),
        (["data.train.src=/"], "files"),
        (["data=files"], "files"),
        (["data=hub", "data.train.hub=Helsinki-NLP/opus-100"], "hub-opus-100"),
        (["data.train.src=a.en", "data.name=mine"], "mine"),
        (["data=multi30k"], "multi30k"),
    ],
)
def test_the_default_name_of_a_run_has_that_of_its_text(overrides: list[str], name: str) -> None:
    config = load_config(["data=files", *overrides] if "data=" not in overrides[0] else overrides)
    assert config.name == f"{name}-transformer"


def test_a_run_of_an_explicit_name_may_have_its_text_at_a_path_of_another_name() -> None:
    one, other = (
        load_config(["data=files", f"data.train.file={file}.tsv", "name=mine"]) for file in "ab"
    )
    assert [difference.name for difference in differences(one, other)] == ["data.train.file"]
