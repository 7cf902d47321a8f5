"""Input and output line by line, for files and standard streams."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TextIO

from filelock import FileLock, Timeout

from mt.cli import say
from mt.data.file_formats import compress
from mt.data.text_files import decode_lines, open_lines
from mt.decoding.line_chunks import split_into_chunks
from mt.errors import MTError
from mt.files import PART, NamedFile, flush_to_disk, open_special_text, replaceable


@contextlib.contextmanager
def open_input(sentences: Sequence[str], path: str | None, quiet: bool) -> Iterator[Iterable[str]]:
    """Open the given sentences, else the lines of a file, else those of standard input.

    Invalid bytes become surrogates, which the translator counts and replaces.
    """
    if sentences:
        yield sentences
    elif path:
        with open_lines(Path(path), errors="surrogateescape") as lines:
            yield lines
    elif sys.stdin is None:
        raise MTError("standard input is closed: give --input FILE, or sentences as arguments")
    else:
        if sys.stdin.isatty() and not quiet:
            say("reading lines from the keyboard; end with Ctrl-D")
        yield decode_lines(sys.stdin.buffer, "standard input", errors="surrogateescape")


@contextlib.contextmanager
def open_output(path: str | None) -> Iterator[TextIO]:
    """Open standard output, or a file that is called FILE.part until it is complete.

    It is compressed if its name says so (.gz, .xz, .zst, .bz2). After an interruption, FILE.part
    keeps what was written so far. Links are followed; devices and pipes are opened and written.
    Raises MTError if the file cannot be written, or another process is writing it.
    """
    if path is None:
        if sys.stdout is None:
            raise MTError("standard output is closed: give --output FILE")
        # In UTF-8, whatever the locale says.
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
        yield sys.stdout
        sys.stdout.flush()
        return
    target = check_output(path)
    if target is None:
        with open_special_text(Path(path)) as file:
            yield file
        return
    part = target.with_name(f"{target.name}{PART}")
    with _sole_writer(target):
        with (
            io.BufferedWriter(NamedFile(part, part)) as raw,
            compress(raw, target.name) as stream,
            io.TextIOWrapper(stream, encoding="utf-8", newline="\n") as file,
        ):
            yield file
        flush_to_disk(part)
        os.replace(part, target)


@contextlib.contextmanager
def _sole_writer(target: Path) -> Iterator[None]:
    """Hold the lock of an output file. Raises MTError if another process has it."""
    path = target.with_name(f".{target.name}.lock")
    try:
        held = FileLock(path).acquire(timeout=0)
    except Timeout:
        raise MTError(
            f"another process is writing {target}: wait for it to end, or choose another --output"
        ) from None
    with held:
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # nobody waits for it


def check_output(path: str) -> Path | None:
    """Return the file to write, links followed; None for a device or a pipe.

    Raises MTError if it is a folder, or in none.
    """
    if Path(path).is_dir():
        raise MTError(f"cannot write {path}: it is a folder")
    target = replaceable(Path(path))
    if target and not target.parent.is_dir():
        raise MTError(f"cannot write {path}: there is no folder {target.parent}")
    return target


@contextlib.contextmanager
def open_prefixes(path: str | None) -> Iterator[Iterable[str] | None]:
    """Open the lines of a file of prefixes; None if there is no file."""
    if path is None:
        yield None
        return
    with open_lines(Path(path), errors="surrogateescape") as lines:
        yield lines


def read_pairs(
    sources: Iterable[str], target_path: Path, chunk_size: int
) -> Iterator[list[tuple[str, str]]]:
    """Yield chunks of (source, target) pairs, the targets read from a file.

    Raises MTError if there are not as many targets as sources.
    """
    sources, count = iter(sources), 0
    with open_lines(target_path, errors="surrogateescape") as targets:
        for chunk in split_into_chunks(sources, chunk_size):
            pairs = list(zip(chunk, islice(targets, len(chunk)), strict=False))
            if len(pairs) < len(chunk):
                total = count + len(chunk) + sum(1 for _ in sources)
                raise _length_error(target_path, count + len(pairs), total)
            count += len(pairs)
            yield pairs
        if surplus := sum(1 for _ in targets):
            raise _length_error(target_path, count + surplus, count)


def _length_error(path: Path, targets: int, sources: int) -> MTError:
    return MTError(
        f"{path} has {targets:,} lines but the input has {sources:,}: the numbers must be equal"
    )
