"""The measurement of filters, on a tiny corpus whose faults are known."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from helpers.benchmarks import load

NOUNS = ["dog", "cat", "bird", "horse", "mouse", "fish", "cow", "goat", "bear", "wolf"]
GERMAN = ["Hund", "Kater", "Vogel", "Hengst", "Nager", "Fisch", "Ochse", "Bock", "Brummer", "Wolf"]


def pair(number: int) -> tuple[str, str]:
    """Return one of a hundred good pairs of different sentences with a number."""
    first, second = number % 10, number // 10
    return (
        f"In {1900 + number} the old {NOUNS[first]} saw a {NOUNS[second]} behind the big house.",
        f"Im Jahr {1900 + number} sah der alte {GERMAN[first]} einen {GERMAN[second]} beim Haus.",
    )


def cells(line: str) -> list[str]:
    """Return the cells of a row of a table."""
    return [cell.strip() for cell in line.strip("|").split("|")]


def measure(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> tuple[list[str], dict[str, list[str]]]:
    """Return the header of the measurement, and its other rows by their first cell."""
    load("measure_filters").main(arguments)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    header, *rows = map(cells, lines)
    return header, {first: rest for first, *rest in rows}


def test_recall_precision_and_cost_are_those_of_the_planted_faults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = [pair(number) for number in range(100)]
    pairs[0] = ("I did not translate this at all.", "I did not translate this at all.")
    files = [str(tmp_path / name) for name in ("text.en", "text.de")]
    for side, path in enumerate(files):
        Path(path).write_text("".join(each[side] + "\n" for each in pairs), encoding="utf-8")
    header, rows = measure(["--corpus", "en", "de", *files], capsys)
    assert header == ["fault planted", "step", f"{tmp_path.name}, 100 pairs"]
    # Ten pairs get a fault, so that the hundred have one copy for each 9 that are planted in 90.
    assert rows["source copied"] == ["copy", f"100 / {100 * 10 / 10.9:.0f}"]
    for fault in (
        "far too long",
        "loop in the target",
        "tags in the target",
        "web address in the source",
        "target in another script",
        "pair repeated",
        "pair repeated with other case",
    ):
        assert rows[fault][1] == "100 / 100", fault
    assert rows["target of another pair"] == ["ratio", "0 / -"]
    assert rows["escaped twice: restored"][1] == "none"
    assert rows["copy"] == rows["all defaults"] == ["1.00"]
    for step in ("too long", "ratio", "repetition", "mark-up", "script", "numbers", "duplicate"):
        assert rows[step] == ["0.00"], step


def catalogue(messages: dict[str, str]) -> bytes:
    """Return a compiled catalogue of messages (GNU gettext, "The Format of GNU MO Files")."""
    texts = [
        text.encode()
        for part in (sorted(messages), [messages[key] for key in sorted(messages)])
        for text in part
    ]
    count, start = len(messages), 28
    offset, table, body = start + 16 * count, b"", b""
    for text in texts:
        table += struct.pack("<II", len(text), offset + len(body))
        body += text + b"\0"
    return (
        struct.pack("<7I", 0x950412DE, 0, count, start, start + 8 * count, 0, offset) + table + body
    )


def test_messages_of_a_program_are_a_corpus(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "program.mo"
    messages = dict(pair(number) for number in range(20))
    more = {
        "": "Content-Type: text/plain; charset=UTF-8\n",
        "Open file": "Datei \u00f6ffnen",
        "There are two\nlines in this message.": "Diese Meldung hat\nzwei Zeilen.",
        "Nobody has translated this message.": "Nobody has translated this message.",
        "menu\x04This message has a context.": "Diese Meldung hat einen Kontext.",
    }
    path.write_bytes(catalogue(messages | more))
    script = load("measure_filters")
    expected = messages | {"This message has a context.": "Diese Meldung hat einen Kontext."}
    assert script.read_messages([str(path)]) == sorted(expected.items())
    header, rows = measure(["--messages", "de", str(path)], capsys)
    assert header[-1] == "messages en-de, 21 pairs" and rows["source copied"][1] == "100 / 100"


def test_faults_in_scripts_without_spaces_are_of_characters() -> None:
    script, draw = load("measure_filters"), random.Random(1)
    chinese = "".join(chr(0x4E00 + number) for number in range(40))
    source = "not a word of it"
    assert script.plant_cut((source, chinese), (source, chinese), draw) == (source, chinese[:8])
    _, loop = script.plant_loop((source, chinese), (source, chinese), draw)
    assert " " not in loop and len(loop) >= 40 + 7 * 2
    assert set(script.plant_script((source, chinese), (source, chinese), draw)[1]) <= set(
        script.GREEK
    )
    german = "eins zwei drei vier f\u00fcnf sechs sieben acht neun zehn"
    assert script.plant_cut((source, german), (source, german), draw) == (source, "eins zwei")


def test_text_must_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load("measure_filters").main([])
    assert "give text by --corpus or --messages" in capsys.readouterr().err
