"""mt-translate --attention: the file that it writes, and its error messages."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import mt
from helpers.attending_models import KINDS, LONG, tiny
from helpers.calls import call
from helpers.pages import ParsedPage
from mt.arguments.translate import build_parser
from mt.data.links import format_links
from mt.data.tokenizer import Tokenizer
from mt.decoding.engines.pytorch import PyTorchEngine
from mt.decoding.translator import Translator

CPU = ("--device", "cpu", "--precision", "fp32", "--threads", "1")
picture = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed"
)


def read_page_data(path: Path) -> dict:
    return json.loads(ParsedPage(path.read_text("utf-8")).scripts[0])


def test_a_page_holds_the_attention_of_the_models_own_translations(
    run: Path, translator: Translator, monkeypatch, capsys, tmp_path: Path
) -> None:
    lines = ["the cat sees a dog", "", LONG, "a tree"]
    file = tmp_path / "map.html"
    code, out, err = call(
        monkeypatch,
        capsys,
        run,
        *CPU,
        "--beam",
        "2",
        "--attention",
        file,
        stdin="\n".join(lines).encode(),
    )
    found = mt.inspect(translator).translate(lines, beam=2)
    assert (code, out) == (0, "".join(f"{each.text}\n" for each in found)), err
    data = read_page_data(file)
    shown = {record["name"]: record for record in data["sentences"]}
    names = ["line 1", *(f"line 3, part {i} of 6" for i in range(1, 7)), "line 4"]
    pairs = dict(zip(names, (pair for each in found for pair in each.attention), strict=True))
    assert list(shown) == [name for name in names if max(pairs[name].target_words, default=-1) >= 0]
    assert data["start"] == {"kind": "cross", "layer": 0, "head": -1}
    for name, record in shown.items():
        for kind in KINDS:
            stored = np.array(record["weights"][kind]["percent"]).reshape(
                record["weights"][kind]["shape"]
            )
            np.testing.assert_allclose(
                stored / 100, pairs[name].all_word_weights(kind), atol=0.0051
            )
    flags = (
        "--attention-kind",
        "encoder",
        "--attention-layer",
        "1",
        "--attention-head",
        "1",
        "the cat",
    )
    assert call(monkeypatch, capsys, run, *CPU, "--attention", file, *flags)[0] == 0
    assert read_page_data(file)["start"] == {"kind": "encoder", "layer": 0, "head": 0}


def test_a_page_holds_given_translations_with_their_gold_links(
    run: Path, translator: Translator, monkeypatch, capsys, tmp_path: Path
) -> None:
    sources, targets, gold = (
        ["the cat sees", "a dog", "red"],
        ["eine Katze", "a dog", "a red"],
        ["0-0 1p1 2-1", "", "0-1"],
    )
    files = {name: tmp_path / name for name in ("ref", "gold", "map.html")}
    files["ref"].write_text("\n".join(targets), encoding="utf-8")
    files["gold"].write_text("\n".join(gold), encoding="utf-8")
    flags = (
        run,
        *CPU,
        "--score",
        files["ref"],
        "--links",
        files["gold"],
        "--attention",
        files["map.html"],
    )
    code, out, err = call(monkeypatch, capsys, *flags, stdin="\n".join(sources).encode())
    pairs = list(zip(sources, targets, strict=True))
    assert code == 0, err
    assert [float(line) for line in out.split()] == pytest.approx(
        [each.log_prob for each in translator.score(pairs)], abs=1e-3
    )
    records = read_page_data(files["map.html"])["sentences"]
    for record, source, target, links, pair in zip(
        records, sources, targets, gold, mt.inspect(translator).attention(pairs), strict=True
    ):
        assert (record["source"], record["target"]) == (source.split(), target.split())
        assert " ".join(f"{i}{'-' if sure else 'p'}{j}" for i, j, sure in record["gold"]) == links
        stored = np.array(record["weights"]["cross"]["percent"]).reshape(
            record["weights"]["cross"]["shape"]
        )
        np.testing.assert_allclose(stored / 100, pair.all_word_weights(), atol=0.0051)
    for text, message in (
        ("0-0\n0-0\n", "has 2 lines"),
        ("0-0\n" * 4, "has 4 lines for 3 pairs"),
        ("9-0\n\n\n", "line 1 has a link of words 9"),
    ):
        files["gold"].write_text(text, encoding="utf-8")
        code, _, err = call(monkeypatch, capsys, *flags, stdin="\n".join(sources).encode())
        assert code == 1 and message in err.splitlines()[-1]


@pytest.mark.medium
@picture
def test_a_picture_has_the_format_of_its_suffix(
    run: Path, monkeypatch, capsys, tmp_path: Path
) -> None:
    for name, magic in (("map.png", b"\x89PNG\r\n\x1a\n"), ("MAP.SVG", b"<?xml")):
        code, out, err = call(
            monkeypatch,
            capsys,
            run,
            *CPU,
            "--attention",
            tmp_path / name,
            "--attention-head",
            "all",
            "--quiet",
            "the cat",
            "a dog",
        )
        assert (code, out.count("\n"), err) == (0, 2, "")
        assert (tmp_path / name).read_bytes().startswith(magic)
    many = b"the cat\n" * 21
    code, out, err = call(
        monkeypatch, capsys, run, *CPU, "--attention", tmp_path / "no.png", stdin=many
    )
    assert (code, out) == (2, "") and "up to 20 lines: use .html or fewer lines" in err
    assert (
        call(monkeypatch, capsys, run, *CPU, "--attention", tmp_path / "no.html", stdin=many)[0]
        == 0
    )
    assert not (tmp_path / "no.png").exists()


def test_without_matplotlib_a_picture_is_refused_and_a_page_is_written(
    run: Path, monkeypatch, capsys, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, out, err = call(
        monkeypatch, capsys, "/nowhere", "--attention", tmp_path / "map.svg", "the cat"
    )
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "pip install matplotlib resvg-py" in err
    assert (
        call(monkeypatch, capsys, run, *CPU, "--attention", tmp_path / "map.html", "the cat")[0]
        == 0
    )


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--attention", "map.gif"], 2, "end in .png, .svg, .html: 'map.gif'"),
        (["--attention", "map"], 2, "end in .png"),
        (["--attention", "map.html", "--stream"], 2, "--stream"),
        (["--attention", "map.html", "--links", "x"], 2, "--score FILE"),
        (["--attention", "/nowhere/map.html"], 1, "there is no folder /nowhere"),
        (["--attention-layer", "1"], 2, "--attention-layer needs --attention FILE"),
        (["--attention-head", "1"], 2, "--attention-head needs"),
        (["--links", "x", "--score", "y"], 2, "--links needs"),
        (
            ["--attention", "map.html", "--attention-layer", "0"],
            2,
            "must be >= 1 or all, got '0'",
        ),
        (
            ["--attention", "map.html", "--attention-head", "x"],
            2,
            "must be >= 1 or all or mean, got 'x'",
        ),
        (["--attention", "map.html", "--attention-kind", "x"], 2, "invalid choice"),
    ],
)
def test_wrong_flags_are_reported_before_a_model_is_loaded(
    flags, code, message, monkeypatch, capsys
) -> None:
    found, out, err = call(monkeypatch, capsys, "/no-such-run", *flags, "the cat")
    assert (found, out) == (code, "")
    assert message in err.splitlines()[-1] and "no-such-run" not in err


def test_missing_attention_is_reported_before_the_translation(
    run: Path, tokenizer: Tokenizer, monkeypatch, capsys, tmp_path: Path
) -> None:
    monkeypatch.setattr(PyTorchEngine, "search", None)
    file = tmp_path / "map.html"
    for flags, message in (
        (("layer", "3"), "no layer 3: the cross-attention has 2, counted from 1"),
        (("head", "3"), "no head 3"),
    ):
        code, out, err = call(
            monkeypatch,
            capsys,
            run,
            *CPU,
            "--attention",
            file,
            f"--attention-{flags[0]}",
            flags[1],
            "the cat",
        )
        assert (code, out) == (2, "") and message in err.splitlines()[-1]
    for encoder, message in (
        ("rnn", "the model has no attention to draw"),
        ("transformer", "no layer 2: the encoder self-attention"),
    ):
        model = Translator([tiny(tokenizer.vocab_size(), encoder, "rnn", "none")], tokenizer)
        monkeypatch.setattr(
            "mt.exporting.automatic.load_fastest", lambda *_, model=model, **__: model
        )
        code, out, err = call(
            monkeypatch, capsys, run, *CPU, "--attention", file, "--attention-layer", "2", "the cat"
        )
        assert (code, out) == (2, "") and message in err.splitlines()[-1]


def test_a_page_that_would_be_too_large_is_refused(
    run: Path, monkeypatch, capsys, tmp_path: Path
) -> None:
    monkeypatch.setattr("mt.inspection.maps.map_file.MAX_PAGE_WEIGHTS", 100)
    lines = ("the cat sees a dog", "a dog", "red")
    code, _, err = call(
        monkeypatch, capsys, run, *CPU, "--attention", tmp_path / "map.html", *lines
    )
    assert code == 1 and "more than the 100 weights" in err and not (tmp_path / "map.html").exists()


def test_blank_lines_alone_are_an_error(run: Path, monkeypatch, capsys, tmp_path: Path) -> None:
    code, out, err = call(
        monkeypatch, capsys, run, *CPU, "--attention", tmp_path / "map.html", stdin=b"\n\n"
    )
    assert (code, out) == (1, "\n\n") and "no words to draw" in err


def test_help_has_the_flags_and_alignments_do_not_change(
    run: Path, translator: Translator, monkeypatch, capsys, tmp_path
) -> None:
    assert all(
        f"--attention{end}" in build_parser().format_help()
        for end in ("", "-kind", "-layer", "-head")
    )
    _, out, _ = call(
        monkeypatch,
        capsys,
        run,
        *CPU,
        "--alignments",
        "--attention",
        tmp_path / "map.html",
        "the cat sees",
    )
    (expected,) = mt.inspect(translator).translate_stream(["the cat sees"], alignments=True)
    assert out == f"{expected.text} ||| {format_links(expected.outputs[0].links)}\n"
