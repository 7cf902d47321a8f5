"""The flags of mt-evaluate and the checks that need no file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mt.arguments.search import add_search_flags, search_options
from mt.arguments.translate import (
    add_language_flags,
    add_sentence_flag,
    add_tag_flag,
    positive_integer,
    refuse_overwriting,
)
from mt.cli import CommandParser
from mt.decoding.options import BATCH_TOKENS, SearchOptions
from mt.errors import MTError, UsageError
from mt.evaluation.metrics import METRICS
from mt.evaluation.resampling import DEFAULT_RESAMPLES
from mt.evaluation.tokenizers import TOKENIZERS

DESCRIPTION = (
    "Score translations by BLEU, chrF and TER with 95 % confidence intervals: overall, for short\n"
    "and long sentences, and by length."
)
EPILOG = """\
examples:
  mt-evaluate runs/demo
  mt-evaluate runs/demo --src news.en --ref news.de
  mt-evaluate runs/m2m --src news.fr --ref news.is --src-lang fr --tgt-lang is
  mt-evaluate --hyp output.de --src news.en --ref news.de --lang de
  mt-evaluate --alignments aligner.txt --links gold.txt

Files may be compressed (gzip, xz, zstd, bzip2).
Exit codes: 0 success, 1 failure, 2 wrong usage, 130 Ctrl-C, 143 SIGTERM.
"""
ALIGNMENT_FLAGS = ("alignments", "links", "bootstrap", "json")
SEARCH_FLAGS = tuple(name for name in SearchOptions.__dataclass_fields__ if name != "nbest")
LANGUAGE_FLAGS = ("src_lang", "tgt_lang")
RUN_ONLY_FLAGS = (
    "diagnostics",
    "robustness",
    "split",
    "split_sentences",
    "tag",
    *LANGUAGE_FLAGS,
    *SEARCH_FLAGS,
    "seed",
    "device",
    "batch_tokens",
    "threads",
)


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse and check the flags.

    Creates the folder of --write-files, so that a long evaluation does not fail at its end.
    Raises UsageError if flags contradict each other, MTError if the output cannot be written.
    """
    arguments = build_parser().parse_args(argv)
    if sum(map(bool, (arguments.run, arguments.hyp, arguments.alignments))) != 1:
        raise UsageError(
            "give either a run directory or --hyp FILE or --alignments FILE; see mt-evaluate --help"
        )
    if arguments.alignments:
        _check_alignment_flags(arguments)
    elif arguments.hyp:
        _check_file_flags(arguments)
    else:
        _check_run_flags(arguments)
    refuse_overwriting(arguments, "json", ("hyp", "src", "ref", "links", "alignments"))
    if arguments.json and not Path(arguments.json).resolve().parent.is_dir():
        raise MTError(f"cannot write {arguments.json}: its folder does not exist")
    if arguments.write_files:
        try:
            Path(arguments.write_files).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or error
            raise MTError(f"cannot create the folder {arguments.write_files}: {reason}") from None
    return arguments


def chosen_metrics(arguments: argparse.Namespace) -> list[str]:
    """Return the names of the metrics to compute: all but those that a flag leaves out."""
    return [name for name in METRICS if not getattr(arguments, f"no_{name}", False)]


def _check_file_flags(arguments: argparse.Namespace) -> None:
    """Check the flags of a call with --hyp."""
    if not arguments.ref:
        raise UsageError("--hyp needs --ref FILE, the reference translations")
    for name in RUN_ONLY_FLAGS:
        if getattr(arguments, name) is not None:
            raise UsageError(f"--{name.replace('_', '-')} needs a run directory instead of --hyp")
    if arguments.links:
        raise UsageError("--links needs a run directory: links are extracted from its attention")
    if arguments.length_by == "source" and not arguments.src:
        raise UsageError("--length-by source needs --src FILE")


def _check_alignment_flags(arguments: argparse.Namespace) -> None:
    """Check the flags of a call with --alignments."""
    if not arguments.links:
        raise UsageError("--alignments needs --links FILE, the gold alignments")
    defaults = vars(build_parser().parse_args([]))
    for name, value in vars(arguments).items():
        if name not in ALIGNMENT_FLAGS and value != defaults[name]:
            raise UsageError(f"--{name.replace('_', '-')} has no use with --alignments")


