"""Text by its first bytes: every compression and encoding under every name, and refusals."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from mt.comparison.inputs import read_files
from mt.config.schema import DataConfig, SplitConfig
from mt.data.corpus import load_corpus
from mt.data.links import read_links
from mt.data.text_files import decode_lines, open_lines, read_lines
from mt.decoding.line_io import open_input, read_pairs
from mt.errors import MTError
from mt.evaluation.evaluation_set import read_parallel

LINES = ["first line", "", "zwölf Boxkämpfer\u2028", "日本語 😀", "x" * 20_000, "last"]
TEXT = "\n".join(LINES).encode()


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zstd": zstd,
    "gzip twice": lambda data: gzip.compress(gzip.compress(data)),
    "gzip of two members": lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:]),
    "bzip2 of two streams": lambda data: bz2.compress(data[:9]) + bz2.compress(data[9:]),
    "zstd of two frames": lambda data: zstd(data[:9]) + zstd(data[9:]),
    "zstd after a skippable frame": lambda data: b"\x50\x2a\x4d\x18\x02\0\0\0ab" + zstd(data),
}


def all_ways(path: Path) -> list[list[str]]:
    """The lines of a file as mt-train, as mt-translate from a file and from a stream read them."""
    with open_lines(path, errors="surrogateescape") as lines:
        lenient = list(lines)
    with path.open("rb") as stream:
        piped = list(decode_lines(stream, "standard input", errors="surrogateescape"))
    return [list(read_lines(path)), lenient, piped]


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("name", ["t.en", "t.en.gz", "t.xz", "t.ZST", "t.bz2"])
def test_compressed_text_is_read_whatever_it_is_called(
    tmp_path: Path, compression: str, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(COMPRESS[compression](TEXT))
    assert all_ways(path) == [LINES] * 3
    path.write_bytes(COMPRESS[compression](b""))
    assert all_ways(path) == [[]] * 3


@pytest.mark.parametrize("compression", ["gzip", "xz", "bzip2", "zstd"])
def test_archives_that_are_cut_are_errors_whatever_they_are_called(
    tmp_path: Path, compression: str
) -> None:
    path = tmp_path / "t.en"
    data = COMPRESS[compression](b"".join(b"line %d\n" % (i * i) for i in range(50_000)))
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(MTError, match=r"t\.en.*damaged or truncated"):
        list(read_lines(path))
    stream = io.BytesIO(data[:-20])
    with pytest.raises(MTError, match=r"standard input.*damaged or truncated"):
        list(decode_lines(stream, "standard input", errors="surrogateescape"))


@pytest.mark.parametrize("compression", ["gzip", "xz", "bzip2", "zstd"])
def test_nothing_after_the_end_of_an_archive_is_lost_in_silence(
    tmp_path: Path, compression: str
) -> None:
    path = tmp_path / "t.en"
    path.write_bytes(COMPRESS[compression](TEXT) + b"these lines\nwould be lost\n" * 2)
    with pytest.raises(MTError, match=r"t\.en.*damaged or truncated"):
        list(read_lines(path))
    if compression != "zstd":
        path.write_bytes(COMPRESS[compression](TEXT) + bytes(200_000))
        assert all_ways(path) == [LINES] * 3


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_text_with_a_byte_order_mark_is_decoded(
    tmp_path: Path, encoding: str, compression: str | None, line_end: str
) -> None:
    path = tmp_path / "t.txt"
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    data = (mark + line_end.join(LINES) + line_end).encode(encoding)
    path.write_bytes(COMPRESS[compression](data) if compression else data)
    assert all_ways(path) == [LINES] * 3


def test_invalid_utf16_is_an_error_in_corpora_and_replaced_in_translation(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes("\ufefffine\nno\n".encode("utf-16-le") + b"\x00\xd8" + b"a\0\n\0b")
    with pytest.raises(MTError, match=r"t\.txt, line 1: not UTF-16"):
        list(read_lines(path))
    with open_lines(path, errors="surrogateescape") as lines:
        assert list(lines)[:2] == ["fine", "no"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["A house.\nTwo houses.\n", "Один дом.\nДва дома и ещё три.\n"])
def test_utf16_without_a_mark_is_named(tmp_path: Path, encoding: str, text: str) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes(text.encode(encoding))
    with pytest.raises(MTError, match=r"t\.txt looks like UTF-16 without a byte order mark"):
        list(read_lines(path))


def test_zero_characters_do_not_make_text_utf16(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    for text in ("\0\0\n", "a\0b\n\0", "\0" * 9 + "\n", "a\0" * 3, "a\0b\0c\0d\0e\0\nfg\0"):
        path.write_text(text, encoding="utf-8")
        assert "\n".join(next(iter(all_ways(path)))) == text.removesuffix("\n")


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("t.en", "A house.\n")


def tarred(mode: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        member = path.with_name("member")
        member.write_text("A house.\n", encoding="utf-8")
        with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
            archive.add(member)

    return write


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "zip": (zipped, "is a ZIP archive"),
    "tar": (tarred("w"), "is a tar archive"),
    "tar in gzip": (tarred("w:gz"), "is a tar archive"),
    "7z": (lambda path: path.write_bytes(b"7z\xbc\xaf\x27\x1c\0\4rest\n"), "is a 7z archive"),
    "Parquet": (lambda path: path.write_bytes(b"PAR1\x15\x04rest\n"), "is a Parquet file"),
    "PDF": (lambda path: path.write_bytes(b"%PDF-1.7\n%\xe2\xe3\n"), "is a PDF document"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_text_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    write, message = REFUSED[kind]
    path = tmp_path / "t.gz"
    write(path)
    for errors in ("strict", "surrogateescape"):
        with pytest.raises(MTError, match=rf"t\.gz {message}"), open_lines(path, errors):
            raise AssertionError  # it is refused at once, before a line is asked for
        with (
            path.open("rb") as stream,
            pytest.raises(MTError, match=rf"standard input {message}"),
        ):
            list(decode_lines(stream, "standard input", errors))


def test_text_that_begins_like_a_format_is_text(tmp_path: Path) -> None:
    path = tmp_path / "t.en"
    for line in ("BZh9 is how bzip2 begins", "PK", "LZIP", "PAR1 is a name", "ustar", "7z", "Rar!"):
        path.write_text(f"{line}\n", encoding="utf-8")
        assert all_ways(path) == [[line]] * 3


@pytest.mark.parametrize("text", ["a\rb", "a\rb\r", "\r\r\rb", "\ufeffa\rb\rc\r", "a\rb\rc\n"])
def test_lines_that_end_in_carriage_returns_only_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.en"
    path.write_bytes(text.encode())
    with pytest.raises(MTError, match=r"one line with (a|\d) carriage returns?: its lines"):
        list(read_lines(path))


def test_a_line_of_a_translators_input_may_hold_carriage_returns(tmp_path: Path) -> None:
    path = tmp_path / "t.en"
    path.write_bytes(b"a\rb\rc\n")
    with path.open("rb") as stream:
        assert list(decode_lines(stream, path, "surrogateescape")) == ["a\rb\rc"]


def test_a_typed_line_with_a_carriage_return_comes_before_the_next_is_typed() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb") as stream, open(writer, "wb", buffering=0) as typed:
        typed.write(b"a\rb\n")
        lines = decode_lines(stream, "standard input", "surrogateescape")
        assert next(lines) == "a\rb"


def test_an_invalid_byte_is_named_by_its_line_after_one_with_carriage_returns(
    tmp_path: Path,
) -> None:
    path = tmp_path / "t.en"
    path.write_bytes(b"a\rb\rc\n\xff\n")
    with pytest.raises(MTError, match="line 2: not UTF-8"):
        list(read_lines(path))


@pytest.mark.parametrize("text", ["a\r", "a\rb\n", "a\r\nb\rc", "a\nb\rc\r"])
def test_carriage_returns_beside_line_feeds_are_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.en"
    path.write_bytes(text.encode())
    assert all_ways(path) == [[part.removesuffix("\r") for part in text.split("\n") if part]] * 3


def test_a_stream_is_decoded_line_by_line(tmp_path: Path) -> None:
    """No line waits for the next one, as `mt-translate --stream` needs."""
    import os

    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as stream, os.fdopen(writer, "wb", 0) as sink:
        lines = decode_lines(stream, "standard input", errors="surrogateescape")
        for line in ("one", "two \udcff", "three"):
            sink.write(line.encode("utf-8", "surrogateescape") + b"\n")
            assert next(lines) == line
    # A stream that cannot be peeked into.
    assert list(decode_lines(io.BytesIO(gzip.compress(TEXT)), "standard input")) == LINES


def test_every_command_reads_files_in_the_same_way(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(bz2.compress("\n".join(LINES).encode("utf-16")))
    zipped(bad)

    def train(path: Path) -> list[str]:
        split = SplitConfig(src=str(path), tgt=str(path))
        corpus = load_corpus(DataConfig(train=split, val=split, test=split))
        return [source for source, _ in corpus.train[0].pairs()]

    def translate(path: Path) -> list[str]:
        with open_input([], str(path), quiet=True) as lines:
            return list(lines)

    def score(path: Path) -> list[str]:
        return [target for pairs in read_pairs(LINES, path, 4) for _, target in pairs]

    def evaluate(path: Path) -> list[str]:
        return read_parallel([str(path)])[0]

    def compare(path: Path) -> list[str]:
        return read_files({"a": str(path)}, str(path)).tests[0].references

    for read in (train, translate, score, evaluate, compare):
        assert list(read(good)) == LINES
        with pytest.raises(MTError, match="bad is a ZIP archive"):
            read(bad)


def test_errors_of_the_output_are_not_blamed_on_the_input(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_bytes(gzip.compress(TEXT))
    with pytest.raises(OSError, match="full"), open_input([], str(path), quiet=True) as lines:
        next(iter(lines))
        raise OSError(errno.ENOSPC, "full")


def test_links_are_read_in_every_format(tmp_path: Path) -> None:
    path = tmp_path / "links"
    path.write_bytes(gzip.compress("\ufeff0-0 1p1\n\n".encode("utf-16-le")))
    assert [len(links.possible) for links in read_links(path)] == [2, 0]
