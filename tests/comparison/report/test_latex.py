"""Tables as LaTeX."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from helpers.report_results import results, results_of_files
from mt.comparison.report.latex import escape, latex_table, latex_tables
from mt.comparison.table import Cell, Table


def test_a_table_has_booktabs_rules_and_aligned_columns() -> None:
    row = [Cell("a_b", is_system=True), Cell("-1.5", "0.1 - 2"), Cell("+2", strong=True)]
    table = Table(["system", "BLEU", "%"], [row], small_rows=frozenset([0]), note="A note.")
    assert latex_table(table).splitlines() == [
        r"% Needs \usepackage{booktabs}.",
        "% A note.",
        "% *: too few cases to mean much.",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"system & BLEU & \% \\",
        r"\midrule",
        r"a\_b$^*$ & $-$1.5 {\small (0.1--2)} & \textbf{+2} \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_text_is_escaped() -> None:
    assert escape(r"\x{a} <= ~^ #$") == (
        r"\textbackslash{}x\{a\} $\le$ \textasciitilde{}\textasciicircum{} \#\$"
    )
    assert escape("pre-norm p < 0.001") == "pre-norm p $<$ 0.001"
    assert escape("[a]|b*") == r"{[}a]\textbar{}b{*}", "no option of the line break before it"


def test_the_main_tables_of_every_test_set_are_written() -> None:
    names = [f"{name}{suffix}" for suffix in ("", "-long") for name in MAIN]
    assert sorted(latex_tables(results())) == sorted(["pairs", *names])
    assert sorted(latex_tables(results_of_files())) == sorted(["pairs", *MAIN])
    for text in latex_tables(results()).values():
        rows = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert len({len(re.split(r"(?<!\\)&", row)) for row in rows}) == 1


MAIN = ("scores", "differences", "bleu-by-length")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex")
def test_latex_accepts_the_tables(tmp_path: Path) -> None:
    body = "\n".join(latex_tables(results()).values())
    document = rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{body}"
    (tmp_path / "t.tex").write_text(document + r"\end{document}", encoding="utf-8")
    command = ["pdflatex", "-interaction=batchmode", "-halt-on-error", "t.tex"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
