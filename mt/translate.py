"""mt-translate: a filter from lines of text to lines of text."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TextIO

from mt.cli import CommandParser, SentenceProgress, run_command
from mt.data.links import format_links
from mt.data.readers import open_bytes
from mt.errors import MTError, UsageError
from mt.inspection.drawing import Drawing, add_flags

if TYPE_CHECKING:
    from mt.decoding.translator import Output, Translation, Translator

EXAMPLES = """\
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

Every input line gives one output line (with --nbest N up to N), in order; a blank line stays blank. Input is UTF-8; lines
end at LF, and a CR before it is dropped. Lines longer than the model can take are split, translated in parts and joined.
What needed special treatment is counted on standard error at the end. Exit codes: 0 done, 1 failed, 2 wrong usage.

--alignments prints "Der Hund schläft. ||| 0-0 1-1 2-2": for each word of the translation the source word that attention
looks at most, as source word-target word. Words are what spaces separate, counted from 0. With --nbest the links are a
fourth field, with --format jsonl the key "alignment". The field of a blank line, and of one whose words cannot be told from
its pieces, is empty.

--attention draws the words of the source along the top, those of the translation down the side, and the darker a cell the
more attention; what goes to the marks of start and end is left out. Without more flags it is the attention that alignments are
read from; of an ensemble, of its first run. A .html file holds all kinds, layers and heads to choose from in a browser, and the
flags say what it opens with; .png and .svg need matplotlib (pip install 'mt-attention[plot]') and show up to 20 lines. With
--score FILE it is the attention in these translations instead of the model's own, and --links FILE outlines known links.
"""
SEPARATORS_IN_JSON = re.compile(
    "[\x7f-\x9f\u2028\u2029]"
)  # legal in JSON strings, but some tools end a line there


def main() -> None:
    """The console command."""
    run_command(lambda: translate(parser().parse_intermixed_args()))


def parser() -> CommandParser:
    """All flags. Defaults of the search are those of `mt.decoding.search.SearchOptions`."""
    arguments = CommandParser(
        "mt-translate", "Translate lines of text with a trained model.", EXAMPLES
    )
    add = arguments.add_argument
    add(
        "run",
        metavar="RUN",
        help="run directory that mt-train wrote, such as runs/demo; or a folder that mt-export wrote",
    )
    add(
        "sentences",
        metavar="SENTENCE",
        nargs="*",
        help="text to translate; without any, lines are read from standard input",
    )
    add(
        "--ensemble",
        metavar="RUN",
        action="append",
        default=[],
        help="one more run, to average probabilities with; repeatable",
    )
    add(
        "--input",
        metavar="FILE",
        help="read lines from this file (.gz, .xz, .zst too) instead of standard input",
    )
    add(
        "--output",
        metavar="FILE",
        help="write to this file, which appears when it is complete (until then: FILE.part)",
    )
    add(
        "--format",
        choices=("text", "jsonl"),
        default="text",
        help="jsonl: one object a line, with scores (default: text)",
    )
    add(
        "--nbest",
        type=int,
        default=1,
        metavar="N",
        help="best N translations; as text: line number from 0 ||| translation ||| score",
    )
    add(
        "--scores",
        action="store_true",
        help="text: put the score (log-probability / length^alpha) and a tab before each translation",
    )
    add(
        "--alignments",
        action="store_true",
        help="put word alignments after each translation: translation ||| 0-0 1-1 (see below)",
    )
    add(
        "--score",
        metavar="FILE",
        help="do not translate: print the log-probability of each line of FILE as translation of its input line",
    )
    add(
        "--stream",
        action="store_true",
        help="answer each line before reading the next (slower: nothing is batched)",
    )
    add_flags(arguments)
    search = arguments.add_argument_group("search")
    add = search.add_argument
    add("--beam", type=int, default=5, metavar="K", help="beam size; 1: greedy search (default: 5)")
    add(
        "--length-penalty",
        type=float,
        default=1.0,
        metavar="ALPHA",
        help="0 favours short output, above 1 long (default: 1)",
    )
    add(
        "--max-ratio",
        type=float,
        default=2.0,
        metavar="R",
        help="longest output: R * source tokens + E (default: 2)",
    )
    add("--max-extra", type=int, default=20, metavar="E", help="see --max-ratio (default: 20)")
    add(
        "--min-length",
        type=int,
        default=0,
        metavar="N",
        help="shortest output in tokens (default: 0)",
    )
    add(
        "--sample",
        action="store_true",
        help="draw translations at random; with --nbest N, N independent ones",
    )
    add(
        "--temperature",
        type=float,
        default=1.0,
        metavar="T",
        help="sampling: below 1 more likely, above 1 more varied (default: 1)",
    )
    add(
        "--top-k",
        type=int,
        default=0,
        metavar="K",
        help="sampling: only from the K likeliest tokens; 0: all (default: 0)",
    )
    add(
        "--top-p",
        type=float,
        default=1.0,
        metavar="P",
        help="sampling: only from the likeliest tokens that hold this share (default: 1)",
    )
    add("--seed", type=int, metavar="N", help="makes sampling repeatable")
    machine = arguments.add_argument_group("machine")
    add = machine.add_argument
    backends = ("auto", "pytorch", "ctranslate2", "onnx")
    add(
        "--backend",
        default="auto",
        choices=backends,
        help="the engine, of those that mt-export made RUN fit for (default: what RUN is)",
    )
    add(
        "--batch-tokens",
        type=int,
        default=8192,
        metavar="N",
        help="source tokens * beam a batch; less takes less memory (default: 8192, 4096 in each of several processes)",
    )
    add(
        "--device",
        default="auto",
        choices=("auto", "cpu", "cuda", "mps"),
        help="where to compute (default: auto)",
    )
    add(
        "--precision",
        default="auto",
        choices=("auto", "fp32", "bf16"),
        help="auto: bf16 where the hardware has it (default: auto)",
    )
    add(
        "--threads",
        type=int,
        default=0,
        metavar="N",
        help="CPU threads; on Linux up to 16 of them translate as processes with batches of their own; 0: all cores (default: 0)",
    )
    add("--quiet", action="store_true", help="no progress, warnings and counts on standard error")
    return arguments


def translate(arguments: argparse.Namespace) -> None:
    """The command after its flags are read."""
    if arguments.sentences and arguments.input:
        raise UsageError("give sentences or --input, not both")
    others = (
        arguments.nbest > 1
        or arguments.scores
        or arguments.sample
        or arguments.alignments
        or arguments.format != "text"
    )
    if arguments.score and others:
        raise UsageError(
            "--score prints one number a line: it does not go with --nbest, --scores, --sample, --alignments or --format"
        )
    if arguments.threads < 0:
        raise UsageError("--threads cannot be negative")
    drawing = Drawing.from_flags(arguments)

    # Importing torch takes seconds: after the flags are known to be right.
    from mt.decoding.line_chunks import CHUNK_LINES
    from mt.decoding.load import load
    from mt.decoding.options import SearchOptions
    from mt.device import keep_freed_memory, set_threads
    from mt.inspection.inspector import Inspector

    set_threads(arguments.threads)
    keep_freed_memory()
    options = SearchOptions(
        **{name: getattr(arguments, name) for name in SearchOptions.__dataclass_fields__}
    )
    log: Callable[[str], None] = (
        (lambda _: None) if arguments.quiet else (lambda line: print(line, file=sys.stderr))
    )
    translator = load(
        [arguments.run, *arguments.ensemble],
        arguments.device,
        arguments.precision,
        arguments.backend,
        workers=0,
        options=options,
        batch_tokens=arguments.batch_tokens,
        warn=lambda message: log(f"warning: {message}"),
    )
    inspector = Inspector(translator)
    kinds = drawing.kinds(inspector) if drawing else None
    progress = SentenceProgress(
        sys.stderr, silent=arguments.quiet or bool(arguments.sentences) or arguments.stream
    )
    chunk_size = 1 if arguments.stream else CHUNK_LINES
    with open_input(arguments, log) as lines, open_output(arguments.output) as out:
        lines = drawing.limit(lines) if drawing else lines
        if arguments.score:
            look = (
                (lambda pairs: drawing.add_pairs(inspector, pairs, kinds or ()))
                if drawing
                else None
            )
            results = score_lines(translator, lines, arguments.score, chunk_size, look)
        else:
            stream = inspector.translate_stream(
                lines, chunk_size, arguments.seed, progress.add, arguments.alignments, kinds
            )
            if drawing:
                stream = drawing.watch(stream)
            show = as_json if arguments.format == "jsonl" else as_text
            results = (
                show(index, each, arguments.nbest, arguments.scores)
                for index, each in enumerate(stream)
            )
        for count, text in enumerate(results, start=1):
            out.write(text)
            if count % chunk_size == 0:
                out.flush()
    progress.close()
    if drawing:
        drawing.write(f"Attention of {Path(arguments.run).resolve().name}", log)
    for line in inspector.report():
        log(line)


def as_text(index: int, translation: Translation, nbest: int, scores: bool) -> str:
    """One line, or the n-best list that Moses introduced: index ||| translation ||| score; links come last, as from Marian."""
    if nbest > 1:
        return "".join(
            f"{index} ||| {output.text} ||| {output.score:.6f}{links_field(output)}\n"
            for output in translation.outputs
        )
    output = translation.outputs[0]
    return (f"{output.score:.6f}\t" if scores else "") + f"{output.text}{links_field(output)}\n"


def links_field(output: Output) -> str:
    """The last field, also where there are no links, so that every line has as many fields; nothing unless asked for."""
    return "" if output.links is None else f" ||| {format_links(output.links)}"


def as_json(index: int, translation: Translation, nbest: int, scores: bool) -> str:
    """One object on one line. Scores are always there; `nbest` only where more than one was asked for."""
    listed = [as_record(output) for output in translation.outputs]
    record = {"index": index, "source": translation.source, **listed[0]} | (
        {"nbest": listed} if nbest > 1 else {}
    )
    text = json.dumps(record, ensure_ascii=False)
    return SEPARATORS_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n"


def as_record(output: Output) -> dict[str, Any]:
    """Of an output, what JSON can hold; the key `alignment` only where links were asked for."""
    record = {name: value for name, value in vars(output).items() if name != "links"}
    return record if output.links is None else {**record, "alignment": format_links(output.links)}


def score_lines(
    translator: Translator,
    sources: Iterable[str],
    path: str,
    chunk_size: int,
    look: Callable[[list[tuple[str, str]]], None] | None = None,
) -> Iterator[str]:
    """One log-probability a line. `look` is shown the pairs."""
    from mt.decoding.line_chunks import split_into_chunks

    sources, read = iter(sources), 0
    with open_bytes(Path(path)) as file:
        targets = read_lines(file)
        for chunk in split_into_chunks(sources, chunk_size):
            pairs = list(zip(chunk, targets, strict=False))
            read += len(pairs)
            if len(pairs) < len(chunk):
                total = read + len(chunk) - len(pairs) + sum(1 for _ in sources)
                raise MTError(
                    f"{path} has {read:,} lines and the input {total:,}: they must belong together line by line"
                )
            if look:
                look(pairs)
            yield from (f"{score.log_prob:.6f}\n" for score in translator.score(pairs))
        if more := sum(1 for _ in targets):
            raise MTError(
                f"{path} has {read + more:,} lines and the input {read:,}: they must belong together line by line"
            )


def read_lines(stream: IO[bytes]) -> Iterator[str]:
    """Lines end at LF and nowhere else. Invalid bytes come as surrogates, which the translator counts and replaces."""
    for line in stream:
        yield line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "surrogateescape")


@contextlib.contextmanager
def open_input(
    arguments: argparse.Namespace, log: Callable[[str], None]
) -> Iterator[Iterable[str]]:
    """The sentences of the command line, or the lines of a file or of standard input."""
    if arguments.sentences:
        yield arguments.sentences
    elif arguments.input:
        with open_bytes(Path(arguments.input)) as file:
            yield read_lines(file)
    else:
        if sys.stdin.isatty():
            log("reading lines from the keyboard; end with Ctrl-D")
        yield read_lines(sys.stdin.buffer)


@contextlib.contextmanager
def open_output(path: str | None) -> Iterator[TextIO]:
    """Standard output, or a file that gets its name when it is complete; what an interrupted run wrote stays in FILE.part."""
    if path is None:
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]  # whatever the locale says
        yield sys.stdout
        sys.stdout.flush()
        return
    if Path(path).is_dir():
        raise MTError(f"cannot write {path}: it is a folder")
    part = Path(f"{path}.part")
    if not part.parent.is_dir():
        raise MTError(f"cannot write {path}: there is no folder {part.parent}")
    with open(part, "w", encoding="utf-8", newline="\n") as file:
        yield file
    os.replace(part, path)


if __name__ == "__main__":
    main()
