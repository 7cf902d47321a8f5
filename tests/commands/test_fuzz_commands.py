"""No arguments make a command print a traceback or end with another code than 0, 1 or 2."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.fuzzing import fuzz, odd_text
from helpers.tiny_models import save_run
from mt import commands
from mt.data.tokenizer import Tokenizer

COMMANDS: dict[str, Callable[[], None]] = {
    "mt-train": commands.train,
    "mt-prepare": commands.prepare,
    "mt-translate": commands.translate,
    "mt-evaluate": commands.evaluate,
    "mt-compare": commands.compare,
    "mt-export": commands.export,
    "mt-average": commands.average,
    "mt-import": commands.import_model,
    "mt-trim": commands.trim,
    "mt-serve": commands.serve,
}
# Arguments that come first, so that nothing is trained for long or asked from the network.
FIRST = {
    "mt-train": [["data=files", "data.train.src=no.src", "data.train.tgt=no.tgt"]],
    "mt-prepare": [["data=files", "data.train.src=no.src", "data.train.tgt=no.tgt"]],
    "mt-translate": [["run"], ["text.txt"], ["nowhere"], []],
    "mt-evaluate": [["run"], ["--hyp", "text.txt", "--ref", "text.txt"], ["--hyp", "text.txt"], []],
    "mt-compare": [["hyp={a: text.txt, b: text.txt}"], ["hyp={a: text.txt}", "ref=text.txt"],
                   ["runs=[run]"], ["hyp={a: [text.txt, bytes]}", "ref=bytes"], ["runs=[nowhere]"]],
    "mt-export": [["run"], ["nowhere"], ["folder"]],
    "mt-average": [["run", "run"], ["run"], ["run", "nowhere"], ["folder", "run"]],
    "mt-import": [["run"], ["folder"], ["nowhere"], ["text.txt"]],
    "mt-trim": [["run", "--src", "text.txt", "--tgt"], ["nowhere", "--out", "x"], ["run"]],
    "mt-serve": [["nowhere"], ["folder"], ["text.txt"]],  # a run would be served without an end
}  # fmt: skip
FLAGS = {
    "mt-train": ["name=", "model.dim=", "optim.lr=", "trainer.device=", "trainer.max_steps=",
                 "seed=", "data.tgt_lang=", "data.train.limit=", "data.val.src=", "model=",
                 "attention=", "position=", "optim=", "data.cache=", "data.mix.x.src=",
                 "+data.mix.x.src=", "runs_dir=", "trainer.init_from=", "nosuch=", "~model=",
                 "--cfg", "--version"],
    "mt-prepare": ["--workers", "--config-dir", "data.tokenizer.vocab_size=", "data.cache=",
                   "data.workers=", "trainer.init_from=", "nosuch=", "--help", "--version"],
    "mt-translate": ["--input", "--output", "--shard", "--beam", "--nbest", "--format",
                     "--device", "--score", "--ensemble", "--backend", "--attention", "--seed",
                     "--stream", "--quiet", "--precision", "--max-ratio", "--length-penalty",
                     "--alignments", "--help"],
    "mt-evaluate": ["--src", "--ref", "--hyp", "--beam", "--json", "--lang", "--tokenize",
                    "--lowercase", "--bootstrap", "--no-ter", "--threshold", "--edges", "--split",
                    "--links", "--length-by", "--diagnostics", "--write-files", "--version"],
    "mt-compare": ["ref=", "src=", "lang=", "out=", "baseline=", "length_by=", "edges=",
                   "threshold=", "tokenize=", "lowercase=", "ter=", "title=", "nosuch=", "--help"],
    "mt-export": ["--to", "--quantization", "--out", "--beam", "--sample", "--src", "--ref",
                  "--threads", "--version"],
    "mt-average": ["--out", "--last", "--best", "--help"],
    "mt-import": ["--out", "--revision", "--src-lang", "--tgt-lang", "--version"],
    "mt-trim": ["--out", "--src", "--tgt", "--version"],
    "mt-serve": ["--host", "--port", "--api-keys", "--timeout", "--max-texts", "--per-minute",
                 "--beam", "--batch-tokens", "--device", "--backend", "--quantization"],
}  # fmt: skip
VALUES = [
    "run", "text.txt", "bytes", "empty", "folder", "nowhere", "nowhere/x", "/dev/null", "", "0",
    "1", "2", "-1", "1.5", "nan", "cpu", "onnx", "ctranslate2", "int8", "float32", "json", "de",
    "source", "test", "val", "transformer", "rnn", "null", "[1,5]", "true",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands")
    save_run(folder / "run", tokenizer)
    (folder / "folder").mkdir()
    return folder


def run_in(folder: Path, command: str, arguments: list[str]) -> tuple[object, str]:
    """Run a command in a folder; return its exit code and standard error."""
    (folder / "text.txt").write_text("the cat\na dog\n\n")
    (folder / "bytes").write_bytes(b"\xff\xfe\x00\xd8\n\0\x1f\x8b")
    (folder / "empty").write_text("")
    out, errors = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    code: object = 0
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
        mock.patch.object(sys, "argv", [command, *arguments]),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"the cat\n"))),
    ):
        try:
            COMMANDS[command]()
        except SystemExit as stop:
            code = stop.code or 0
    return code, errors.buffer.getvalue().decode("utf-8", "replace")


arguments = st.sampled_from(sorted(COMMANDS)).flatmap(
    lambda command: st.tuples(
        st.just(command),
        st.sampled_from(FIRST[command]),
        st.lists(
            st.tuples(st.sampled_from(FLAGS[command]), st.sampled_from(VALUES) | odd_text),
            max_size=3,
        ),
    )
)


@pytest.mark.medium
@fuzz(8)
@given(arguments)
def test_fuzz_commands_end_without_a_traceback(
    folder: Path, arguments: tuple[str, list[str], list[tuple[str, str]]]
) -> None:
    command, first, flags = arguments
    # An argument of a process cannot hold a zero byte.
    pairs = [
        [flag + value.replace("\0", "")] if flag.endswith("=") else [flag, value.replace("\0", "")]
        for flag, value in flags
    ]
    code, errors = run_in(folder, command, [*first, *sum(pairs, [])])
    assert code in (0, 1, 2), (code, errors)
    assert "Traceback" not in errors
    if code:
        assert errors.splitlines()[-1].startswith("error: "), errors
        assert len([line for line in errors.splitlines() if line.startswith("error: ")]) == 1
