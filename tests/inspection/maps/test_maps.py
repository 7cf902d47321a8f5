"""Attention maps: what they show, as a picture and on a page, from planted weights."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from helpers import ROOT
from helpers.pages import Scripts
from helpers.slow_merge import slow_merge
from mt.data.links import Links, format_links, parse_links
from mt.errors import MTError, UsageError
from mt.inspection.maps import page as page_module
from mt.inspection.maps.page import attention_fragment, page
from mt.inspection.maps.sentence_map import SentenceMap, View, panels, sentence_map
from mt.inspection.pair_attention import PairAttention

EVIL = [
    "</script><script>alert(1)</script>",
    "<b>bold</b>",
    "&amp;",
    '"quoted"',
    "$\\frac{1}{$",
    "a_b^c",
    "\u202eturned",
]
matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed"
)


def pieces(text: str) -> list[str]:
    """Words of up to two characters a piece."""
    return [
        ("\u2581" if at == 0 else "") + word[at : at + 2]
        for word in text.split()
        for at in range(0, len(word), 2)
    ]


def index(marked: list[str]) -> list[int]:
    return (np.cumsum([piece.startswith("\u2581") for piece in marked]) - 1).tolist()


def pair(
    source: str = "the cat sleeps",
    target: str = "die Katze schläft",
    layers: int = 3,
    heads: int = 2,
    seed: int = 0,
) -> PairAttention:
    """Weights at random whose rows sum to 1; the decoder's look back only."""
    one, other = pieces(source), pieces(target)
    s, t = len(one) + 1, len(other) + 1
    random_numbers = np.random.default_rng(seed)
    made = {}
    for name, (rows, columns) in {"cross": (t, s), "encoder": (s, s), "decoder": (t, t)}.items():
        weights = random_numbers.random((layers, heads, rows, columns), dtype=np.float32)
        weights = np.tril(weights) if name == "decoder" else weights
        made[name] = weights / weights.sum(-1, keepdims=True)
    return PairAttention(one, other, index(one), index(other), query_reads_input=True, **made)


def two_maps() -> list[SentenceMap]:
    return [
        sentence_map(pair(), "line 1", parse_links("0-0 1-1 2p2")),
        sentence_map(
            pair("dogs bark", "Hunde bellen laut heute", seed=1), "line 2", parse_links("0-0")
        ),
    ]


# What is shown


def test_self_attention_of_words_is_merged_like_attention_to_the_source() -> None:
    made = pair()
    source, target = made.source_words, made.target_words
    rows, columns = len(target), len(source)
    for layer in range(3):
        for head in range(2):
            cross = slow_merge(made.cross[layer, head, :rows, :columns], source, target)
            encoder = slow_merge(made.encoder[layer, head, :columns, :columns], source, source)
            # Column t is what step t reads, BOS at step 0: a word's weight is one column to the
            # right of its piece's row.
            decoder = slow_merge(made.decoder[layer, head, :rows, 1:], target, target)
            later = slow_merge(made.decoder[layer, head, 1:, 1:], target, target)
            for kind, expected in (("cross", cross), ("encoder", encoder), ("decoder", decoder)):
                assert made.word_weights(layer, head, kind=kind) == pytest.approx(
                    expected, abs=1e-6
                )
                assert made.all_word_weights(kind)[layer, head] == pytest.approx(expected, abs=1e-6)
            assert made.word_weights(layer, head, "input", "decoder") == pytest.approx(
                later, abs=1e-6
            )
    assert np.triu(made.word_weights(0, 0, kind="decoder"), 1).max() == 0
    assert made.word_weights(kind="encoder") == pytest.approx(
        made.all_word_weights("encoder")[1].mean(0), abs=1e-6
    )


def test_missing_kinds_of_attention_are_named() -> None:
    made = PairAttention(["\u2581a"], ["\u2581b"], [0], [0], None, False)
    for kind in ("cross", "encoder", "decoder"):
        assert made.piece_weights(kind) is None
        with pytest.raises(UsageError, match="there is no layer 0.* has 0"):
            made.word_weights(kind=kind)
        with pytest.raises(UsageError, match="has no .*attention"):
            made.all_word_weights(kind)
    with pytest.raises(UsageError, match="cross, encoder, decoder: 'x'"):
        made.piece_weights("x")
    assert sentence_map(made, "line 1").weights == {}