def _check_run_flags(arguments: argparse.Namespace) -> None:
    """Check the flags of a call with a run directory."""
    search_options(arguments)
    if bool(arguments.src) != bool(arguments.ref):
        raise UsageError(
            "--src and --ref go together; with neither, the run's own test set is used"
        )
    if not arguments.src and (arguments.src_lang or arguments.tgt_lang):
        raise UsageError(
            "--src-lang and --tgt-lang need --src and --ref: the run's own test set is in the "
            "languages of the run"
        )
    if arguments.links and not arguments.src:
        raise UsageError(
            "--links needs --src and --ref; the links of the run's own test set are used by default"
        )
    if arguments.src and arguments.split:
        raise UsageError(
            "--split selects a part of the run's own data: it cannot be combined with --src, --ref"
        )


def build_parser() -> CommandParser:
    """Return the parser of all flags."""
    parser = CommandParser("mt-evaluate", DESCRIPTION, EPILOG)
    parser.add_argument("run", nargs="?", metavar="RUN", help="run directory of a trained model")
    _add_text_flags(parser.add_argument_group("text"))
    _add_score_flags(parser.add_argument_group("scores"))
    _add_translation_flags(parser.add_argument_group("translation with a run"))
    add_search_flags(parser.add_argument_group("search (see mt-translate --help)"))
    # None: not given, the usual default
    parser.set_defaults(**dict.fromkeys((*LANGUAGE_FLAGS, *SEARCH_FLAGS)))
    _add_output_flags(parser.add_argument_group("output"))
    return parser


def _add_text_flags(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--hyp", metavar="FILE", help="score the translations in FILE instead of those of a run")
    add(
        "--src",
        metavar="FILE",
        help="source sentences, one per line (default: the run's own test set; with --hyp: none)",
    )
    add(
        "--ref",
        metavar="FILE",
        action="append",
        default=[],
        help="reference translations; repeat the flag for several references",
    )
    add(
        "--links",
        metavar="FILE",
        help="gold word alignments of --src and the first --ref, in Pharaoh format (0-0 1p2): "
        "print the alignment error rate of the attention, or of --alignments",
    )
    add(
        "--alignments",
        metavar="FILE",
        help="score the word alignments in FILE, in Pharaoh format, of any aligner by --links",
    )
    add(
        "--split",
        metavar="NAME",
        help="set of the run's own data to use: test, val or a name of data.val_sets (default: "
        "test)",
    )
    add(
        "--lang",
        metavar="CODE",
        help="target language, which selects BLEU's tokenizer (default: that of the translations)",
    )


def _add_score_flags(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--tokenize",
        metavar="NAME",
        default="",
        help=f"BLEU's tokenizer: {', '.join(TOKENIZERS)} (default: by language)",
    )
    add(
        "--lowercase",
        action="store_true",
        help="lower-case the text for BLEU and chrF (TER always ignores case)",
    )
    add(
        "--bootstrap",
        metavar="N",
        type=int,
        default=DEFAULT_RESAMPLES,
        help=f"bootstrap resamples for intervals; 0: no intervals (default: {DEFAULT_RESAMPLES})",
    )
    for name, metric in METRICS.items():
        if metric.slow:
            add(
                f"--no-{name}",
                action="store_true",
                help=f"omit {metric.title}, which takes minutes on long, poor translations",
            )
    add(
        "--edges",
        metavar="N,N",
        type=comma_separated_integers,
        help="upper ends of the length buckets (default: 10,20,30,40,50,60 words)",
    )
    add(
        "--threshold",
        metavar="N",
        type=positive_integer,
        help="maximum length of a short sentence (default: 20 words)",
    )
    add(
        "--length-by",
        choices=("source", "reference"),
        help="side whose length groups the sentences (default: source, if given)",
    )
    add(
        "--diagnostics",
        action="store_true",
        default=None,
        help="print statistics of the attention of each layer and head of a run",
    )
    add(
        "--robustness",
        action="store_true",
        default=None,
        help="also translate the text in capitals, with typing errors and so on, and print a table "
        "of BLEU and chrF",
    )


def _add_translation_flags(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add_sentence_flag(group)
    add_tag_flag(group)
    add_language_flags(group)
    add(
        "--batch-tokens",
        metavar="N",
        type=positive_integer,
        help=f"tokens per batch (default: {BATCH_TOKENS})",
    )
    add(
        "--device",
        choices=("auto", "cpu", "cuda", "mps"),
        help="device to translate on (default: auto)",
    )
    add(
        "--threads",
        metavar="N",
        type=positive_integer,
        help="number of CPU threads (default: all cores)",
    )


def _add_output_flags(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--json", metavar="FILE", help="also write all values as JSON")
    add(
        "--write-files",
        metavar="DIR",
        help="write sources.txt, hypotheses.txt and references.txt, for other metrics (COMET)",
    )


def comma_separated_integers(text: str) -> list[int]:
    """Convert the value of a flag, such as 10,20,30, to a list of integers."""
    return [int(part) for part in text.split(",")]
