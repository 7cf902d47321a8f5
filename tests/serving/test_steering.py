"""Search options, prefixes and tags over HTTP: the same as in Python."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.exceptions import HTTPException

import mt
from helpers.servers import Client, serving
from helpers.tiny_models import save_run, sentences
from mt.config.schema import TokenizerConfig
from mt.data.tokenizer import Tokenizer
from mt.data.training_text import TrainingText, save_training_text
from mt.inspection.inspector import Inspector
from mt.run_folder import RunFolder
from mt.serving.app import create_app
from mt.serving.limits import Limits
from mt.serving.metrics import Metrics
from mt.serving.models import Models
from mt.serving.service import Settings
from mt.serving.texts import TextLines

LINES = ["the cat sees the dog .", "a dog", "", "not a house . is the tree red ?"]
TEXT = "\n".join(LINES)


@pytest.mark.parametrize(
    "options",
    [
        {"beam": 1},
        {"no_repeat_ngram": 1},
        {"repetition_penalty": 3.5, "length_penalty": 0},
        {"mbr": 8},
        {"mbr": 6, "mbr_metric": "bleu"},
        {"sample": True, "seed": 4, "epsilon": 0.01, "temperature": 2, "top_k": 50, "top_p": 0.9},
        {"mbr": 4, "sample": True, "seed": 1},
    ],
)
def test_search_options_are_those_of_python(
    client: Client, inspector: Inspector, options: dict[str, Any]
) -> None:
    expected = "\n".join(inspector.translator.translate(LINES, **options))
    assert expected != "\n".join(inspector.translator.translate(LINES))
    assert client.translate(TEXT, **options).json == {"translatedText": expected}
    form = urllib.parse.urlencode({"q": TEXT, "source": "en", "target": "de", **options}).encode()
    assert client.ask("/translate", form).json["translatedText"] == expected
    events = client.translate(TEXT, stream=True, **options).body.decode()
    assert last_event(events) == {"translatedText": expected}


def last_event(events: str) -> Any:
    return json.loads(events.rstrip().rsplit("\ndata: ", 1)[1])


def test_samples_are_alternatives_and_depend_on_nothing_but_the_request(
    client: Client, inspector: Inspector
) -> None:
    options = {"sample": True, "seed": 7}
    translations = inspector.translator.translate_nbest(LINES[:1], 8, **options)
    answers = [client.translate(LINES[0], alternatives=7, **options).json for _ in range(2)]
    assert answers[0] == answers[1]
    expected = list(dict.fromkeys(output.text for output in translations[0].outputs))
    assert [answers[0]["translatedText"], *answers[0]["alternatives"]] == expected
    free = [client.translate(LINES[0], sample=True, temperature=3).json for _ in range(4)]
    assert len({answer["translatedText"] for answer in free}) > 1


def test_a_translation_begins_with_its_prefix(client: Client, inspector: Inspector) -> None:
    prefixes = ["the tree", "", "", "a house . the"]
    expected = inspector.translator.translate(LINES, prefixes=prefixes)
    assert expected[0].startswith("the tree") and expected[3].startswith("a house . the")
    answer = client.translate(TEXT, prefix="\n".join(prefixes))
    assert answer.json["translatedText"] == "\n".join(expected)
    answer = client.translate([TEXT, "a dog"], prefix=["the tree", "a"])
    texts = answer.json["translatedText"]
    assert texts[0].split("\n")[0] == expected[0] and texts[1].startswith("a")
    stream = client.translate(LINES[0], prefix="the tree", stream=True).body.decode()
    assert last_event(stream) == {"translatedText": expected[0]}


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"beam": 0}, "beam must be >= 1, got 0"),
        ({"beam": "x"}, "beam must be of type int, got 'x' (str)"),
        ({"beam": [1]}, "beam must be of type int, got [1] (list)"),
        ({"temperature": 2}, "temperature is only used for sampling"),
        ({"sample": True, "top_p": "nan"}, "top_p must be finite, got nan"),
        ({"sample": True, "seed": 2**64}, "seed must be an integer"),
        ({"mbr": 1}, "mbr must be 0 or >= 2, got 1"),
        ({"length_penalty": 1e308}, "length_penalty must be from -10 to 10, got 1e+308"),
        ({"repetition_penalty": 1e-300}, "repetition_penalty must be from 1e-06 to 1e+06"),
        ({"sample": True, "temperature": 10**400}, "temperature must be from 1e-06 to 1e+06"),
        ({"mbr": 4, "alternatives": 4}, "alternatives must be <= 3, the number of hypotheses - 1"),
        ({"beam": 2, "alternatives": 2}, "alternatives must be <= 1, the number of hypotheses - 1"),
        ({"mbr": 33}, "33 hypotheses of each sentence, at most 32 allowed"),
        ({"sample": True, "alternatives": 32}, "33 hypotheses of each sentence, at most 32"),
        ({"prefix": "a\nb"}, "prefix has 2 lines, but its text has 1"),
        ({"prefix": ["a"]}, "prefix must be a string, or a list with a string for each text"),
        ({"prefix": 1}, "prefix must be a string, or a list"),
        ({"prefix": "a", "format": "html"}, "stream and prefix are for format text"),
        ({"tag": "<a>"}, "there is no choice of tags for en-de"),
        ({"tag": 1}, "tag must be a string"),
    ],
)
def test_a_wrong_field_has_the_message_of_python(
    client: Client, fields: dict[str, Any], message: str
) -> None:
    for stream in (False, True):
        answer = client.translate("a dog", **fields, stream=stream)
        assert answer.status == 400 and message in answer.json["error"]


def test_prefixes_that_take_long_are_refused(client: Client) -> None:
    answer = client.translate("a dog", prefix="a " * 300)
    assert answer.status == 400 and "pieces in a sentence, at most 40" in answer.json["error"]
    stream = client.translate("a dog", prefix="a " * 300, stream=True).body.decode()
    assert "pieces in a sentence, at most 40" in last_event(stream)["error"]
    with pytest.raises(HTTPException, match="2001 characters in a line, at most 2000"):
        TextLines(["a\nb"]).spread(["a\n" + "x" * 2001])


def test_more_hypotheses_than_the_server_uses_are_limited(
    make_models: Callable[..., Models],
) -> None:
    settings = Settings(Limits(hypotheses=3))  # its own beam size is 5
    with serving(create_app(make_models("en-de"), settings)) as client:
        assert client.translate("a dog", no_repeat_ngram=2, alternatives=4).status == 200
        answer = client.translate("a dog", beam=6)
        assert answer.status == 400 and "at most 5 allowed" in answer.json["error"]


def test_a_pivot_steers_its_second_model(
    make_models: Callable[..., Models], inspector: Inspector
) -> None:
    once = inspector.translator.translate(LINES[0])
    with serving(create_app(make_models("en-fr", "fr-de", pivot=True), Settings())) as client:
        answer = client.translate(LINES[0], no_repeat_ngram=1, prefix="the")
        expected = inspector.translator.translate([once], prefixes=["the"], no_repeat_ngram=1)
        assert answer.json["translatedText"] == expected[0]
        answer = client.translate(LINES[0], tag="<a>")
        assert answer.status == 400 and "not a pivot" in answer.json["error"]


@pytest.mark.medium
def test_a_tag_is_chosen_by_request(tmp_path: Path) -> None:
    lines = sentences(300)
    config = TokenizerConfig(vocab_size=290, character_coverage=1)
    tokenizer = Tokenizer.train(lambda: lines, lambda: lines, config, tags=["<a>", "<b>"])
    folder = save_run(tmp_path / "run", tokenizer)
    texts = {"<a>": TrainingText(0.0, 1.0), "<b>": TrainingText(0.5, 2.0)}
    save_training_text(RunFolder.at(folder), TrainingText(0.2, 1.5, texts))
    translator = mt.load(folder, device="cpu", precision="fp32", tag="<a>")
    models = Models(Metrics())
    models.add("tagged", ("en", "de"), mt.inspect(translator), ["<a>", "<b>"])
    with serving(create_app(models, Settings())) as client:
        assert client.ask("/models").json[0]["tags"] == ["<a>", "<b>"]
        found = [client.translate(TEXT, **tag).json["translatedText"]
                 for tag in ({}, {"tag": "<a>"}, {"tag": "<b>"}, {"tag": ""})]  # fmt: skip
        tags = ("<a>", "<a>", "<b>", "")
        assert found == ["\n".join(translator.with_tag(tag).translate(LINES)) for tag in tags]
        assert len(set(found)) == 3
        answer = client.translate(TEXT, tag="<x>")
        assert answer.status == 400 and "it knows <a>, <b>" in answer.json["error"]