def test_a_view_selects_its_panels() -> None:
    made, first = pair(), two_maps()[0]
    (only,) = panels(first, View())[0]
    assert (only.rows, only.columns) == (["die", "Katze", "schläft"], ["the", "cat", "sleeps"])
    assert only.title == "layer 2, mean of the heads" and format_links(only.gold) == "0-0 1-1 2p2"
    np.testing.assert_allclose(only.weights, made.word_weights(), atol=1e-6)
    shown = panels(first, View("encoder", "all", "all"))
    assert [[panel.title for panel in row] for row in shown] == [
        [f"layer {i}, head {j}" for j in (1, 2)] for i in (1, 2, 3)
    ]
    np.testing.assert_allclose(
        shown[2][1].weights, made.word_weights(2, 1, kind="encoder"), atol=1e-6
    )
    assert shown[0][0].rows == shown[0][0].columns == first.source and shown[0][0].gold == Links()
    assert panels(first, View("decoder", 0, 1))[0][0].columns == first.target
    for view, message in (
        (View(layer=3), "no layer 4: .* 3, counted from 1"),
        (View(head=2), "no head 3"),
        (View("x"), "'x': it has cross"),
    ):
        with pytest.raises(UsageError, match=message):
            panels(first, view)


def test_pieces_of_bytes_and_controls_are_shown_as_text() -> None:
    marked = ["\u2581", "<0xE2>", "<0x82>", "<0xAC>", "s", "\u2581a\nb", "\u2581", "\u2581<0xE2>"]
    made = PairAttention(
        marked,
        ["\u2581x"],
        [0, 0, 0, 0, 0, 1, -1, 2],
        [0],
        np.ones((1, 1, 2, 9), np.float32) / 9,
        True,
    )
    assert sentence_map(made, "line 1").source == ["\u20acs", "a\ufffdb", "\ufffd"]


def test_scripts_without_spaces_show_pieces_unless_gold_links_count_words() -> None:
    weights = np.random.default_rng(0).random((1, 1, 3, 5)).astype(np.float32)
    made = PairAttention(
        ["\u2581", "我", "爱", "猫"], ["\u2581I", "\u2581love"], [0, 0, 0, 0], [0, 1], weights, True
    )
    shown = sentence_map(made, "line 1")
    assert (shown.source, shown.target) == (["我", "爱", "猫"], ["I", "love"])
    np.testing.assert_allclose(shown.weights["cross"][0, 0], weights[0, 0, :2, 1:4], atol=1e-6)
    assert sentence_map(made, "line 1", parse_links("0-0")).source == ["我爱猫"]


def test_gold_links_must_fit() -> None:
    with pytest.raises(
        MTError, match="line 7 has a link of words 3 and 0, but the pair has 3 and 3"
    ):
        sentence_map(pair(), "line 7", parse_links("0-0 3p0"))


# The page


def test_what_a_page_holds_parses_back() -> None:
    maps = two_maps()
    made = Scripts(page("Attention <of> x", attention_fragment(maps, View("encoder", 0, 1))))
    assert [tag for tag, _ in made.found].count("script") == 2
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
    assert json.loads(Scripts(attention_fragment(maps)).scripts[0])["start"] == {
        "kind": "cross",
        "layer": 1,
        "head": -1,
    }


def test_a_page_loads_nothing() -> None:
    text = page("x", attention_fragment(two_maps()))
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)
    for tag, attributes in Scripts(text).found:
        assert tag not in ("img", "iframe", "object") and "src" not in attributes
        assert attributes.get("href", "data:,") == "data:,"
    assert "default-src 'none'" in text and "innerHTML" not in page_module.script()


def test_words_and_titles_are_harmless() -> None:
    made = sentence_map(pair(" ".join(EVIL), "</SCRIPT> <!-- <script>"), "<i>1</i>")
    text = page("</title><script>alert(2)</script>", attention_fragment([made]))
    parsed = Scripts(text)
    assert [tag for tag, _ in parsed.found].count("script") == 2 and not {"b", "i"} & {
        tag for tag, _ in parsed.found
    }
    sentence = json.loads(parsed.scripts[0])["sentences"][0]
    assert sentence["source"] == [*EVIL[:-1], "\ufffdturned"] and sentence["target"] == [
        "</SCRIPT>",
        "<!--",
        "<script>",
    ]
    assert sentence["name"] == "<i>1</i>"


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_the_script_shows_what_is_chosen() -> None:
    maps = two_maps()
    data = Scripts(attention_fragment(maps)).scripts[0]
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
    assert (seen["first"]["ends"], seen["second"]["ends"]) == ([True, False], [False, True])
    row = one.weights["cross"][1].mean(0)[0]
    number, rest = re.fullmatch(
        r"die looks at cat: (.*) \(start and end marks: (.*)\)", seen["pointed"]["readout"]
    ).groups()
    assert float(number) == pytest.approx(row[1], abs=0.011) and float(rest) == pytest.approx(
        1 - row.sum(), abs=0.03
    )
    assert seen["pointed"]["marked"] == [["here"] * 3, ["", "across", ""], ["", "across", ""]]
    shows("layer2head1", one.weights["cross"][1, 0], one.target, one.source)
    shows("encoder", one.weights["encoder"][1, 0], one.source, one.source)
    assert not any(map(any, seen["encoder"]["gold"]))
    shows("second", two.weights["encoder"][1, 0], two.source, two.source)
    shows("back", one.weights["encoder"][1, 0], one.source, one.source)


