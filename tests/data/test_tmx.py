"""Translation memories: no word is lost, codes are counted, and a file without text says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from mt.data.tmx import TmxReader
from mt.errors import MTError


def unit(source: str, target: str) -> str:
    return (
        f'<tu><tuv xml:lang="en"><seg>{source}</seg></tuv>'
        f'<tuv xml:lang="de"><seg>{target}</seg></tuv></tu>'
    )


def read(path: Path, body: str) -> tuple[list[tuple[str, str]], list[str]]:
    """The pairs of a file with this body, and the warnings."""
    path.write_text(f"<tmx><body>{body}</body></tmx>", encoding="utf-8")
    notes: list[str] = []
    return list(TmxReader(path, ("en", "de"), notes.append).pairs()), notes


CODE = '<ph x="1">&lt;br/&gt;</ph>'


@pytest.mark.parametrize(
    ("segment", "text"),
    [
        ('Press the <g id="1">green button</g> twice', "Press the green button twice"),
        ("a <mrk>marked</mrk> and <b>bold</b> <x>word</x>", "a marked and bold word"),
        ('b<hi>old <g><i type="x">deep</i></g></hi>er', "bold deeper"),
        ("<g>all</g>", "all"),
        (f"Line one{CODE}line two", "Line one line two"),
        (f"One.{CODE}Two", "One. Two"),
        (f"Press {CODE} twice", "Press twice"),
        (f"The end{CODE}.", "The end."),
        (f"({CODE}inside{CODE}) outside", "(inside) outside"),
        (f"{CODE}{CODE}first{CODE} {CODE}last{CODE}", "first last"),
        ("A <bpt i='1'>&lt;b&gt;</bpt>red<ept i='1'>&lt;/b&gt;</ept>, old car", "A red, old car"),
        ("see<it>[</it>page<ut>]</ut>two", "see page two"),
        ("over<x id='1'/>there<br/>now", "over there now"),
        ("a<ph>[<sub>footnote</sub>]</ph>b", "a b"),
        (
            f"\u70b9\u51fb{CODE}\u6309\u94ae\u3002{CODE}\u518d",
            "\u70b9\u51fb\u6309\u94ae\u3002\u518d",
        ),
        (f"\u0915\u093e{CODE}\u0916", "\u0915\u093e \u0916"),
        (f"10{CODE}\u20ac {CODE}\n  or <g>\n</g> not", "10 \u20ac or not"),
    ],
)
def test_inline_elements_give_their_text_and_codes_a_boundary(
    tmp_path: Path, segment: str, text: str
) -> None:
    pairs, _ = read(tmp_path / "t.tmx", unit(segment, "x"))
    assert pairs == [(text, "x")]


def test_codes_left_out_of_the_text_are_counted(tmp_path: Path) -> None:
    body = unit(f"a{CODE}b<g>c</g>", "d<bpt>x<sub>note</sub></bpt>e<ept>y</ept>") + unit(
        "f<x/>", "g"
    )
    _, notes = read(tmp_path / "t.tmx", body)
    assert len(notes) == 1
    assert "5 inline codes left out of the text (bpt 1, ept 1, ph 1, sub 1, x 1)" in notes[0]
    assert read(tmp_path / "t.tmx", unit("<g>a</g>", "b"))[1] == []


@pytest.mark.parametrize("element", ["g", "ph", "tu", "seg", "body"])
def test_elements_may_be_nested_without_limit(tmp_path: Path, element: str) -> None:
    depth = 200_000
    nested = f"<{element}>" * depth + "deep" + f"</{element}>" * depth
    path = tmp_path / "t.tmx"
    if element in ("g", "ph"):
        text = "a deep b" if element == "g" else "a b"
        assert read(path, unit(f"a {nested} b", "x"))[0] == [(text, "x")]
    else:
        assert read(path, nested + unit("a", "b"))[0] == [("a", "b")]


def test_a_file_without_segments_says_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "t.tmx"
    tuv = '<tuv xml:lang="{}">{}</tuv>'
    units = (
        "<tu>" + tuv.format("en", "house") + tuv.format("de", "<segment>Haus</segment>") + "</tu>"
    )
    with pytest.raises(
        MTError,
        match=r"no unit has a <seg> in both en and de; languages found: none; "
        r"variants without <seg>: 2 \(text only: 1, <segment>: 1\)",
    ):
        read(path, units)
    pairs, notes = read(path, units + unit("a", "b"))
    assert pairs == [("a", "b")] and "1 of 2 units skipped" in notes[0] and "<segment>" in notes[0]
    with pytest.raises(MTError, match=r"languages found: \(none named\), de"):
        read(path, "<tu><tuv><seg>a</seg></tuv>" + tuv.format("de", "<seg>b</seg>") + "</tu>")


def test_another_xml_format_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.tmx"
    path.write_text("<xliff><file/></xliff>", encoding="utf-8")
    with pytest.raises(MTError, match=r"no translation unit \(<tu>\): its root element is <xliff>"):
        list(TmxReader(path, ("en", "de"), print).pairs())
