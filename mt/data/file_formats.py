"""File formats, recognised by their first bytes; compression, chosen by the name."""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Callable
from typing import IO, Any

BLOCK_SIZE = 1 << 16  # bytes read at a time
Decompress = Callable[[IO[bytes]], Any]


class _MultiStreamReader(io.RawIOBase):
    """Decompress streams that follow one another.

    Unlike the readers of the standard library, which ignore it, this one raises an error if
    something else follows. Zero bytes may follow: xz pads with them.
    """

    def __init__(self, stream: IO[bytes], decompressor: Callable[[], Any]) -> None:
        self._stream, self._new = stream, decompressor
        self._current = decompressor()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; return the number of bytes, 0 at the end."""
        data = b""
        while not data:
            block = b""
            if self._current.eof:
                block = self._current.unused_data.lstrip(b"\0")
                while not block:
                    if not (block := self._stream.read(BLOCK_SIZE)):
                        return 0
                    block = block.lstrip(b"\0")
                self._current = self._new()
            elif self._current.needs_input and not (block := self._stream.read(BLOCK_SIZE)):
                raise EOFError("it ends inside a compressed stream")
            data = self._current.decompress(block, len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _gunzip(stream: IO[bytes]) -> Any:
    import gzip

    return gzip.GzipFile(fileobj=stream, mode="rb")


def _unxz(stream: IO[bytes]) -> Any:
    import lzma

    return _MultiStreamReader(stream, lzma.LZMADecompressor)


def _bunzip2(stream: IO[bytes]) -> Any:
    import bz2

    return _MultiStreamReader(stream, bz2.BZ2Decompressor)


def _unzstd(stream: IO[bytes]) -> Any:
    import pyarrow  # slow to import: a tenth of a second

    # Arrow's reader detects truncated archives.
    return pyarrow.CompressedInputStream(pyarrow.PythonFile(stream, "r"), "zstd")


def _gzip(stream: IO[bytes]) -> Any:
    import gzip

    # Without name and time, so that equal contents give equal files.
    return gzip.GzipFile("", "wb", fileobj=stream, mtime=0)


def _xz(stream: IO[bytes]) -> Any:
    import lzma

    return lzma.LZMAFile(stream, "wb")


def _bzip2(stream: IO[bytes]) -> Any:
    import bz2

    return bz2.BZ2File(stream, "wb")


def _zstd(stream: IO[bytes]) -> Any:
    import pyarrow

    return pyarrow.CompressedOutputStream(pyarrow.PythonFile(stream, "w"), "zstd")


COMPRESSORS = {".gz": _gzip, ".xz": _xz, ".zst": _zstd, ".bz2": _bzip2}
# Suffixes of compressed text. They can follow the suffix that names the kind of a file.
COMPRESSED = tuple(COMPRESSORS)


def compress(stream: IO[bytes], name: str) -> Any:
    """Return a stream that writes to another one, compressed if the suffix of a name says so."""
    compressor = COMPRESSORS.get(os.path.splitext(name)[1].lower())
    return compressor(stream) if compressor else stream


BZIP2_BLOCKS = (b"\x31\x41\x59\x26\x53\x59", b"\x17\x72\x45\x38\x50\x90")  # the last: an empty file


def decompressor(head: bytes) -> Decompress | None:
    """Return the function that decompresses a stream with these first bytes; None for others."""
    if head.startswith(b"\x1f\x8b"):
        return _gunzip
    if head.startswith(b"\xfd7zXZ\x00"):
        return _unxz
    # zstd: a frame, or one of its skippable frames.
    if head.startswith(b"\x28\xb5\x2f\xfd") or (
        head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50
    ):
        return _unzstd
    # "BZh" alone could be text.
    if head.startswith(b"BZh") and head[4:10] in BZIP2_BLOCKS:
        return _bunzip2
    return None


# (position, bytes there, name) of formats that are not text and cannot be read.
FOREIGN = (
    (0, b"PK\x03\x04", "a ZIP archive (or a document or model stored as one)"),
    (0, b"PK\x05\x06", "an empty ZIP archive"),
    (0, b"PK\x07\x08", "a ZIP archive of several parts"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"\x04\x22\x4d\x18", "LZ4 data"),
    (0, b"LZIP\x01", "lzip data"),
    (0, b"\x1f\x9d", "data of compress (.Z)"),
    (0, b"\x5d\x00\x00", "LZMA data of the old format"),
    (0, b"\xff\x06\x00\x00sNaPpY", "Snappy data"),
    (0, b"PAR1\x15", "a Parquet file"),
    (0, b"ARROW1\x00\x00", "an Arrow file"),
    (0, b"SQLite format 3\x00", "a SQLite database"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document of the old format"),
    (0, b"%PDF-", "a PDF document"),
    (0, b"{\\rtf", "an RTF document"),
    (0, b"\x89PNG\r\n", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"\x7fELF", "an executable file"),
    (0, b"\x89HDF\r\n", "an HDF5 file"),
)


def foreign_format(head: bytes) -> str | None:
    """Return the name of a known format that is not text, or None."""
    return next((name for at, magic, name in FOREIGN if head.startswith(magic, at)), None)


def marked_encoding(head: bytes) -> str | None:
    """Return the codec that a byte order mark names; None if there is none, or that of UTF-8."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"  # first, because its mark begins with that of UTF-16
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return None


MIN_ZEROS = 4
MIN_ZERO_SHARE = 0.05  # of the characters; spaces alone are more, in most writing systems


def looks_like_unmarked_utf16(head: bytes) -> bool:
    """Return True if zero bytes are where UTF-16 has them, at one half of each pair of bytes.

    As UTF-8, such text would be accepted: characters with a zero byte after each.
    """
    zeros = head[0::2].count(0), head[1::2].count(0)
    if min(zeros) > 0 or max(zeros) < max(MIN_ZEROS, MIN_ZERO_SHARE * len(head) / 2):
        return False
    little_endian = zeros[1] > 0
    pairs = head[: len(head) // 2 * 2]
    ends = pairs.count(b"\n\x00" if little_endian else b"\x00\n")
    return ends == pairs.count(b"\n")
