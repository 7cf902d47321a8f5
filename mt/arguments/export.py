"""The flags of mt-export and the checks that need no model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mt.cli import CommandParser
from mt.errors import UsageError

DESCRIPTION = "Export a trained model to another inference engine, or for publication."
EPILOG = """\
examples:
  mt-export runs/mine --to ctranslate2 --quantization int8
  mt-translate runs/mine --backend ctranslate2 < in.txt
  mt-export runs/demo --to onnx --out small
  mt-translate small < in.txt
  mt-export runs/demo --to argos --quantization int8
  mt-export runs/mine --to hub --license cc-by-4.0 --push my-name/mine

ONNX supports every model. CTranslate2 supports most Transformers; if a model cannot be exported,
all unsupported settings are listed at once. The export (by default RUN/export/ENGINE-TYPE, such as
runs/demo/export/ctranslate2-int8) contains everything that mt-translate needs and can be moved
anywhere, and a README.md that says how to use it without mt. After the export, both engines
translate a sample of the validation set, and the command reports how many outputs are identical,
and both BLEU scores.
--to argos writes an .argosmodel file, which Argos Translate and LibreTranslate install; it needs a
joint vocabulary. It is not compared, as mt cannot read it.
--to hub writes a folder for the Hugging Face hub, with a model card: a model of transformers if the
architecture allows it, else a run directory. transformers translates the sample if it is installed.
The engines are optional packages: pip install ctranslate2, pip install onnx onnxruntime, or
pip install transformers.
Exit codes: 0 success, 1 failure, 2 wrong usage, 130 Ctrl-C, 143 SIGTERM.
"""
SAMPLE_SIZE = 200


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse and check the flags. Raises UsageError if they contradict each other."""
    arguments = build_parser().parse_args(argv)
    for name, least in (("sample", 0), ("threads", 0), ("beam", 1)):
        if (value := getattr(arguments, name)) < least:
            raise UsageError(f"--{name} must be >= {least}, got {value}")
    if bool(arguments.src) != bool(arguments.ref):
        raise UsageError("--src and --ref must be given together: sentences and their references")
    if arguments.to == "argos" and arguments.src:
        raise UsageError("--src is to compare with, but mt cannot read packages of Argos Translate")
    if arguments.tag is not None and not arguments.src:
        raise UsageError("--tag is that of --src: the validation set has its own tags")
    if arguments.to != "hub":
        for name in ("push", "license"):
            if getattr(arguments, name):
                raise UsageError(f"--{name} needs --to hub")
    elif arguments.quantization != "float32":
        raise UsageError("--to hub writes float32: leave out --quantization")
    return arguments


def build_parser() -> CommandParser:
    """Return the parser of all flags."""
    parser = CommandParser("mt-export", DESCRIPTION, EPILOG)
    add = parser.add_argument
    add("run", metavar="RUN", help="run directory written by mt-train, such as runs/demo")
    add(
        "--to",
        required=True,
        choices=("ctranslate2", "onnx", "argos", "hub"),
        help="engine to export to; argos: a package of Argos Translate; hub: a folder for the "
        "Hugging Face hub",
    )
    add(
        "--quantization",
        default="float32",
        metavar="TYPE",
        help="data type of the weights: float32 (default) or int8; ctranslate2 also bfloat16, "
        "float16, int16 and mixed types",
    )
    add("--out", metavar="FOLDER", help="output folder, or file for argos (default: in RUN/export)")
    add(
        "--license",
        default="",
        metavar="ID",
        help="(hub only) licence, such as cc-by-4.0 (default: that of imported weights)",
    )
    add("--push", default="", metavar="REPO", help="(hub only) upload to owner/name on the hub")
    add = parser.add_argument_group("comparison with the original model").add_argument
    add(
        "--sample",
        type=int,
        default=SAMPLE_SIZE,
        metavar="N",
        help="number of validation sentences that both engines translate; 0: no comparison "
        f"(default: {SAMPLE_SIZE})",
    )
    add("--src", metavar="FILE", help="translate FILE instead of validation sentences")
    add(
        "--ref",
        metavar="FILE",
        action="append",
        default=[],
        help="reference translations of --src; repeatable",
    )
    add("--tag", metavar="TAG", help="tag of the sentences of --src, such as '<news>'")
    add("--beam", type=int, default=5, metavar="K", help="beam size (default: 5)")
    add(
        "--threads",
        type=int,
        default=0,
        metavar="N",
        help="CPU threads; 0: all cores (default: 0)",
    )
    return parser
