"""Attention maps as HTML."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from helpers import ROOT
from helpers.attention_maps import HARMFUL_WORDS, random_pair, two_maps
from helpers.pages import ParsedPage
from mt.inspection.maps import page as page_module
from mt.inspection.maps.page import attention_fragment, page
from mt.inspection.maps.sentence_map import View, sentence_map


def test_the_data_of_a_page_can_be_parsed_back() -> None:
    maps = two_maps()
    made = ParsedPage(page("Attention <of> x", attention_fragment(maps, View("encoder", 0, 1))))
    assert [tag for tag, _ in made.elements].count("script") == 2
    data = json.loads(made.scripts[0])
    assert data["start"] == {"kind": "encoder", "layer": 0, "head": 1}
    assert list(data["kinds"]) == ["cross", "encoder", "decoder"]
    for record, expected in zip(data["sentences"], maps, strict=True):
        assert (record["name"], record["source"], record["target"]) == (
            expected.name,
            expected.source,
            expected.target,
        )
        assert {(i, j) for i, j, _ in record["gold"]} == expected.gold.possible
        assert {(i, j) for i, j, sure in record["gold"] if sure} == expected.gold.sure
        for kind, weights in expected.weights.items():
            stored = np.array(record["weights"][kind]["percent"]).reshape(
                record["weights"][kind]["shape"]
            )
            np.testing.assert_allclose(stored / 100, weights, atol=0.00501)
    assert json.loads(ParsedPage(attention_fragment(maps)).scripts[0])["start"] == {
        "kind": "cross",
        "layer": 1,
        "head": -1,
    }


def test_a_page_loads_nothing() -> None:
    text = page("x", attention_fragment(two_maps()))
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)
    for tag, attributes in ParsedPage(text).elements:
        assert tag not in ("img", "iframe", "object") and "src" not in attributes
        assert attributes.get("href", "data:,") == "data:,"
    assert "default-src 'none'" in text and "innerHTML" not in page_module.script()


def test_words_and_titles_are_escaped() -> None:
    made = sentence_map(random_pair(" ".join(HARMFUL_WORDS), "</SCRIPT> <!-- <script>"), "<i>1</i>")
    text = page("</title><script>alert(2)</script>", attention_fragment([made]))
    parsed = ParsedPage(text)
    assert [tag for tag, _ in parsed.elements].count("script") == 2 and not {"b", "i"} & {
        tag for tag, _ in parsed.elements
    }
    sentence = json.loads(parsed.scripts[0])["sentences"][0]
    assert sentence["source"] == [*HARMFUL_WORDS[:-1], "\ufffdturned"] and sentence["target"] == [
        "</SCRIPT>",
        "<!--",
        "<script>",
    ]
    assert sentence["name"] == "<i>1</i>"


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_the_script_shows_the_selection() -> None:
    maps = two_maps()
    data = ParsedPage(attention_fragment(maps)).scripts[0]
    command = [
        "node",
        str(ROOT / "tests/helpers/fake_dom.js"),
        str(page_module.FOLDER / "attention.js"),
    ]
    done = subprocess.run(command, input=data, capture_output=True, text=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    seen = json.loads(done.stdout)

    def shows(name: str, weights: np.ndarray, rows: list[str], columns: list[str]) -> None:
        assert (seen[name]["rows"], seen[name]["columns"]) == (rows, columns)
        np.testing.assert_allclose(np.square(seen[name]["strength"]), weights, atol=0.0065)

    one, two = maps
    shows("first", one.weights["cross"][1].mean(0), one.target, one.source)
    assert seen["first"]["chosen"] == ["0", "cross", "1", "-1"]
    assert seen["first"]["options"][2:] == [["1", "2", "3"], ["mean of all", "1", "2"]]
    assert seen["first"]["options"][0] == ["line 1: the cat sleeps", "line 2: dogs bark"]
    assert seen["first"]["gold"] == [["sure", "", ""], ["", "sure", ""], ["", "", "possible"]]
    assert (seen["first"]["disabled"], seen["second"]["disabled"]) == ([True, False], [False, True])
    row = one.weights["cross"][1].mean(0)[0]
    number, rest = re.fullmatch(
        r"die attends to cat: (.*) \(start and end symbols: (.*)\)", seen["pointed"]["readout"]
    ).groups()
    assert float(number) == pytest.approx(row[1], abs=0.011) and float(rest) == pytest.approx(
        1 - row.sum(), abs=0.03
    )
    assert seen["pointed"]["marked"] == [
        ["selected"] * 3,
        ["", "in-column", ""],
        ["", "in-column", ""],
    ]
    shows("layer2head1", one.weights["cross"][1, 0], one.target, one.source)
    shows("encoder", one.weights["encoder"][1, 0], one.source, one.source)
    assert not any(map(any, seen["encoder"]["gold"]))
    shows("second", two.weights["encoder"][1, 0], two.source, two.source)
    shows("back", one.weights["encoder"][1, 0], one.source, one.source)
