"""The flags of mt-import."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from mt.cli import CommandParser

DESCRIPTION = (
    "Import a pretrained model as a run directory, to translate with it or to fine-tune it."
)
EPILOG = """\
examples:
  mt-import Helsinki-NLP/opus-mt-en-de    # to runs/opus-mt-en-de
  mt-import downloads/opus-mt-en-de --out runs/opus
  mt-import facebook/m2m100_418M --src-lang en --tgt-lang de
  mt-import facebook/nllb-200-distilled-600M --src-lang en --tgt-lang de
  mt-translate runs/opus "A sentence."
  mt-train trainer.init_from=runs/opus data.train.src=mine.en data.train.tgt=mine.de name=mine

A folder must have the files of the hub: config.json, model.safetensors or pytorch_model.bin, and
  MarianMT, such as the models of Helsinki-NLP:  source.spm, target.spm, vocab.json
  M2M-100:   sentencepiece.bpe.model, vocab.json
  NLLB-200:  tokenizer.json or sentencepiece.bpe.model
M2M-100 and NLLB-200 need --src-lang and --tgt-lang, which mt-translate, mt-evaluate and fine-tuning
may change. Any code of a language will do: en, eng or eng_Latn.
If a model cannot be imported, all that is in the way is listed at once. The run directory records
the origin of the weights and their licence in origin.json.
Exit codes: 0 success, 1 failure, 2 wrong usage, 130 Ctrl-C, 143 SIGTERM.
"""


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the flags."""
    return build_parser().parse_args(argv)


def build_parser() -> CommandParser:
    """Return the parser of all flags."""
    parser = CommandParser("mt-import", DESCRIPTION, EPILOG)
    add = parser.add_argument
    add("model", metavar="MODEL", help="folder with the model, or its name on the hub, owner/name")
    add("--out", metavar="RUN", help="run directory to write (default: runs/NAME)")
    add("--revision", default="", help="commit, branch or tag of a model of the hub")
    add("--src-lang", default="", metavar="CODE", help="source language, if not by its name")
    add("--tgt-lang", default="", metavar="CODE", help="target language")
    return parser
