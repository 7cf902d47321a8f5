"""The flags of mt-translate and the checks that need no model."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from mt.arguments.attention import add_attention_flags
from mt.arguments.search import add_search_flags
from mt.cli import CommandParser
from mt.decoding.options import BATCH_TOKENS
from mt.errors import UsageError

SPLIT_SENTENCES = {"auto": None, "yes": True, "no": False}
DESCRIPTION = "Translate lines of text with a trained model."
EPILOG = """\
examples:
  mt-translate runs/demo < in.txt > out.txt
  mt-translate runs/demo "A sentence." "Another one."
  mt-translate runs/demo --ensemble runs/demo2 --nbest 5 < in.txt
  mt-translate runs/demo --score references.txt < in.txt
  mt-translate runs/demo --alignments "The dog sleeps."
  mt-translate runs/demo --attention map.html < in.txt
  mt-translate runs/demo --attention map.png --attention-layer all "The dog sleeps."
  mt-translate runs/demo --attention map.html --score references.txt --links gold.txt < in.txt
  tail -f log.txt | mt-translate runs/demo --stream
  mt-translate runs/demo --input 'in/*.zst' --output out/ --shard 3/16
  mt-translate runs/demo --input 'in/*.zst' --output out/ --engine ray

Each input line gives one output line (with --nbest N: up to N lines), in the same order. Lines
without a visible character come out empty. The input is UTF-8, or UTF-16 with a byte order mark;
lines end at LF, and a CR before it is removed. Lines of several sentences (--split-sentences) and
lines that are too long for the model are split, translated in parts and joined. At the end, a
report on standard error counts lines that were split, cut off or repaired, and translations that
seem bad.

If --input is a folder or a pattern, or --output is a folder, each input file gets an output file of
the same name, compressed if the name says so. Any number of processes may share the work, with or
without --shard: a file that one is writing is left to it, and files that exist are skipped. So the
same command goes on after a crash. A folder whose files were made with other weights or settings
is refused. With --engine ray, actors on a Ray cluster share the files, and the chunks of each.

Exit codes: 0 success, 1 failure, 2 wrong usage, 130 Ctrl-C, 143 SIGTERM.

--format jsonl prints an object with the keys index, source, text, score, log_prob, tokens,
complete (false: cut off at the maximum length), warnings, pieces and words; if the line was split,
also parts, a list of objects with these keys except index. The numbers of a line are sums over its
parts. pieces and words are lists of [text, log-probability]; the piece </s> ends a sentence, and
the first one of a multilingual model is the language. The backend ctranslate2 does not tell them.
Warnings are:
  repetition            pieces are repeated several times in a row, and not so in the source
  short                 less than half as long as expected from the lengths in the training text
  copy                  the same as the source, apart from case, with 15 characters or more
  placeholder lost      a placeholder of the source is missing (data.tokenizer.placeholders)
  placeholder invented  there is one that the source does not have

--alignments prints "Der Hund schläft. ||| 0-0 1-1 2-2": a pair SOURCE-TARGET for each target word,
with the source word that receives the most attention. Words are separated by spaces and counted
from 0.
With --nbest or --format tsv, the alignment is a fourth field; with --format jsonl, it is the key
"alignment". The field is empty if the line is blank or if its words cannot be recovered from its
subword pieces.

--attention draws source words along the top and target words down the side; darker cells have more
attention. Attention to the start and end symbols is left out. By default the map shows the
attention from which alignments are read; for an ensemble, that of its first run. A .html file
contains all kinds, layers and heads, to choose from in a browser; the other flags select the
initial view. .png and .svg files show up to 20 lines and need matplotlib (pip install
matplotlib resvg-py). With --score FILE, the map shows the attention for the translations in FILE.
--links FILE outlines known word alignments.
"""


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse and check the flags. Raises UsageError if they contradict each other."""
    arguments = build_parser().parse_intermixed_args(argv)
    if arguments.sentences and arguments.input:
        raise UsageError(
            "give sentences or --input, not both; a pattern needs quotes: --input 'in/*.txt'"
        )
    for sentence in arguments.sentences:
        if os.path.isfile(sentence):
            raise UsageError(
                f"{sentence} is a file: give --input {sentence} to translate its lines; a sentence "
                "of that name can be given on standard input"
            )
    if arguments.score and (
        arguments.nbest > 1
        or arguments.scores
        or arguments.sample
        or arguments.mbr
        or arguments.prefix
        or arguments.alignments
        or arguments.format != "text"
        or arguments.split_sentences == "yes"
    ):
        raise UsageError(
            "--score cannot be combined with --nbest, --scores, --sample, --mbr, --prefix, "
            "--alignments, --format or --split-sentences yes"
        )
    refuse_overwriting(arguments, "output", ("input", "prefix", "score", "links"))
    if arguments.engine == "ray":
        check_ray_flags(arguments)
    if arguments.threads < 0:
        raise UsageError(f"--threads must be >= 0, got {arguments.threads}")
    return arguments


