"""The API of LibreTranslate, and what goes beyond it, over real connections."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest

from helpers.servers import Client, serving
from mt.decoding.options import SearchOptions
from mt.decoding.output_warnings import COPY, INVENTED, LOST, REPETITION, SHORT
from mt.inspection.inspector import Inspector
from mt.serving.app import ASSETS, create_app
from mt.serving.models import Models
from mt.serving.request import TRANSLATE_FIELDS
from mt.serving.service import Settings
from mt.serving.steering import STEERING

LINES = ["the cat sees the dog .", "a dog", "", "  ", "not a house . is the tree red ?", "ü €"]
TEXT = "\n".join(LINES)


def test_a_published_client_translates_and_lists_languages(
    client: Client, inspector: Inspector
) -> None:
    library = pytest.importorskip("libretranslatepy", reason="pip install libretranslatepy")
    api = library.LibreTranslateAPI(client.url)
    expected = inspector.translator.translate(LINES)
    assert api.translate(TEXT, "en", "de") == "\n".join(expected)
    assert api.languages() == [
        {"code": "en", "name": "English", "targets": ["de"]},
        {"code": "de", "name": "German", "targets": []},
    ]


def test_json_forms_and_queries_give_the_same_answer(client: Client) -> None:
    fields = {"q": "the cat .\na dog", "source": "en", "target": "de", "alternatives": "2"}
    answers = [client.translate(fields["q"], alternatives=2)]
    encoded = urllib.parse.urlencode(fields)
    answers.append(client.ask("/translate", encoded.replace("%0A", "%0D%0A").encode()))
    answers.append(client.ask(f"/translate?{encoded}", b""))
    parts = [
        f'--x\r\ncontent-disposition: form-data; name="{k}"\r\n\r\n{v}' for k, v in fields.items()
    ]
    multipart = "\r\n".join([*parts, "--x--\r\n"]).encode()
    kind = {"content-type": "multipart/form-data; boundary=x"}
    answers.append(client.ask("/translate", multipart, **kind))
    assert {answer.status for answer in answers} == {200}
    assert all(answer.json == answers[0].json for answer in answers)
    assert answers[0].json["translatedText"].count("\n") == 1


def test_forms_may_have_letters_that_are_not_encoded(client: Client) -> None:
    # As `curl -d q="ü €"` sends them, and as clients in WINDOWS-1252 do.
    answer = client.ask("/translate", "q=ü €&source=en&target=de".encode())
    assert answer.json == client.translate("ü €").json
    for body in ("q=ü&source=en&target=de".encode("cp1252"), b"q=%FC&source=en&target=de"):
        answer = client.ask("/translate", body)
        assert answer.status == 400 and "not UTF-8" in answer.json["error"]


def test_a_field_that_is_given_several_times_is_a_list(client: Client) -> None:
    fields = urllib.parse.urlencode(
        [("q", "the cat ."), ("q", "a dog"), ("source", "en"), ("target", "de")]
    )
    expected = client.translate(["the cat .", "a dog"]).json
    assert client.ask("/translate", fields.encode()).json == expected
    assert client.ask(f"/translate?{fields}", b"").json == expected


def test_fields_without_a_value_are_missing(client: Client) -> None:
    fields = dict.fromkeys(("format", "alternatives", "scores", "prefix", "beam", "seed", "tag"))
    assert client.translate("a dog", **fields).json == client.translate("a dog").json
    form = "q=a+dog&source=en&target=de&" + "&".join(f"{name}=" for name in fields if name != "tag")
    assert client.ask("/translate", form.encode()).json == client.translate("a dog").json


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\u2028"])
def test_lines_keep_their_order_and_their_ends(
    client: Client, inspector: Inspector, ends: str
) -> None:
    expected = inspector.translator.translate(LINES)
    answer = client.translate([ends.join(LINES), "", LINES[0], ends]).json
    assert answer == {"translatedText": [ends.join(expected), "", expected[0], ends]}


def test_alternatives_are_those_of_the_n_best_list(client: Client, inspector: Inspector) -> None:
    answer = client.translate(TEXT, alternatives=4).json
    ranked = inspector.translator.translate_nbest(LINES, 5)
    texts = [
        "\n".join(line.outputs[min(rank, len(line.outputs) - 1)].text for line in ranked)
        for rank in range(5)
    ]
    assert [answer["translatedText"], *answer["alternatives"]] == texts
    assert len(set(texts)) == 5


def test_parts_have_scores_alignments_and_attention(client: Client, inspector: Inspector) -> None:
    answer = client.translate([TEXT, "a dog"], scores=True, alignments=True, attention=True).json
    parts, second = answer["parts"]
    assert [part["line"] for part in parts] == [0, 1, 2, 3, 4, 4, 5]
    assert [part["line"] for part in second] == [0]
    expected = inspector.translate(
        [LINES[0], LINES[1], "not a house .", "is the tree red ?"], alignments=True
    )
    for part, truth in zip([*parts[:2], *parts[4:6]], expected, strict=True):
        output = truth.outputs[0]
        assert (part["source"], part["text"]) == (truth.source, output.text)
        assert part["logProb"] == pytest.approx(output.log_prob, abs=1e-4)
        assert part["score"] == pytest.approx(output.score, abs=1e-4)
        assert part["tokens"] == output.tokens and part["complete"] == output.complete
        assert part["alignment"] == [list(link) for link in sorted(output.links.sure)]
        attention = part["attention"]
        assert attention["source"] == truth.source.split(" ")
        rows = truth.attention[0].word_weights()
        for row, wanted in zip(attention["weights"], rows, strict=True):
            assert row == pytest.approx(wanted, abs=1e-3)
    assert parts[2]["attention"] is None and parts[2]["text"] == ""


def test_a_stream_has_the_parts_in_order_and_then_the_answer(client: Client) -> None:
    whole = client.translate(TEXT, alternatives=1, attention=True).json
    answer = client.translate(TEXT, alternatives=1, attention=True, stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [read_event(block) for block in answer.body.decode().strip().split("\n\n")]
    assert [name for name, _ in events] == ["part"] * 7 + ["done"]
    assert [data for _, data in events[:-1]] == whole.pop("parts")
    assert events[-1][1] == whole


def read_event(block: str) -> tuple[str, Any]:
    name, data = block.split("\n")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"q": None}, "missing q"),
        ({"q": ["a", 1]}, "q must be a string or a list of strings"),
        ({"source": ""}, "missing source"),
        ({"target": 5}, "target must be a string"),
        ({"source": "fr"}, "fr-de is not supported: the language 'fr' is none"),
        ({"target": "en"}, "en-en is not supported: the language 'en' is none"),
        ({"format": "pdf"}, "format must be text or html, got pdf"),
        ({"alternatives": -1}, "alternatives must be an integer >= 0"),
        ({"alternatives": 5}, "alternatives must be <= 4"),
        ({"scores": "perhaps"}, "scores must be true or false"),
        ({"q": ["a"], "stream": True}, "stream is for one text"),
        ({"format": "html", "attention": True}, "are for format text"),
        ({"prefx": "ein"}, "unknown field 'prefx': did you mean prefix?"),
        ({"nbest": 2}, "unknown field 'nbest': there are q, source, target, format, alternatives,"),
        ({"\ud800": 2}, "unknown field '\ufffd'"),
    ],
)
def test_a_wrong_field_is_named(client: Client, fields: dict[str, Any], message: str) -> None:
    answer = client.translate(**{"q": "a dog", **fields})
    assert answer.status == 400 and message in answer.json["error"]


def test_a_field_that_does_not_exist_is_refused_wherever_it_stands(client: Client) -> None:
    fields = b"q=a+dog&source=en&target=de&scors=1"
    for answer in (
        client.ask("/translate", fields),
        client.ask(f"/translate?{fields.decode()}", b""),
    ):
        assert answer.status == 400 and "did you mean scores?" in answer.json["error"]
    answer = client.ask("/detect", {"q": "a dog", "source": "en"})
    assert answer.status == 400 and "unknown field 'source'" in answer.json["error"]


def test_all_fields_of_libretranslate_are_known(client: Client) -> None:
    # Those of its page, with which `secret` goes if the server of LibreTranslate asks for it.
    fields = {"format": "text", "alternatives": 3, "api_key": "", "secret": "x"}
    assert client.translate("a dog", **fields).status == 200
    assert client.ask("/detect", {"q": "a dog", "api_key": "", "secret": "x"}).status == 501


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"a"', b"\xff", b"[" * 2000])
def test_a_body_that_is_no_object_is_refused(client: Client, body: bytes) -> None:
    answer = client.ask("/translate", body, **{"content-type": "application/json"})
    assert answer.status == 400 and "invalid request" in answer.json["error"]


def test_other_addresses_and_methods_are_refused(client: Client) -> None:
    assert client.ask("/nothing").status == 404
    assert client.ask("/assets/../app.py").status == 404
    assert client.ask("/translate").status == 405


def test_two_models_that_chain_make_a_pair_only_if_asked(
    make_models: Callable[..., Models], inspector: Inspector
) -> None:
    once = inspector.translator.translate(LINES)
    twice = inspector.translator.translate(once)
    for pivot in (False, True):
        app = create_app(make_models("en-fr", "fr-de", pivot=pivot), Settings())
        with serving(app) as client:
            targets = {each["code"]: each["targets"] for each in client.ask("/languages").json}
            answer = client.translate(TEXT, alternatives=1)
            if not pivot:
                assert targets["en"] == ["fr"] and answer.status == 400
                continue
            assert targets["en"] == ["fr", "de"]
            assert answer.json["translatedText"] == "\n".join(twice)
            assert "pivot" in client.translate(TEXT, attention=True).json["error"]
            models = {(*m["sources"], *m["targets"]): m for m in client.ask("/models").json}
            assert models["en", "de"]["models"] == ["en-fr", "fr-de"]
            assert [models[pair]["attention"] for pair in (("en", "fr"), ("en", "de"))] == [
                True,
                False,
            ]


def test_two_models_that_chain_to_a_pair_that_is_served_add_nothing(
    make_models: Callable[..., Models],
) -> None:
    models = make_models("en-de", "de-en", "de-fr", "en-fr", "fr-es", pivot=True)
    assert list(map(str, models.offers)) == [
        *("en-de", "de-en", "de-fr", "en-fr", "fr-es"),
        *("de-es", "en-es"),
    ]


def test_the_reference_lists_all_endpoints_and_all_fields_of_answers(client: Client) -> None:
    reference = client.ask("/openapi.json").json
    assert reference == json.loads((ASSETS / "openapi.json").read_text(encoding="utf-8"))
    for path, methods in reference["paths"].items():
        if "get" in methods:
            assert client.ask(path).status == 200
    schemas = reference["components"]["schemas"]
    answer = client.translate("a dog", alternatives=1, scores=True, alignments=True, attention=True)
    assert (
        answer.json.keys() | {"detectedLanguage"} == schemas["TranslateAnswer"]["properties"].keys()
    )
    (part,) = answer.json["parts"]
    assert part.keys() == schemas["Part"]["properties"].keys()
    assert part["attention"].keys() == schemas["Attention"]["properties"].keys()
    warnings = schemas["Part"]["properties"]["warnings"]["items"]["enum"]
    assert warnings == [REPETITION, SHORT, COPY, LOST, INVENTED]
    pairs = reference["paths"]["/models"]["get"]["responses"]["200"]["content"]["application/json"]
    assert client.ask("/models").json[0].keys() == pairs["schema"]["items"]["properties"].keys()
    fields = schemas["TranslateRequest"]["properties"]
    assert {*TRANSLATE_FIELDS, "api_key"} == fields.keys()
    options = SearchOptions()
    for name in fields.keys() & set(STEERING) - {"beam"}:  # which a server has a flag for
        assert fields[name]["default"] == getattr(options, name)
    settings = reference["paths"]["/frontend/settings"]["get"]["responses"]["200"]
    fields = settings["content"]["application/json"]["schema"]["properties"]
    assert client.ask("/frontend/settings").json.keys() == fields.keys()


def test_the_page_says_what_each_warning_means() -> None:
    script = (ASSETS / "output.js").read_text(encoding="utf-8")
    for warning in (REPETITION, SHORT, COPY, LOST, INVENTED):
        assert re.search(f'^  "?{warning}"?: "', script, re.MULTILINE)


@pytest.mark.medium
def test_languages_are_recognised_among_those_served(make_models: Callable[..., Models]) -> None:
    pytest.importorskip("py3langid", reason="pip install py3langid")
    from mt.data.detection import Detector

    app = create_app(make_models("en-de", "fr-de"), Settings(), Detector())
    with serving(app) as client:
        for text, code in (("The weather is nice today.", "en"), ("Il fait beau, non ?", "fr")):
            answer = client.translate([text, "a"], source="auto").json
            assert [each["language"] for each in answer["detectedLanguage"]] == [code] * 2
            page = f'<p class="what is the best of this and that, with the other">{text}</p>'
            answer = client.translate(page, source="auto", format="html").json
            assert answer["detectedLanguage"]["language"] == code  # not that of the markup
            found = client.ask("/detect", {"q": text}).json
            assert found[0]["language"] == code and 0 < found[0]["confidence"] <= 100
        assert client.translate("a", source="auto", target="xx").status == 400


def test_without_a_detector_auto_is_refused(client: Client) -> None:
    answer = client.translate("a dog", source="auto")
    assert answer.status == 501 and "name the source language" in answer.json["error"]
