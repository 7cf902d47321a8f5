"""Attention maps as PNG and SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from helpers.attention_maps import HARMFUL_WORDS, random_pair, two_maps
from mt.errors import UsageError
from mt.inspection.maps.sentence_map import View, sentence_map

pytest.importorskip("matplotlib", reason="matplotlib is not installed")


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("the cat sleeps", "die Katze schläft"),
        ("a b c d", "x y"),  # labels without rotation
        (
            " ".join(f"Donaudampfschifffahrt{i}" for i in range(30)),
            " ".join("Wgjpq" * (1 + i % 3) for i in range(30)),
        ),
        (" ".join(HARMFUL_WORDS), "x" * 500),
    ],
)
def test_all_labels_are_drawn_without_overlap(source: str, target: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from mt.inspection.maps.fonts import drawing_settings
    from mt.inspection.maps.picture import MAX_LABEL_CHARACTERS, figure

    maps = [
        sentence_map(random_pair(source, target), "line 1"),
        sentence_map(random_pair(), "line 2"),
    ]
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


def test_cells_show_weights_and_gold_links_are_outlined() -> None:
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


@pytest.mark.medium
def test_pictures_are_png_or_svg_and_missing_glyphs_are_reported(
    capfd: pytest.CaptureFixture,
) -> None:
    from mt.inspection.maps.picture import picture

    maps = [
        *two_maps(),
        sentence_map(
            random_pair(
                " ".join(HARMFUL_WORDS[1:]),
                "\U0001f600 \u0db6\u0dbd\u0dbd\u0dcf кот γάτα \U0001e900",
            ),
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


def test_a_picture_that_is_too_large_is_refused_before_it_is_drawn() -> None:
    from mt.inspection.maps.picture import picture

    long = " ".join(["word"] * 60)
    with pytest.raises(UsageError, match="pixels: use .html, fewer lines"):
        picture(
            [sentence_map(random_pair(long, long, heads=8), "line 1")],
            View(layer="all", head="all"),
            "png",
        )
