"""Digests of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mt.data.digests import file_digests
from mt.errors import MTError


def test_digests_of_files_keep_their_order_and_groups(tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(5)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 3_000_000 * (5 - number))
    expected = [hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest() for path in paths]
    assert file_digests(paths[:3], [], paths[3:]) == [expected[:3], [], expected[3:]]
    with pytest.raises((MTError, OSError), match="missing"):
        file_digests(paths, [tmp_path / "missing"])
