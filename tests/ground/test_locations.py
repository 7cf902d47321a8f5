"""Copies between paths and URLs."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from mt.errors import MTError
from mt.locations import copy_content, explain_errors, open_location, share_copies


@pytest.mark.parametrize("size", [0, 10, 5 * 2**20])
def test_content_is_copied_to_a_url_and_back(size: int, tmp_path: Path) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "a").write_bytes(content[:size])
    url, counted = f"memory:/{tmp_path}/folder/a", list[int]()
    there = copy_content(str(tmp_path / "a"), url, counted.append)
    back = copy_content(url, f"file://{tmp_path}/new folder/b", counted.append)
    assert (tmp_path / "new folder" / "b").read_bytes() == content[:size]
    digest = hashlib.blake2b(content[:size], digest_size=16).hexdigest()
    assert there == back == (size, digest) and sum(counted) == 2 * size


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nosuch://x/y", "cannot read nosuch://x/y: Protocol not known: nosuch"),
        ("tosfs://x/y", "cannot read tosfs://x/y: Install tosfs to access"),
        ("ftp://127.0.0.1:1/y", "cannot read ftp://127.0.0.1:1/y: .*refused"),
    ],
)
def test_a_url_that_cannot_be_opened_is_one_line(url: str, message: str) -> None:
    with (
        pytest.raises(MTError, match=message),
        explain_errors(f"read {url}"),
        open_location(url, "rb"),
    ):
        pass


def test_a_failed_copy_ends_the_others() -> None:
    started = threading.Event()

    def copy(name: str, count) -> None:  # type: ignore[no-untyped-def]
        if name == "bad":
            started.wait(10)
            raise MTError("bad is bad")
        while True:  # ends when count raises an error
            count(1)
            started.set()

    with pytest.raises(MTError, match="bad is bad"):
        share_copies("copying", 9, ["endless", "bad"], copy)


def test_results_of_copies_have_their_names() -> None:
    assert share_copies("copying", 9, "abcdefgh", lambda name, count: 2 * name) == {
        name: 2 * name for name in "abcdefgh"
    }
