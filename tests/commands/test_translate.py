"""mt-translate with a small untrained model: lines, formats, flags and errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path

import pytest

import mt
from helpers.calls import call
from helpers.tiny_models import sentences
from mt.arguments.translate import build_parser, parse_arguments
from mt.decoding.options import BATCH_TOKENS, SearchOptions
from mt.errors import MTError
from mt.translate import translate

AWKWARD = [
    b"the cat sees a dog .",
    b"",
    b"   \t ",
    b"the cat\r",
    b"\xff\xfe broken \x80 bytes",
    b"nul \x00 inside",
    "line\u2028separator\u2029and\x85next\x0bline\x0cfeed\x1c.".encode(),
    "emoji \U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea".encode(),
    "\u10e5\u10d0\u10e0\u10d7\u10e3\u10da\u10d8 \u1c50\u1c51 \U00012000".encode(),
    b"x" * 100_000,
    ("\u732b" * 3000).encode(),
    ("e\u0301" * 500).encode(),
    b"the cat sees the dog . " * 100,
    b"\r",
    "\ufeffthe cat".encode(),
    "\u00a0\u3000".encode(),
    b"last",
]


SHORT = (
    "--device",
    "cpu",
    "--precision",
    "fp32",
    "--threads",
    "1",
    "--beam",
    "2",
    "--max-ratio",
    "0.3",
    "--max-extra",
    "3",
)


def translate_bytes(run: Path, data: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "mt.translate", str(run), *SHORT],
        input=data,
        capture_output=True,
        timeout=100,
        env={"LC_ALL": "C", "PYTHONPATH": str(Path(mt.__file__).parent.parent)},
    )


@pytest.mark.medium
def test_n_input_lines_give_n_output_lines(run: Path, monkeypatch, capsys) -> None:
    result = translate_bytes(run, b"\n".join(AWKWARD))
    assert result.returncode == 0, result.stderr.decode()
    text = result.stdout.decode("utf-8")
    assert text.endswith("\n")
    lines = text[:-1].split("\n")
    assert len(lines) == len(AWKWARD) == len(text.splitlines())  # splits at all separators
    blank = [
        index for index, line in enumerate(AWKWARD) if not line.decode("utf-8", "replace").strip()
    ]
    assert blank == [1, 2, 13, 15]
    assert all(lines[index] == "" for index in blank)
    log = result.stderr.decode()
    assert "lines with invalid UTF-8 (replaced by U+FFFD): 1" in log
    assert "lines with NUL characters (removed): 1" in log
    assert "(split, translated in parts, joined): 4" in log
    assert "cut off at the maximum length" in log
    code, out, err = call(
        monkeypatch, capsys, str(run), *SHORT, "--quiet", stdin=b"\n".join(AWKWARD[:9]) + b"\n"
    )
    assert (code, out.split("\n"), err) == (0, [*lines[:9], ""], "")


@pytest.mark.medium
def test_sentences_files_and_standard_input_give_the_same_output(
    run, translator, monkeypatch, capsys, tmp_path
) -> None:
    lines = sentences(3)
    expected = translator.translate(lines)
    assert translator.translate(lines[0]) == expected[0]
    assert [str(type(each)) for each in expected] == ["<class 'str'>"] * 3
    text = "".join(f"{line}\n" for line in expected)
    device = ("--device", "cpu", "--precision", "fp32")
    assert call(monkeypatch, capsys, run, *device, *lines)[:2] == (0, text)
    assert call(monkeypatch, capsys, run, lines[0], *device, lines[1], "--beam", "5", lines[2])[
        :2
    ] == (0, text)
    data = "\n".join(lines).encode()
    assert call(monkeypatch, capsys, run, *device, stdin=data)[:2] == (0, text)
    assert call(monkeypatch, capsys, run, *device, "--stream", stdin=data)[:2] == (0, text)
    source, output = tmp_path / "in, put.txt", tmp_path / "out=put.txt"
    source.write_bytes(data)
    assert call(monkeypatch, capsys, run, *device, "--input", source, "--output", output)[:2] == (
        0,
        "",
    )
    assert output.read_text("utf-8") == text
    assert list(tmp_path.glob("*.part")) == []
    assert call(monkeypatch, capsys, run, *device, stdin=b"")[:2] == (0, "")


@pytest.mark.medium
def test_every_format_shows_the_same_translations_and_scores(
    run, translator, monkeypatch, capsys, tmp_path
) -> None:
    lines = [*sentences(2), "", "\u2028 x \x85"]
    found = translator.translate_nbest(lines, 3)
    data = "\n".join(lines).encode()
    flags = (run, "--device", "cpu", "--precision", "fp32")
    code, out, _ = call(monkeypatch, capsys, *flags, "--nbest", "3", stdin=data)
    parsed = [line.split(" ||| ") for line in out.splitlines()]
    assert code == 0
    assert [(int(i), text) for i, text, _ in parsed] == [
        (i, o.text) for i, each in enumerate(found) for o in each.outputs
    ]
    assert [float(score) for _, _, score in parsed] == pytest.approx(
        [o.score for each in found for o in each.outputs], abs=1e-4
    )
    assert all(
        each.outputs == sorted(each.outputs, key=lambda output: -output.score) for each in found
    )
    _, out, _ = call(monkeypatch, capsys, *flags, "--scores", stdin=data)
    assert [line.partition("\t")[2] for line in out.split("\n")[:-1]] == [
        each.text for each in found
    ]
    _, out, _ = call(monkeypatch, capsys, *flags, "--format", "jsonl", "--nbest", "3", stdin=data)
    records = [json.loads(line) for line in out.splitlines()]
    assert [(r["index"], r["source"], r["text"], r["complete"]) for r in records] == [
        (i, each.source, each.text, each.outputs[0].complete) for i, each in enumerate(found)
    ]
    assert [len(r["nbest"]) for r in records] == [len(each.outputs) for each in found]
    reference = tmp_path / "ref.txt"
    reference.write_text("a cat\n\nb\nc\n", encoding="utf-8")
    code, out, _ = call(monkeypatch, capsys, *flags, "--score", reference, stdin=data)
    scores = translator.score(zip(lines, ["a cat", "", "b", "c"], strict=True))
    assert code == 0
    assert [float(line) for line in out.splitlines()] == pytest.approx(
        [score.log_prob for score in scores], abs=1e-3
    )
    for text in ("one\n", "1\n2\n3\n4\n5\n"):
        reference.write_text(text, encoding="utf-8")
        code, _, err = call(monkeypatch, capsys, *flags, "--score", reference, stdin=data)
        assert code == 1 and "the numbers must be equal" in err


def test_a_file_on_standard_input_beside_sentences_has_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = tmp_path / "in.txt"
    lines.write_text("one\ntwo\n", encoding="utf-8")
    for read, noted in ((0, True), (1, False)):  # a loop of the shell has read a line
        with open(lines, encoding="utf-8") as file:
            os.read(file.fileno(), 4 * read)
            monkeypatch.setattr(sys, "stdin", file)
            with pytest.raises(MTError, match="no run directory"):
                translate(parse_arguments([str(tmp_path / "none"), "--alignments", "al.txt"]))
        assert ("standard input is not read" in capsys.readouterr().err) == noted


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--nbest", "9"], 2, "raise beam"),
        (["--beam", "0"], 2, "beam"),
        (["--top-k", "3"], 2, "sampling"),
        (["--batch-tokens", "0"], 2, "must be >= 1"),
        (["--threads", "-1"], 2, "threads"),
        (["--beam", "x"], 2, "invalid int"),
        (["x", "--input", "y"], 2, "not both"),
        ([__file__], 2, f"{__file__} is a file: give --input {__file__}"),
        (["--score", "r", "--nbest", "2"], 2, "--score"),
        (["--score", "r", "--split-sentences", "yes"], 2, "--split-sentences"),
        (["--input", "/nowhere/in.txt"], 1, "no such file: /nowhere/in.txt"),
        (["x", "--output", "/nowhere/o"], 1, "cannot write /nowhere/o"),
        (["--input", "."], 2, "give --output FOLDER"),
        (["--ensemble", "/nowhere"], 1, "/nowhere"),
    ],
)
def test_wrong_usage_ends_with_an_error_of_one_line(
    flags, code, message, run, monkeypatch, capsys
) -> None:
    found, out, err = call(monkeypatch, capsys, run, "--device", "cpu", *flags)
    assert (found, out) == (code, "")
    assert message in err.splitlines()[-1] and "Traceback" not in err


@pytest.mark.parametrize("flag", ["--input", "--prefix", "--score"])
def test_no_file_that_is_read_is_overwritten(flag, run, tmp_path, monkeypatch, capsys) -> None:
    text, link = tmp_path / "text", tmp_path / "link"
    text.write_text("the dog\n")
    link.symlink_to(text)
    code, _, err = call(monkeypatch, capsys, run, flag, text, "--output", link, stdin=b"a cat\n")
    assert (code, text.read_text()) == (2, "the dog\n")
    assert err.strip() == f"error: --output {link} is the file of {flag}: choose another one"


def test_flags_have_the_defaults_of_the_search_options() -> None:
    flags = build_parser()
    assert {field.name: flags.get_default(field.name) for field in fields(SearchOptions)} == asdict(
        SearchOptions()
    )
    assert flags.get_default("batch_tokens") == BATCH_TOKENS