def refuse_overwriting(arguments: argparse.Namespace, output: str, inputs: Sequence[str]) -> None:
    """Raise UsageError if the file that the flag `output` names is one that the command reads.

    mt-evaluate has such flags too.
    """
    path = getattr(arguments, output)
    if not path or not os.path.isfile(path):
        return
    for flag in inputs:
        given = getattr(arguments, flag)
        for name in given if isinstance(given, list) else [given]:
            if name and os.path.exists(name) and os.path.samefile(name, path):
                raise UsageError(f"--{output} {path} is the file of --{flag}: choose another one")


def check_ray_flags(arguments: argparse.Namespace) -> None:
    """Raise UsageError for flags with which actors cannot translate chunks of files."""
    if not (arguments.input and arguments.output):
        raise UsageError("--engine ray translates files: give --input and --output")
    for flag in ("stream", "score", "prefix", "attention", "seed"):
        value = getattr(arguments, flag)
        if value is not None and value is not False:  # a seed may be 0
            raise UsageError(f"--{flag} cannot be combined with --engine ray")


def build_parser() -> CommandParser:
    """Return the parser of all flags."""
    parser = CommandParser("mt-translate", DESCRIPTION, EPILOG)
    parser.add_argument(
        "run",
        metavar="RUN",
        help="run directory written by mt-train, such as runs/demo, or folder written by mt-export",
    )
    parser.add_argument(
        "sentences",
        metavar="SENTENCE",
        nargs="*",
        help="text to translate (default: read lines from standard input)",
    )
    parser.add_argument(
        "--ensemble",
        metavar="RUN",
        action="append",
        default=[],
        help="average the probabilities with those of another run; repeatable",
    )
    parser.add_argument(
        "--input",
        metavar="FILE",
        help="read lines from FILE (text, gzip, xz, zstd or bzip2) instead of standard input; or "
        "from all files of a folder or a pattern in quotes, such as 'in/*.zst' (** stands for "
        "folders of any depth)",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="write to FILE (to FILE.part until the output is complete), compressed if its name "
        "ends in .gz, .xz, .zst or .bz2; or to a file of the same name in a folder, which ends in "
        "/ if it does not exist: finished files are skipped",
    )
    parser.add_argument(
        "--shard",
        metavar="I/N",
        help="only every Nth of the input files from the Ith on, such as 3/16",
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="ray: translate on the Ray cluster of the environment variable RAY_ADDRESS, or on one "
        "that is started on this machine, with one actor for each GPU or, if there are none, for "
        "each CPU core (--threads N: for N cores) (default: local, in this process)",
    )
    parser.add_argument(
        "--format",
        choices=("text", "tsv", "jsonl"),
        default="text",
        help="tsv: line number from 0, score and translation, between tabs; jsonl: one JSON object "
        "per line (default: text)",
    )
    parser.add_argument(
        "--nbest",
        type=int,
        default=1,
        metavar="N",
        help="print the N best translations, no text twice; text: line number from 0 ||| "
        "translation ||| score (if a translation may contain |||, use --format tsv or jsonl)",
    )
    parser.add_argument(
        "--scores",
        action="store_true",
        help="text: print the score (log-probability / length^ALPHA) and a tab before each "
        "translation",
    )
    parser.add_argument(
        "--alignments",
        action="store_true",
        help="print word alignments after each translation: translation ||| 0-0 1-1 (see below)",
    )
    parser.add_argument(
        "--score",
        metavar="FILE",
        help="do not translate: print the log-probability of each line of FILE as the translation "
        "of its input line",
    )
    add_tag_flag(parser)
    add_language_flags(parser)
    parser.add_argument(
        "--prefix",
        metavar="FILE",
        help="begin each translation with the text in the same line of FILE, which may be empty; a "
        "space at its end ends its last word, which may otherwise go on",
    )
    parser.add_argument(
        "--stream",
        action="store_true",
        help="print each translation before reading the next line (slower: no batches)",
    )
    add_sentence_flag(parser)
    add_attention_flags(parser)
    add_search_flags(parser.add_argument_group("search"))
    add_computation_flags(parser)
    return parser


