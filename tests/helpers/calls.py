"""Running mt-translate in this process."""

from __future__ import annotations

import io
import sys

import pytest

from mt import translate as command


def call(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    *flags: object,
    stdin: bytes = b"",
) -> tuple[int, str, str]:
    """Run mt-translate; return exit code, standard output and standard error."""
    out = io.BytesIO()
    monkeypatch.setattr(sys, "argv", ["mt-translate", *map(str, flags)])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, write_through=True))
    code = 0
    try:
        command.main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, out.getvalue().decode(), capsys.readouterr().err
