"""mt-export, and mt-translate on its exports, with both backends."""

from __future__ import annotations

import importlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import mt
from helpers.calls import call
from helpers.exports import save_lively_run, texts, write_export
from helpers.small_transformers import tiny
from helpers.variants import VARIANTS
from mt import export as command
from mt.data.tokenizer import Tokenizer
from mt.decoding.export_folder import find_export
from mt.decoding.load import TrainedModel
from mt.errors import MTError, UsageError
from mt.exporting import onnx
from mt.exporting.export import export_run
from mt.optional import install_command, require
from mt.tensor_files import read_tensors, write_tensors

BACKENDS = {"ctranslate2": "ctranslate2", "onnx": "onnxruntime"}
SELF = __file__  # lines of text
SHORT = ("--beam", "2", "--max-ratio", "0.5", "--max-extra", "3", "--threads", "1")


@pytest.fixture(scope="module")
def model_run(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    return save_lively_run(
        tmp_path_factory.mktemp("exported") / "run",
        tokenizer,
        tiny(encoder_layers=1, decoder_layers=1),
    )


@pytest.fixture(scope="module", params=BACKENDS)
def exported(
    request: pytest.FixtureRequest,
    model_run: TrainedModel,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, Path]:
    pytest.importorskip(
        BACKENDS[request.param],
        reason=f"needs the extra {request.param}: pip install -e '.[{request.param}]'",
    )
    return request.param, write_export(
        model_run, request.param, "float32", tmp_path_factory.mktemp(request.param) / "moved"
    )


def run_export(capsys: pytest.CaptureFixture, *flags: object) -> tuple[int, str, str]:
    """Run mt-export; return exit code, standard output and standard error."""
    code = 0
    try:
        command.main([str(flag) for flag in flags])
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, *capsys.readouterr()


def test_n_input_lines_give_n_output_lines(
    exported: tuple[str, Path], model_run: TrainedModel, monkeypatch, capsys
) -> None:
    """The lines are those of PyTorch. The tests of the backends compare them more closely."""
    backend, folder = exported
    lines = [
        "the cat",
        "",
        "  \t",
        "red tree no b",
        " ".join(["the cat sees ."] * 30),
        "b\r",
        "\u2028",
        "last",
    ]
    data = "\n".join(lines).encode()
    code, out, err = call(monkeypatch, capsys, folder, "--backend", backend, *SHORT, stdin=data)
    assert code == 0 and out.count("\n") == len(lines) == len(out.splitlines())
    assert [bool(line) for line in out.split("\n")[1:3]] == [False, False]
    assert "(split, translated in parts, joined): 1" in err
    _, ours, _ = call(
        monkeypatch,
        capsys,
        model_run.folder.path,
        "--device",
        "cpu",
        "--precision",
        "fp32",
        *SHORT,
        stdin=data,
    )
    same = sum(one == other for one, other in zip(out.splitlines(), ours.splitlines(), strict=True))
    assert same == len(lines) if backend == "onnx" else same >= len(lines) / 2
    assert call(monkeypatch, capsys, folder, *SHORT, "--stream", stdin=data)[:2] == (
        0,
        out,
    )  # the folder determines the backend
    code, out, _ = call(
        monkeypatch, capsys, folder, *SHORT, "--nbest", "2", "--format", "jsonl", stdin=data
    )
    records = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [record["index"] for record in records] == list(range(len(lines)))
    assert [len(record["nbest"]) for record in records] == [
        2 if line.strip(" \t\r\u2028") else 1 for line in lines
    ]
    assert all(
        record["nbest"] == sorted(record["nbest"], key=lambda each: -each["score"])
        for record in records
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--alignments"], "--backend pytorch"),
        (["--attention", "map.html"], "--backend pytorch"),
        (["--ensemble", "runs/other"], "leave out --ensemble"),
        (["--device", "mps"], "--device"),
        (["--nbest", "9"], "raise beam"),
    ],
)
def test_an_unsupported_flag_ends_with_an_error_of_one_line(
    flags, message, exported, monkeypatch, capsys
) -> None:
    code, out, err = call(monkeypatch, capsys, exported[1], *flags, "the cat")
    assert (code, out) == (2, "") and message in err.splitlines()[-1] and "Traceback" not in err


