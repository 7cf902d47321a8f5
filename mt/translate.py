"""mt-translate: read lines of text and write their translations."""

from __future__ import annotations

if __name__ == "__main__":  # signals must be caught before the imports below, which take seconds
    from mt.cli import run_module

    run_module("mt.translate")

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mt.arguments.search import search_options
from mt.arguments.translate import only_pytorch, parse_arguments, split_sentences
from mt.cli import run_command, say
from mt.decoding.input_files import InputFiles
from mt.errors import MTError
from mt.inspection.maps.map_file import AttentionMapFile
from mt.progress_display import Progress

if TYPE_CHECKING:
    from mt.inspection.inspector import Inspector


def main() -> None:
    """Run the command."""
    run_command(lambda: translate(parse_arguments()))


def translate(arguments: argparse.Namespace) -> None:
    """Translate or score the input as the flags say and write the results."""
    options = search_options(arguments)
    map_file = AttentionMapFile.from_arguments(arguments)
    files = InputFiles.from_arguments(arguments)
    if not files:
        check_paths(arguments)

    # Importing torch takes seconds: check the flags first.
    from mt.device import keep_freed_memory, set_threads
    from mt.exporting.automatic import load_fastest
    from mt.inspection.inspector import Inspector

    def log(message: str) -> None:
        if not arguments.quiet:
            say(message)

    set_threads(arguments.threads)
    keep_freed_memory()
    translator = load_fastest(
        [arguments.run, *arguments.ensemble],
        arguments.device,
        arguments.precision,
        arguments.backend,
        arguments.quantization,
        log,
        only_pytorch(arguments),
        workers=0,
        options=options,
        batch_tokens=arguments.batch_tokens,
        warn=lambda message: log(f"warning: {message}"),
        split_sentences=split_sentences(arguments),
        tag=arguments.tag,
        src_lang=arguments.src_lang,
        tgt_lang=arguments.tgt_lang,
    )
    inspector = Inspector(translator)
    failures = 0
    if files:
        failures = translate_files(files, arguments, inspector, log)
    else:
        translate_input(arguments, inspector, map_file)
    if map_file:
        map_file.write(f"Attention of {Path(arguments.run).resolve().name}", log)
    for line in inspector.report():
        log(line)
    if failures:
        raise MTError(f"{failures:,} of {len(files or ()):,} input files could not be translated")


def check_paths(arguments: argparse.Namespace) -> None:
    """Raise MTError if an input does not exist, or the output cannot be written."""
    from mt.data.text_files import check_exists
    from mt.decoding.line_io import check_output

    for path in filter(None, (arguments.input, arguments.prefix, arguments.score)):
        check_exists(Path(path))
    if arguments.output:
        check_output(arguments.output)


def translate_files(
    files: InputFiles,
    arguments: argparse.Namespace,
    inspector: Inspector,
    log: Callable[[str], None],
) -> int:
    """Translate the files whose outputs do not exist; return how many could not be translated."""
    files.record_settings(arguments)
    done = busy = failures = 0
    for number, file in enumerate(files, start=1):
        with files.claim(file) as is_free:
            if is_free:
                label = f"translating {file.source.name} ({number:,} of {len(files):,})"
                each = {"input": str(file.source), "output": str(file.target)}
                try:
                    translate_input(
                        argparse.Namespace(**{**vars(arguments), **each}), inspector, label=label
                    )
                    done += 1
                except MTError as error:  # the other files are translated all the same
                    say(f"error: {error}")
                    failures += 1
            elif not file.target.exists():
                log(f"{file.target}: another process is writing it; left to that process")
                busy += 1
    finished = len(files) - done - busy - failures
    log(
        f"files in {files.folder}: {done:,} translated, {finished:,} finished before, {busy:,} "
        "left to other processes"
    )
    return failures


def translate_input(
    arguments: argparse.Namespace,
    inspector: Inspector,
    map_file: AttentionMapFile | None = None,
    label: str = "translating",
) -> None:
    """Translate or score one input and write one output."""
    from mt.decoding.formats import format_lines
    from mt.decoding.line_chunks import CHUNK_LINES
    from mt.decoding.line_io import open_input, open_output, open_prefixes, read_pairs

    kinds = map_file.kinds(inspector) if map_file else None
    chunk_size = 1 if arguments.stream else CHUNK_LINES
    silent = arguments.quiet or bool(arguments.sentences) or arguments.stream

    with (
        open_input(arguments.sentences, arguments.input, arguments.quiet) as lines,
        open_prefixes(arguments.prefix) as prefixes,
        open_output(arguments.output) as out,
        Progress(label, silent=silent or out.isatty()) as progress,
    ):
        if map_file:
            lines = map_file.limit(lines)
        if arguments.score:
            chunks = read_pairs(lines, Path(arguments.score), chunk_size)
            results = score_lines(chunks, inspector, map_file, kinds)
        else:
            translations = inspector.translate_stream(
                lines,
                chunk_size,
                arguments.seed,
                progress.add,
                arguments.alignments,
                kinds,
                prefixes,
            )
            if map_file:
                translations = map_file.collect(translations)
            results = format_lines(
                translations, arguments.format, arguments.nbest, arguments.scores
            )
        for count, text in enumerate(results, start=1):
            out.write(text)
            if count % chunk_size == 0:
                out.flush()


def score_lines(
    chunks: Iterable[list[tuple[str, str]]],
    inspector: Inspector,
    map_file: AttentionMapFile | None,
    kinds: Sequence[str] | None,
) -> Iterator[str]:
    """Yield the log-probability of each pair, one per line, and collect attention to draw."""
    for pairs in chunks:
        if map_file:
            map_file.add_pairs(inspector, pairs, kinds or ())
        yield from (f"{score.log_prob:.6f}\n" for score in inspector.translator.score(pairs))
