"""Prepared corpora outside the cache: written by mt-prepare --output, opened by data.prepared.

The index is written last, so that a corpus is complete or has none. What is fetched from a URL
becomes a folder of the cache, as if its text had been prepared there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from mt.config.prepared import (
    INDEX,
    PreparedIndex,
    find_index,
    flatten,
    read_index,
    shaping_settings,
)
from mt.config.schema import DataConfig
from mt.data.cache_key import cache_folder, tokenizer_digests
from mt.data.digests import file_digests
from mt.data.locks import hold_lock
from mt.data.tokenizer import Tokenizer
from mt.errors import MTError, UsageError
from mt.files import write_text
from mt.locations import (
    Content,
    Count,
    copy_content,
    explain_errors,
    join_location,
    local_path,
    open_location,
    share_copies,
)

Log = Callable[[str], None]

LOCK = ".lock"  # in a folder to which a corpus is written
# Settings that may differ for the same files: where the text is, and what the hash stands for.
INCIDENTAL = (".src", ".tgt", ".file", ".links", ".hub", ".name", ".max_vocab_size")


def check_start(config: DataConfig, start: Tokenizer | None) -> None:
    """Raise UsageError unless data.prepared was prepared with a tokenizer, that of init_from."""
    index = read_index(config.prepared)
    if index.start != tokenizer_digests(start):
        wanted = "the tokenizer of another run" if index.start else "no trainer.init_from"
        raise UsageError(
            f"data.prepared={config.prepared} was prepared with {wanted}: prepare the text with "
            "the trainer.init_from of the training"
        )


def open_prepared(config: DataConfig, log: Log) -> Path:
    """Return the folder with the files of data.prepared, which are fetched if it is a URL.

    Raises MTError if a file is missing or changed.
    """
    index = read_index(config.prepared)
    if path := local_path(config.prepared):
        check_files(path / index.hash, index)
        return path / index.hash
    folder = cache_folder(config) / index.hash
    folder.parent.mkdir(parents=True, exist_ok=True)
    with hold_lock(folder.with_suffix(".lock"), log):
        if not folder.exists():
            fetch_files(config.prepared, index, folder.with_suffix(".fetched"), log)
            os.replace(folder.with_suffix(".fetched"), folder)
    return folder


def check_files(folder: Path, index: PreparedIndex) -> None:
    """Raise MTError unless a folder has the files of an index as they were written."""
    for name, content in index.files.items():
        path = folder / name
        if not path.is_file():
            raise MTError(f"there is no {path}, which {INDEX} lists: copy the corpus again")
        check_content(str(path), Content(path.stat().st_size, content.digest), content)
    (digests,) = file_digests([folder / name for name in index.files])
    for (name, content), digest in zip(index.files.items(), digests, strict=True):
        check_content(str(folder / name), Content(content.size, digest), content)


def check_content(location: str, found: Content, listed: Content) -> None:
    """Raise MTError unless a file has the content that the index lists."""
    if found.size != listed.size:
        problem = f"has {found.size:,} bytes, and {INDEX} lists {listed.size:,}"
    elif found.digest != listed.digest:
        problem = f"has another content than {INDEX} lists"
    else:
        return
    raise MTError(f"{location} {problem}: copy the corpus again, or prepare it anew")


def fetch_files(location: str, index: PreparedIndex, folder: Path, log: Log) -> None:
    """Fetch the files of a corpus into a folder, except those that it has already."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = {name: each for name, each in index.files.items() if not (folder / name).exists()}
    total = sum(content.size for content in missing.values())
    log(
        f"fetching {location} once, {len(missing)} of {len(index.files)} files, "
        f"{total / 1e6:,.1f} MB; it is cached in {folder.parent}"
    )

    def fetch(name: str, count: Count) -> None:
        source, part = join_location(location, index.hash, name), folder / f"{name}.part"
        check_content(source, copy_content(source, str(part), count), missing[name])
        os.replace(part, folder / name)

    share_copies("fetching", total, missing, fetch)


def write_prepared(
    output: str, config: DataConfig, folder: Path, start: Tokenizer | None, log: Log
) -> None:
    """Write a cache folder and its index to a folder or URL, unless it is there.

    `config` has the size of the vocabulary. Raises MTError if something else is there, or another
    process is writing there.
    """
    names = sorted(path.name for path in folder.iterdir())
    total = sum((folder / name).stat().st_size for name in names)
    target = join_location(output, folder.name)
    index = PreparedIndex(folder.name, tokenizer_digests(start), shaping_settings(config), {})
    with hold_output(output, folder.name):
        if is_written(output, index):
            log(f"{output} has this corpus already")
            return
        log(f"writing {len(names)} files, {total / 1e6:,.1f} MB, to {output}")

        def copy(name: str, count: Count) -> Content:
            return copy_content(str(folder / name), join_location(target, name), count)

        index.files.update(share_copies("writing", total, names, copy))
        place = join_location(output, INDEX)
        if is_written(output, index):  # by another process, which a URL cannot exclude
            return
        with explain_errors(f"write {place}"):
            if path := local_path(place):
                write_text(path, index.to_json())
            else:
                with open_location(place, "wb") as file:
                    file.write(index.to_json().encode())


def is_written(output: str, index: PreparedIndex) -> bool:
    """Return whether a corpus is complete at a location; raise MTError if it is another one."""
    there = find_index(output)
    if not there:
        return False
    another = "choose another --output, or delete what is there"
    if there.hash != index.hash:
        raise MTError(f"{output} has another corpus ({there.hash}, not {index.hash}): {another}")
    before, now = flatten(there.settings), flatten(index.settings)
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key) and not f".{key}".endswith(INCIDENTAL):
            raise MTError(
                f"{output} has this corpus with data.{key}={before.get(key)}, "
                f"not {now.get(key)}: {another}"
            )
    return True


@contextlib.contextmanager
def hold_output(output: str, name: str) -> Iterator[None]:
    """Hold the lock of a folder that gets a corpus; do nothing at a URL, which has none.

    `name` is that of the folder of its files. Raises MTError if another process holds the lock, or
    if the folder holds something else.
    """
    folder = local_path(output)
    if not folder:
        yield
        return
    with explain_errors(f"write {output}"):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise MTError(
                f"another process is writing to {output}: wait for it to end, or choose another "
                "--output"
            ) from None
    try:
        others = {path.name for path in folder.iterdir()} - {LOCK, name}
        if others and INDEX not in others:
            raise MTError(f"{output} is not empty: it has {min(others)}; choose another --output")
        yield
    finally:
        (folder / LOCK).unlink(missing_ok=True)
        lock.release()
