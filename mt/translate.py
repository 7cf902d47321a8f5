"""mt-translate: read lines of text and write their translations."""

from __future__ import annotations

if __name__ == "__main__":  # signals must be caught before the imports below, which take seconds
    from mt.cli import run_module

    run_module("mt.translate")

import argparse
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mt.arguments.search import search_options
from mt.arguments.translate import only_pytorch, parse_arguments, split_sentences
from mt.cli import run_command, say
from mt.decoding.input_files import ClaimedFile, InputFiles
from mt.errors import MTError
from mt.files import expand_user
from mt.inspection.maps.map_file import AttentionMapFile
from mt.progress_display import Progress

if TYPE_CHECKING:
    from mt.inspection.inspector import Inspector

Log = Callable[[str], None]


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

    def log(message: str) -> None:
        if not arguments.quiet:
            say(message)

    if arguments.sentences and is_file_at_its_start():
        log("note: standard input is not read, because sentences to translate are given")
    settings = {
        "paths": [arguments.run, *arguments.ensemble],
        "device": arguments.device,
        "precision": arguments.precision,
        "backend": arguments.backend,
        "quantization": arguments.quantization,
        "why_not": only_pytorch(arguments),
        "options": options,
        "batch_tokens": arguments.batch_tokens,
        "split_sentences": split_sentences(arguments),
        "tag": arguments.tag,
        "src_lang": arguments.src_lang,
        "tgt_lang": arguments.tgt_lang,
    }
    if arguments.engine == "ray":
        failures = translate_by_actors(settings, files, arguments, log)
    else:
        failures = translate_here(settings, files, map_file, arguments, log)
    if failures:
        raise MTError(f"{failures:,} of {len(files or ()):,} input files could not be translated")


def is_file_at_its_start() -> bool:
    """Return whether standard input is a file of which nothing is read yet.

    So it is meant to be read. A loop of the shell, which reads lines from a file and translates
    each, has read some.
    """
    try:
        number = sys.stdin.fileno()
        status = os.fstat(number)
        is_file = stat.S_ISREG(status.st_mode) and status.st_size > 0
        return is_file and os.lseek(number, 0, os.SEEK_CUR) == 0
    except (AttributeError, OSError, ValueError):  # closed, or none
        return False


def translate_here(
    settings: dict[str, Any],
    files: InputFiles | None,
    map_file: AttentionMapFile | None,
    arguments: argparse.Namespace,
    log: Log,
) -> int:
    """Translate or score in this process; return how many files could not be translated."""
    # Importing torch takes seconds: the flags are checked.
    from mt.device import configure_memory, set_threads
    from mt.exporting.automatic import load_fastest
    from mt.inspection.inspector import Inspector

    set_threads(arguments.threads)
    configure_memory()
    translator = load_fastest(
        **settings, say=log, warn=lambda message: log(f"warning: {message}"), workers=0
    )
    inspector = Inspector(translator)
    failures = 0
    if files:
        files.record_settings(arguments)
        translated = translate_files(files, arguments, inspector, log)
        failures = report_files(files, translated, log)
    else:
        translate_input(arguments, inspector, map_file)
    if map_file:
        map_file.write(f"Attention of {Path(arguments.run).resolve().name}", log)
    for line in inspector.report():
        log(line)
    return failures


def translate_by_actors(
    settings: dict[str, Any],
    files: InputFiles | None,
    arguments: argparse.Namespace,
    log: Log,
) -> int:
    """Translate on a Ray cluster; return how many files could not be translated."""
    from mt.ray_pool import open_pool
    from mt.ray_translation import ChunkTranslator, Report, translate_on_ray

    paths = [os.path.abspath(expand_user(path)) for path in settings["paths"]]
    output_format = arguments.format, arguments.nbest, arguments.scores
    threads, use_gpus = arguments.threads or 1, arguments.device != "cpu"
    translator = {**settings, "paths": paths}, threads, arguments.alignments, output_format
    report, failures = Report(log), 0
    with open_pool(ChunkTranslator, translator, threads, use_gpus, log) as pool:
        pool.wait_for_start()  # flags that do not suit the model are not recorded
        if files:
            files.record_settings(arguments)
            claimed = files.claim_unfinished(log)
            translated = translate_on_ray(pool, claimed, report, arguments.quiet)
            failures = report_files(files, translated, log)
        else:
            only = ClaimedFile(Path(arguments.input), Path(arguments.output), "translating")
            for file in translate_on_ray(pool, [only], report, arguments.quiet):
                if file.error:
                    raise file.error
    for line in report.lines():
        log(line)
    return failures


def check_paths(arguments: argparse.Namespace) -> None:
    """Raise MTError if an input does not exist, or the output cannot be written."""
    from mt.data.text_files import check_exists
    from mt.decoding.line_io import check_output

    for path in filter(None, (arguments.input, arguments.prefix, arguments.score)):
        check_exists(Path(path))
    if arguments.output:
        check_output(arguments.output)


def translate_files(
    files: InputFiles, arguments: argparse.Namespace, inspector: Inspector, log: Log
) -> Iterator[ClaimedFile]:
    """Translate the files without an output; yield each when its output is complete, or failed."""
    for file in files.claim_unfinished(log):
        each = {"input": str(file.source), "output": str(file.target)}
        with file.claim:
            try:
                translate_input(
                    argparse.Namespace(**{**vars(arguments), **each}), inspector, label=file.label
                )
            except MTError as error:  # the other files are translated all the same
                file.error = error
        yield file


def report_files(files: InputFiles, translated: Iterable[ClaimedFile], log: Log) -> int:
    """Name the files that could not be translated; return their number."""
    done = failures = 0
    for file in translated:
        if file.error:
            say(f"error: {file.error}")
            failures += 1
        else:
            done += 1
    finished = len(files) - done - files.busy - failures
    log(
        f"files in {files.folder}: {done:,} translated, {finished:,} finished before, "
        f"{files.busy:,} left to other processes"
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
