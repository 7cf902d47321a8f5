"""mt-compare: its arguments, what it prints and what it writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers.comparing import REFERENCES, SOURCES, damaged, make_run
from mt.compare import help_text, parse_arguments, run
from mt.comparison.inputs import expand_pattern, read_files, read_runs
from mt.comparison.schema.results import read_results
from mt.config.compose import load_config
from mt.errors import MTError, UsageError


@pytest.mark.medium
def test_runs_are_compared_and_the_results_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = load_config(["auto=false", "model=rnn"])
    paths = [
        make_run(tmp_path / name, config, damaged(every))
        for name, every in (("one", 3), ("two", 4))
    ]
    results = run(
        parse_arguments(
            [
                f"runs=[{','.join(paths)}]",
                f"out={tmp_path}/out",
                "bootstrap=100",
                "length_by=reference",
            ]
        )
    )
    assert results.tests[0].length.by == "reference"
    assert read_results(tmp_path / "out" / "results.json") == results
    assert "| one " in (tmp_path / "out" / "report.md").read_text("utf-8")
    printed = capsys.readouterr()  # progress is no result
    assert "deciding words" in printed.err and "deciding words" not in printed.out


def test_files_of_systems_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, lines in {
        "ref": REFERENCES,
        "a": damaged(3),
        "b": damaged(4),
        "c": damaged(5),
        "src": SOURCES,
    }.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    p = tmp_path
    results = run(
        parse_arguments(
            [
                f"hyp={{ours: [{p}/a,{p}/b], theirs: {p}/c}}",
                f"ref={p}/ref",
                f"src={p}/src",
                f"out={p}/out",
                "bootstrap=100",
            ]
        )
    )
    assert [len(system.runs) for system in results.systems] == [2, 1]
    assert results.tests[0].length.by == "source"
    printed = capsys.readouterr().out.splitlines()
    report = iter((p / "out" / "report.md").read_text("utf-8").splitlines())
    assert len(printed) > 10 and all(line in report for line in printed)  # in the same order
    monkeypatch.setenv("HOME", str(p))
    assert read_files({"a": "~/a"}, "~/ref", "~/src").tests[0].sources == SOURCES
    (p / "a").write_text("one line\n")
    with pytest.raises(MTError, match="1"):
        read_files({"a": f"{p}/a"}, f"{p}/ref")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs=[a]", "hyp={b: c}"], "give either runs="),
        (["hyp={b: c}"], "hyp needs ref=FILE"),
        (["runs=[a]", "ref=x"], "ref needs hyp"),
        (["rans=[a]"], "unknown key rans: did you mean runs?"),
        (["+runs=[a]"], "unknown key runs"),
        (["runs=[a", "ref=b"], "ref needs hyp"),
        (["runs=[a]", "bootstrap=many"], "bootstrap: many is not a whole number"),
        (["runs=[a]", "bootstrap=50"], "bootstrap must be >= 100"),
        (["runs=[a]", "bootstrap=0"], "bootstrap must be >= 100"),
        (["runs=[a]", "edges=[20,10]"], "ascending"),
        (["runs=[a]", "length_by=target"], "'target'"),
        (["hyp={a: b}", "ref=x", "length_by=source"], "no sources"),
        (["runs=[a]", f"out={__file__}"], "is a file"),
        (["runs=[]"], "runs is empty"),  # rather than training the default comparison
        (["hyp={}"], "hyp is empty"),
        (["hyp=[a,b]", "ref=x"], "has no names"),
        (["hyp={a: b, a: c}", "ref=x"], "a name twice: found duplicate key a"),
        (["variants={a: ['model=rnn'], a: ['model=transformer']}"], "a name twice"),
        (["threshold=x", "runs=[a]"], "threshold: "),
    ],
)
def test_mistakes_are_named_in_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_arguments(arguments)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("files", [5, {"x": 1}, [], ["a", 5], ["a", "a"]])
def test_bad_files_of_translations_are_refused(files: Any) -> None:
    with pytest.raises(
        UsageError, match="the system s has no file|a is named twice in the system s"
    ):
        read_files({"s": files}, "ref")


def test_a_file_of_translations_is_named_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"/b is named twice in the systems ours and theirs"):
        read_files({"ours": f"{tmp_path}/b", "theirs": ["c", f"{tmp_path}/x/../b"]}, "ref")


def test_one_run_needs_no_brackets() -> None:
    assert parse_arguments(["runs=a", "edges=10"]).config.runs == ["a"]


def test_a_pattern_names_all_runs_that_match(tmp_path: Path) -> None:
    for name in ("why-b", "why-a", "other", "odd[1]"):
        (tmp_path / name).mkdir()
    assert expand_pattern(f"{tmp_path}/why-*") == [f"{tmp_path}/why-a", f"{tmp_path}/why-b"]
    assert expand_pattern(f"{tmp_path}/odd[1]") == [
        f"{tmp_path}/odd[1]"
    ]  # it is there: a name, no pattern
    assert (
        parse_arguments(["runs=runs/why-*"]).config.runs
        == parse_arguments(["runs=[runs/why-*]"]).config.runs
        == ["runs/why-*"]
    )
    with pytest.raises(UsageError, match=r"there is no .*nothing-\*"):
        read_runs([f"{tmp_path}/nothing-*"])


def test_help_names_every_key() -> None:
    assert all(
        f"\n  {name}" in help_text()
        for name in ("runs", "hyp", "ref", "src", "baseline", "out", "bootstrap")
    )
