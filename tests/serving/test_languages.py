"""Servers of multilingual models, alone and beside models of one pair."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mt
from helpers.hub_models import SOURCE_WORDS, import_as, lines, save_m2m
from helpers.servers import Client, serving
from mt.decoding.options import SearchOptions
from mt.decoding.translator import Translator
from mt.exporting.automatic import load_fastest
from mt.importing.fairseq_languages import NLLB_LANGUAGES
from mt.serving.app import create_app
from mt.serving.metrics import Metrics
from mt.serving.model import public_codes
from mt.serving.models import Models
from mt.serving.runs import load_models, read_runs
from mt.serving.service import Settings

LINES = [*lines(6, SOURCE_WORDS), "", "the cat"]
TEXT = "\n".join(LINES)
OPTIONS = SearchOptions(beam=2, max_ratio=0.5, max_extra=8)


@pytest.fixture(scope="module")
def nllb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run of a small NLLB-200, from English to German."""
    folder = tmp_path_factory.mktemp("nllb")
    return import_as(save_m2m(folder / "hub", nllb=True), folder / "nllb")


def load(path: Path, tag: str | None = None, **languages: str) -> Translator:
    settings: dict[str, Any] = {"options": OPTIONS, "split_sentences": False, "tag": tag}
    return mt.load(path, "cpu", "fp32", "pytorch", **settings, **languages)


@pytest.fixture(scope="module")
def models(nllb: Path) -> Models:
    return load_models(read_runs([nllb], None), load, False)


@pytest.fixture(scope="module")
def client(models: Models) -> Iterator[Client]:
    with serving(create_app(models, Settings())) as client:
        yield client


@pytest.mark.parametrize(
    "source, target, codes",
    [
        ("en", "de", ("eng_Latn", "deu_Latn")),
        ("eng_Latn", "mya_Mymr", ("eng_Latn", "mya_Mymr")),
        ("my", "zho_Hant", ("mya_Mymr", "zho_Hant")),
        ("fra_Latn", "fr", None),
        ("en", "zh", None),
        ("en", "tlh", None),
    ],
)
def test_any_two_languages_are_a_pair(
    client: Client, nllb: Path, source: str, target: str, codes: tuple[str, str] | None
) -> None:
    answer = client.translate(TEXT, source=source, target=target, alternatives=1, scores=True)
    if codes is None:
        assert answer.status == 400 and "is not supported: the language" in answer.json["error"]
        return
    expected = load(nllb, src_lang=codes[0], tgt_lang=codes[1]).translate_nbest(LINES, 2)
    best = [line.text for line in expected]
    assert answer.json["translatedText"].split("\n") == best
    second = [line.outputs[-1].text for line in expected]
    assert answer.json["alternatives"] == ["\n".join(second)]
    for part, line in zip(answer.json["parts"], expected, strict=True):
        assert part["logProb"] == pytest.approx(line.outputs[0].log_prob, abs=1e-4)


def test_all_languages_are_listed_by_their_usual_codes(client: Client) -> None:
    languages = {each["code"]: each for each in client.ask("/languages").json}
    assert len(languages) == len(NLLB_LANGUAGES)
    assert languages["en"]["name"] == "English"
    assert {"my", "ary", "zho_Hans", "zho_Hant"} < languages.keys()
    assert len({each["name"] for each in languages.values()}) == len(languages)
    assert languages["twi_Latn"]["name"] == "Akan (twi_Latn)"
    for code, language in languages.items():
        assert {code, *language["targets"]} == languages.keys() and code not in language["targets"]
    (model,) = client.ask("/models").json
    assert model["sources"] == model["targets"] == list(languages)
    assert client.ask("/frontend/settings").json["language"] == {
        "source": {"code": "en", "name": "English"},
        "target": {"code": "de", "name": "German"},
    }


def test_a_code_that_stands_for_several_languages_stays_whole() -> None:
    codes = ["eng_Latn", "zho_Hans", "zho_Hant"]
    assert public_codes(codes) == {"en": "eng_Latn", "zho_Hans": "zho_Hans", "zho_Hant": "zho_Hant"}


def test_directions_that_are_not_used_are_forgotten(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    (model,) = models.models
    monkeypatch.setattr("mt.serving.model.MAX_DIRECTIONS", 2)
    model.directions.clear()
    for target in ("fr", "it", "es"):
        between = model.between("en", target)
        assert between.queue is model.queue and between.target == target
    assert list(model.directions) == [("en", "es")]


def test_a_model_of_one_pair_goes_before_a_multilingual_one(nllb: Path, run: Path) -> None:
    models = Models(Metrics(), pivot=True)
    models.add("nllb", ("", ""), mt.inspect(load(nllb)))
    models.add("mine", ("en", "de"), mt.inspect(load(run)))
    models.add("other", ("de", "tlh"), mt.inspect(load(run)))
    names = {
        pair: [(m.name, m.source, m.target) for m in models.route(*pair).models]
        for pair in (("en", "de"), ("de", "en"), ("fr", "tlh"))
    }
    assert names == {
        ("en", "de"): [("mine", "en", "de")],
        ("de", "en"): [("nllb", "de", "en")],
        ("fr", "tlh"): [("nllb", "fr", "de"), ("other", "de", "tlh")],
    }
    assert "tlh" in models.targets["en"] and "tlh" not in models.targets
    assert list(map(str, models.offers))[:3] == [
        "en-de",
        "de-tlh",
        "40,602 pairs of languages by nllb",
    ]


def test_a_pivot_goes_through_the_first_language_that_both_have(nllb: Path, run: Path) -> None:
    models = Models(Metrics(), pivot=True)
    models.add("first", ("tlh", "fr"), mt.inspect(load(run)))
    models.add("nllb", ("", ""), mt.inspect(load(nllb)))
    text = "the cat"
    middle = load(run).translate(text)
    expected = load(nllb, src_lang="fra_Latn", tgt_lang="ita_Latn").translate(middle)
    with serving(create_app(models, Settings())) as client:
        assert client.translate(text, source="tlh", target="it").json["translatedText"] == expected
        assert client.translate(text, source="it", target="tlh").status == 400
        assert [each for each in models.targets if "tlh" in models.targets[each]] == []


def test_words_have_the_log_probabilities_of_pytorch_with_ctranslate2(
    nllb: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ctranslate2")
    monkeypatch.delenv("MT_BACKEND", raising=False)

    def load_fast(path: Path, tag: str | None) -> Translator:
        settings: dict[str, Any] = {"options": OPTIONS, "split_sentences": False, "tag": tag}
        return load_fastest([path], "cpu", "auto", "auto", "", lambda line: None, **settings)

    fields: dict[str, Any] = {"source": "en", "target": "de", "beam": 1}
    fields |= {"scores": True}
    expected = client.translate(TEXT, **fields).json
    with serving(
        create_app(load_models(read_runs([nllb], None), load_fast, False), Settings())
    ) as fast:
        found = fast.translate(TEXT, **fields).json
    assert found["translatedText"] == expected["translatedText"]
    for part, other in zip(found["parts"], expected["parts"], strict=True):
        pairs = zip(part["words"], other["words"], strict=True)
        assert all(
            word["logProb"] == pytest.approx(same["logProb"], abs=1e-4) for word, same in pairs
        )