@pytest.mark.medium
def test_the_command_writes_an_export_and_reports_its_agreement(
    exported: tuple[str, Path], model_run: TrainedModel, capsys, tmp_path: Path
) -> None:
    backend = exported[0]
    for name, seed in (("src", 1), ("ref", 2)):
        (tmp_path / name).write_text(
            "".join(f"{line}\n" for line in texts(20, seed)), encoding="utf-8"
        )
    text = (
        "--src",
        tmp_path / "src",
        "--ref",
        tmp_path / "ref",
        "--sample",
        "6",
        "--beam",
        "1",
        "--threads",
        "1",
    )
    code, out, _ = run_export(capsys, model_run.folder.path, "--to", backend, *text)
    folder = model_run.folder.path / "export" / f"{backend}-float32"
    assert code == 0 and out.startswith(f"{folder}: ") and "MB" in out
    assert "beam 1, 6 sentences: 100.0 % of the outputs identical, BLEU" in out and "(+0.00)" in out
    assert find_export(model_run.folder.path, backend) == folder
    assert (
        run_export(capsys, model_run.folder.path, "--to", backend, *text)[0] == 0
    )  # replaces the first one
    # The validation text of this run does not exist: a note, not a failure.
    code, out, err = run_export(
        capsys, model_run.folder.path, "--to", backend, "--quantization", "int8"
    )
    assert code == 0 and "sentences" not in out and "no comparison" in err and "--src" in err
    with pytest.raises(MTError, match="several exports"):
        mt.load(model_run.folder.path, backend=backend)
    other = next(each for each in BACKENDS if each != backend)
    with pytest.raises(MTError, match=f"--backend {backend}"):
        mt.load(folder, backend=other)


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--to", "tflite"], 2, "invalid choice"),
        (
            ["--to", "onnx", "--quantization", "int4"],
            2,
            "must be one of float32, int8 for onnx, got int4",
        ),
        (["--to", "onnx", "--sample", "-1"], 2, "--sample must be >= 0, got -1"),
        (["--to", "onnx", "--src", "x"], 2, "--src and --ref must be given together"),
        (["--to", "onnx", "--beam", "0"], 2, "beam must be >= 1"),
        (["--to", "argos", "--src", SELF, "--ref", SELF], 2, "cannot read packages of Argos"),
        (["--to", "onnx", "--tag", "<a>"], 2, "--tag is that of --src"),
        (["--to", "onnx", "--src", "/nowhere", "--ref", "x"], 1, "no such file: /nowhere"),
        (["--to", "onnx", "--src", SELF, "--ref", SELF, "--tag", "<a>"], 2, "without tags"),
        (["--to", "onnx", "--sample", "0", "--out", "."], 1, "is not an export"),
    ],
)
def test_wrong_usage_ends_with_an_error_of_one_line_before_the_export(
    flags, code, message, model_run: TrainedModel, capsys, monkeypatch
) -> None:
    monkeypatch.setattr(onnx, "write_graphs", lambda *_: pytest.fail("it is exported"))
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    found, out, err = run_export(capsys, model_run.folder.path, *flags)
    assert (found, out) == (code, "") and message in err.splitlines()[-1] and "Traceback" not in err


def test_an_export_of_another_run_is_not_replaced(
    exported: tuple[str, Path], model_run: TrainedModel
) -> None:
    backend, folder = exported
    other = replace(model_run, config=replace(model_run.config, name="other"))
    with pytest.raises(UsageError, match=r"is an export of another run \(lively\)"):
        export_run(folder, other, backend, "float32")


def test_a_run_that_was_trained_on_has_no_export_until_it_is_exported_again(
    exported: tuple[str, Path], model_run: TrainedModel, tmp_path: Path
) -> None:
    backend, folder = exported
    ignored = shutil.ignore_patterns("export")
    run = shutil.copytree(model_run.folder.path, tmp_path / "run", ignore=ignored)
    shutil.copytree(folder, run / "export" / f"{backend}-float32")
    assert find_export(run, backend)
    tensors, facts = read_tensors(run / "model.safetensors")
    doubled = {name: 2 * tensor for name, tensor in tensors.items()}
    write_tensors(run / "model.safetensors", doubled, facts)
    with pytest.raises(UsageError, match="has older weights than .*: export the run again"):
        find_export(run, backend)


def test_the_error_for_a_missing_library_contains_the_command_that_installs_it(
    tokenizer: Tokenizer, tmp_path: Path, capsys, monkeypatch
) -> None:
    run = save_lively_run(tmp_path / "run", tokenizer, VARIANTS["rnn, gru"])

    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    for backend in BACKENDS:
        with pytest.raises(MTError, match="pip install onnx onnxruntime$"):
            require("onnx", "onnx")
        code, _, err = run_export(capsys, run.folder.path, "--to", backend, "--sample", "0")
        assert code == 1 and install_command(backend) in err and len(err.splitlines()) == 1


def test_the_error_for_a_run_without_an_export_says_how_to_make_one(
    tokenizer: Tokenizer, tmp_path: Path, monkeypatch, capsys
) -> None:
    run = save_lively_run(tmp_path / "run", tokenizer, tiny(encoder_layers=1, decoder_layers=1))
    code, _, err = call(monkeypatch, capsys, run.folder.path, "--backend", "onnx", "x")
    assert code == 2 and f"mt-export {run.folder.path} --to onnx" in err
