"""A full disk while a corpus is prepared."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mt.config.compose import load_config
from mt.data.prepare import prepare_run
from mt.errors import MTError


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Limit the size of the files that this process writes, which then fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.medium
def test_every_file_of_the_cache_is_named_that_the_disk_cannot_hold(
    tiny_run: Callable[..., list[str]], tmp_path: Path
) -> None:
    config = load_config(tiny_run(400))
    for path in map(Path, (config.data.val.src, config.data.val.tgt)):
        path.write_text(150 * path.read_text())  # more than the training text
    config.data.cache = str(tmp_path / "whole")
    data = prepare_run(config, lambda _: None)
    files = {path.name: path.stat().st_size for path in (tmp_path / "whole" / data.hash).iterdir()}
    temporary = ["train.0.text.passed", "train.0.text.arrow", "duplicate.keys"]
    named = set()
    for size in sorted({size - 1 for size in files.values()}):
        config.data.cache = str(tmp_path / f"limit-{size}")
        with file_size_limit(size), pytest.raises(MTError) as error:
            prepare_run(config, lambda _: None)
        message = str(error.value)
        assert "\n" not in message and "File too large" in message
        (name,) = {path for path in [*files, *temporary] if f"/{path}" in message}
        named.add(name)
        assert [path.suffix for path in Path(config.data.cache).iterdir()] in ([], [".lock"])
    assert len(named) >= 3