# The picture


@matplotlib
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("the cat sleeps", "die Katze schläft"),
        ("a b c d", "x y"),  # labels that need not be turned
        (
            " ".join(f"Donaudampfschifffahrt{i}" for i in range(30)),
            " ".join("Wgjpq" * (1 + i % 3) for i in range(30)),
        ),
        (" ".join(EVIL), "x" * 500),
    ],
)
def test_labels_are_all_there_and_do_not_overlap(source: str, target: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from mt.inspection.maps.fonts import drawing_settings
    from mt.inspection.maps.picture import MAX_LABEL_CHARACTERS, figure

    maps = [sentence_map(pair(source, target), "line 1"), sentence_map(pair(), "line 2")]
    with drawing_settings(word for each in maps for word in each.source + each.target):
        drawn = figure(maps, View())
        renderer = FigureCanvasAgg(drawn).get_renderer()
        for axes, sentence in zip(drawn.axes, maps, strict=False):
            for axis, words in ((axes.xaxis, sentence.source), (axes.yaxis, sentence.target)):
                labels = axis.get_ticklabels()
                texts = [label.get_text() for label in labels]
                assert texts == [
                    word
                    if len(word) <= MAX_LABEL_CHARACTERS
                    else word[: MAX_LABEL_CHARACTERS - 1] + "\u2026"
                    for word in words
                ]
                boxes = [label.get_window_extent(renderer) for label in labels]
                assert not any(
                    one.overlaps(other) for one, other in zip(boxes, boxes[1:], strict=False)
                )
                for box in boxes:
                    assert (
                        drawn.bbox.x0 <= box.x0
                        and box.x1 <= drawn.bbox.x1
                        and drawn.bbox.y0 <= box.y0
                        and box.y1 <= drawn.bbox.y1
                    )
        boxes = [axes.get_tightbbox(renderer) for axes in drawn.axes] + [
            text.get_window_extent(renderer) for text in drawn.texts
        ]
        assert not any(one.overlaps(other) for at, one in enumerate(boxes) for other in boxes[:at])


@matplotlib
def test_cells_have_the_colours_of_their_weights_and_gold_links_their_places() -> None:
    from matplotlib.patches import Rectangle

    from mt.inspection.maps.fonts import drawing_settings
    from mt.inspection.maps.picture import figure

    maps = two_maps()
    with drawing_settings(word for each in maps for word in each.source + each.target):
        axes = figure(maps, View(layer=0, head=1)).axes[0]
    np.testing.assert_allclose(axes.collections[0].get_array(), maps[0].weights["cross"][0, 1])
    outlined = {
        (int(r.get_x()), int(r.get_y()), r.get_linestyle())
        for r in axes.patches
        if isinstance(r, Rectangle)
    }
    assert outlined == {(0, 0, "-"), (1, 1, "-"), (2, 2, ":")}
    assert axes.yaxis_inverted() and axes.xaxis.get_ticks_position() == "top"


@matplotlib
def test_pictures_are_png_or_svg_and_missing_glyphs_are_reported(
    capfd: pytest.CaptureFixture,
) -> None:
    from mt.inspection.maps.picture import picture

    maps = [
        *two_maps(),
        sentence_map(
            pair(" ".join(EVIL[1:]), "\U0001f600 \u0db6\u0dbd\u0dbd\u0dcf кот γάτα \U0001e900"),
            "line 3",
        ),
    ]
    content, missing = picture(maps, View(), "png")
    assert content.startswith(b"\x89PNG\r\n\x1a\n") and 10_000 < len(content) < 300_000
    assert "к" not in missing
    content, missing = picture(maps, View("encoder", "all", "all"), "svg")
    assert missing == set() and content == picture(maps, View("encoder", "all", "all"), "svg")[0]
    texts = [
        element.text
        for element in ElementTree.fromstring(content).iter("{http://www.w3.org/2000/svg}text")
    ]
    for sentence in maps:
        for word in sentence.source:
            assert texts.count(word) >= 2 * 6
    assert "layer 3, head 2" in texts and "line 2: encoder self-attention" in texts
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


@matplotlib
def test_too_large_a_picture_is_refused_before_it_is_drawn() -> None:
    from mt.inspection.maps.picture import picture

    long = " ".join(["word"] * 60)
    with pytest.raises(UsageError, match="pixels: use .html, fewer lines"):
        picture(
            [sentence_map(pair(long, long, heads=8), "line 1")],
            View(layer="all", head="all"),
            "png",
        )
