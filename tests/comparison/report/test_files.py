"""The files of a report: complete, reproducible, safe to open."""

from __future__ import annotations

import importlib.util
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from helpers.report_attention import EVIL
from helpers.report_results import results
from mt.comparison.report import contents
from mt.comparison.report.blocks import DiffPart, Paragraph, Section
from mt.comparison.report.contents import charts
from mt.comparison.report.latex import latex_tables
from mt.comparison.report.markdown import markdown_report
from mt.comparison.report.page import SCRIPTS, STYLES, report_page
from mt.comparison.report.sections.sentences import diff_parts
from mt.comparison.report.write import write_report
from mt.comparison.schema.results import DiffSegment, read_results
from mt.comparison.schema.typed_json import to_json

needs_resvg = pytest.mark.skipif(
    importlib.util.find_spec("resvg_py") is None, reason="resvg-py is not installed"
)


def test_the_page_loads_nothing_and_escapes_all_text() -> None:
    comparison = results((EVIL, "none", "b", f"{EVIL} & co"))
    comparison.title = comparison.question = EVIL
    comparison.failed[0].reason = EVIL
    provenance = comparison.provenance
    provenance.command, provenance.versions = [EVIL], {EVIL: EVIL}
    provenance.match_parameters = comparison.notes = [EVIL]
    diagnostics = comparison.attention[1].diagnostics
    assert diagnostics is not None
    diagnostics.findings = [EVIL]
    sentence = comparison.sentences[0]
    sentence.outputs["none"] = EVIL
    sentence.diff["none"] = [DiffSegment(False, EVIL, EVIL), DiffSegment(False, "", EVIL)]
    page = report_page(comparison)
    assert not re.search(r"(?:src|href)=\"(?!#|data:)|@import|url\(", page)
    assert "default-src 'none'" in page
    assert "<script>alert" not in page and page.count("<script>") == 1
    assert "innerHTML" not in page and len(STYLES) + len(SCRIPTS) == 6
    assert '<mark title="reference: &lt;/script&gt;' in page and "<del>&lt;/script&gt;" in page


def test_an_output_is_split_into_equal_different_and_missing_parts() -> None:
    segments = [
        DiffSegment(True, "a ", "a "),
        DiffSegment(False, "b ", "c "),
        DiffSegment(False, "d", ""),
        DiffSegment(False, "", " e"),
    ]
    assert diff_parts(segments) == [
        DiffPart("same", "a "),
        DiffPart("different", "b", "reference: c"),
        DiffPart("same", " "),
        DiffPart("different", "d", "not in the reference"),
        DiffPart("same", " "),
        DiffPart("missing", "e"),
        DiffPart("same", " "),
    ]
    assert diff_parts([DiffSegment(True, "", "")]) == []


@pytest.mark.medium
@needs_resvg
def test_a_report_is_made_from_the_results_alone(tmp_path: Path) -> None:
    comparison = results(("none", "transformer"), tests=("test",))
    before = to_json(comparison)
    first = write_report(comparison, tmp_path / "first")
    second = write_report(read_results(tmp_path / "first" / "results.json"), tmp_path / "second")
    assert to_json(comparison) == before
    names = {str(path.relative_to(tmp_path / "first")) for path in first}
    expected = {"report.html", "report.md", "results.json", "results.csv"}
    for chart in charts(comparison):
        expected |= {f"figures/{chart.name}.svg", f"figures/{chart.name}.png"}
    expected |= {f"tables/{name}.tex" for name in latex_tables(comparison)}
    assert names == expected and first[0].name == "report.html"
    markdown = (tmp_path / "first" / "report.md").read_text("utf-8")
    for path, again in zip(first, second, strict=True):
        assert path.read_bytes() == again.read_bytes()
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG")
            assert f"({path.relative_to(tmp_path / 'first')})" in markdown
        elif path.suffix == ".svg":
            root = ElementTree.fromstring(path.read_bytes())
            texts = [
                element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")
            ]
            assert "transformer" in " ".join(texts)


def test_without_resvg_the_report_has_svg_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "resvg_py" else find_spec(name, *rest),
    )
    paths = write_report(results(), tmp_path)
    assert {path.suffix for path in paths} == {".html", ".md", ".json", ".csv", ".svg", ".tex"}
    page = (tmp_path / "report.html").read_text("utf-8")
    markdown = (tmp_path / "report.md").read_text("utf-8")
    assert page.count('<svg class="chart') == 2 * len(charts(results())) and ".svg)" in markdown
    assert "resvg" not in page + markdown
    assert read_results(tmp_path / "results.json").notes == results().notes


def test_a_section_is_added_by_one_function_in_one_list(monkeypatch: pytest.MonkeyPatch) -> None:
    section = Section("extra", "Extra", [Paragraph("A new section.")])
    monkeypatch.setattr(contents, "SECTIONS", [*contents.SECTIONS, lambda _: section])
    page, markdown = report_page(results()), markdown_report(results())
    assert '<a href="#extra">Extra</a>' in page and "<p>A new section.</p>" in page
    assert "## Extra\n\nA new section." in markdown