def positive_integer(text: str) -> int:
    """Convert the value of a flag to an integer >= 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be >= 1, got {text}")
    return number


def add_tag_flag(group: argparse._ActionsContainer) -> None:
    """Add --tag, which mt-evaluate and mt-serve have too."""
    group.add_argument(
        "--tag",
        metavar="TAG",
        help="tag in front of every source, such as '<news>', of a model that was trained with "
        "tags; '': none (default: none if the training text has sources without, else its only "
        "tag)",
    )


def add_language_flags(group: argparse._ActionsContainer) -> None:
    """Add --src-lang and --tgt-lang, which mt-evaluate has too."""
    for flag, side in (("--src-lang", "source"), ("--tgt-lang", "target")):
        group.add_argument(
            flag,
            default="",
            metavar="CODE",
            help=f"{side} language of a multilingual model, such as an imported M2M-100 or "
            "NLLB-200 (default: that of the run)",
        )


def add_sentence_flag(group: argparse._ActionsContainer) -> None:
    """Add --split-sentences, which mt-evaluate has too; `split_sentences` converts its value."""
    group.add_argument(
        "--split-sentences",
        choices=SPLIT_SENTENCES,
        help="translate the sentences of a line one by one; auto: if the training text had one "
        "sentence a line (default: auto)",
    )


def split_sentences(arguments: argparse.Namespace) -> bool | None:
    """Return the argument of `mt.load` for --split-sentences."""
    return SPLIT_SENTENCES[arguments.split_sentences or "auto"]


def add_engine_flags(group: argparse._ActionsContainer) -> None:
    """Add the flags of engine and device, which mt-serve has too."""
    group.add_argument(
        "--backend",
        default="auto",
        choices=("auto", "pytorch", "ctranslate2", "onnx"),
        help="inference engine; auto: that of an export; for a run directory, ctranslate2 on a CPU "
        "if it is installed and supports the model (the run is exported when first used), else "
        "pytorch, as always with the environment variable MT_BACKEND=pytorch (default: auto)",
    )
    group.add_argument(
        "--quantization",
        default="",
        metavar="TYPE",
        help="backend auto: type of the weights, such as int8, a quarter of the size and faster "
        "(default: float32)",
    )
    group.add_argument(
        "--device",
        default="auto",
        choices=("auto", "cpu", "cuda", "mps"),
        help="device to compute on (default: auto)",
    )
    group.add_argument(
        "--precision",
        default="auto",
        choices=("auto", "fp32", "bf16"),
        help="number format of matrix products; auto: bf16 if the hardware supports it (default: "
        "auto)",
    )


def only_pytorch(arguments: argparse.Namespace) -> str:
    """Return what the flags ask for that only PyTorch can do, or ""."""
    reasons = {
        "CTranslate2 gives no attention": arguments.alignments or arguments.attention,
        "CTranslate2 gives no log-probabilities of pieces": arguments.format == "jsonl",
        "the scores of --score are those of PyTorch": arguments.score,
        "CTranslate2 cannot reproduce samples": arguments.sample,
        "CTranslate2 does not support prefixes": arguments.prefix,
    }
    return next((reason for reason, asked in reasons.items() if asked), "")


def add_computation_flags(parser: CommandParser) -> None:
    """Add the flags that say where and how to compute."""
    group = parser.add_argument_group("computation")
    add_engine_flags(group)
    group.add_argument(
        "--batch-tokens",
        type=positive_integer,
        default=BATCH_TOKENS,
        metavar="N",
        help="batch size in source tokens * beam size; smaller batches need less memory (default: "
        "8192; with several processes: 4096 each)",
    )
    group.add_argument(
        "--threads",
        type=int,
        default=0,
        metavar="N",
        help="CPU threads; 0: all cores (default: 0); on Linux, up to 16 threads run as separate "
        "processes with their own batches",
    )
    group.add_argument(
        "--quiet",
        action="store_true",
        help="do not print progress, warnings and counts on standard error",
    )
