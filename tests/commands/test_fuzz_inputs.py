"""No text file gives anything but its lines or an error of one line, and no line is lost."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable

import pyarrow
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpers.fuzzing import fuzz, odd_text, outcome
from mt.arguments.evaluate import parse_arguments
from mt.config.schema import DataConfig, SplitConfig
from mt.data.cleaning.cleaner import Cleaner
from mt.data.links import Links, read_links
from mt.data.normalisation import Normaliser
from mt.data.sources import open_source
from mt.data.text_files import read_lines
from mt.decoding.line_io import open_input
from mt.decoding.options import SearchOptions
from mt.decoding.translator import Translator
from mt.errors import MTError
from mt.evaluate import evaluate

Pairs = list[tuple[str, str]]


def compress_zstd(content: bytes) -> bytes:
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes, ".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress,
    ".zst": compress_zstd,
}  # fmt: skip
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"]
MAGIC = [
    b"\x1f\x8b", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"BZh91AY&SY", b"PK\x03\x04", b"\xff\xfe",
    b"\xef\xbb\xbf", b"\xff\xfe\0\0", b"\0", b"<tmx>", b"[{", b"\xed\xa0\x80",
]  # fmt: skip
random_bytes = st.one_of(
    st.binary(max_size=200),
    st.builds(bytes.__add__, st.sampled_from(MAGIC), st.binary(max_size=99)),
)
# Lines as files can have them: without their end, and without CR, which may be a part of it.
lines = st.lists(odd_text.map(lambda text: text.replace("\n", " ").replace("\r", " ")), max_size=6)
damage = st.one_of(st.none(), st.integers(0, 200))  # the length to truncate to


file_contents = st.one_of(
    random_bytes, lines.map(lambda content: "".join(f"{line}\n" for line in content).encode())
)


def is_plain(content: list[str]) -> bool:
    """Return whether UTF-8 text of these lines begins with no mark, and like no other format."""
    head = "".join(f"{line}\n" for line in content)
    return not head.startswith(("\ufeff", "<", "\0")) and "\0" not in head


def encoded(content: list[str], encoding: str, end: str) -> bytes:
    return "".join(line + end for line in content).encode(encoding, "replace")


@fuzz(60)
@example([], "utf-8-sig", "\n", "", None)
@given(lines, st.sampled_from(ENCODINGS), st.sampled_from(["\n", "\r\n"]),
       st.sampled_from(sorted(COMPRESS)), damage)  # fmt: skip
def test_fuzz_lines_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory,
    content: list[str],
    encoding: str,
    end: str,
    suffix: str,
    length: int | None,
) -> None:
    path = tmp_path_factory.getbasetemp() / f"lines{suffix}"
    stored = COMPRESS[suffix](encoded(content, encoding, end))
    path.write_bytes(stored[:length])
    read = outcome(lambda: list(read_lines(path)))
    if length is not None and length < len(stored):
        return
    if encoding != "latin-1" and is_plain(content):
        assert read == [line.removesuffix("\r") for line in content]
    elif isinstance(read, list) and encoding == "utf-8":
        assert len(read) == len(content)


def written(kind: str, pairs: Pairs) -> str:
    """Return the text of a file of pairs."""
    if kind == ".tsv":
        return "".join(f"{source}\t{target}\n" for source, target in pairs)
    if kind == ".jsonl":
        return "".join(json.dumps({"en": s, "de": t}) + "\n" for s, t in pairs)
    units = "".join(
        f'<tu><tuv xml:lang="en"><seg>{s}</seg></tuv><tuv xml:lang="de"><seg>{t}</seg></tuv></tu>'
        for s, t in pairs
    )
    return f"<tmx version='1.4'><body>{units}</body></tmx>"


pair_lists = st.lists(st.tuples(odd_text, odd_text), max_size=5)


@fuzz(60)
@given(st.one_of(pair_lists, random_bytes), st.sampled_from([".tsv", ".jsonl", ".tmx"]),
       st.sampled_from(sorted(COMPRESS)), damage)  # fmt: skip
def test_fuzz_pairs_of_files_are_read_and_counted(
    tmp_path_factory: pytest.TempPathFactory,
    content: Pairs | bytes,
    kind: str,
    suffix: str,
    length: int | None,
) -> None:
    path = tmp_path_factory.getbasetemp() / f"pairs{kind}{suffix}"
    is_random = isinstance(content, bytes)
    text = content if is_random else written(kind, content).encode("utf-8", "surrogatepass")
    stored = COMPRESS[suffix](text)
    path.write_bytes(stored[:length])
    config = DataConfig(src_lang="en", tgt_lang="de")

    cleaner = Cleaner(config.clean)

    def read() -> tuple[Pairs, Pairs, dict[str, int]]:
        source = open_source("train", "train", SplitConfig(file=str(path)), config, lambda _: None)
        return list(source.pairs()), list(cleaner(source.pairs())), cleaner.counts

    result = outcome(read)
    if isinstance(result, MTError):
        return
    raw, cleaned, counts = result
    assert counts["read"] == len(raw) and counts["kept"] == len(cleaned)
    assert len(raw) == len(cleaned) + sum(cleaner.dropped().values())
    normaliser = Normaliser.from_config(config.clean)
    assert all(side == normaliser(side) and side for pair in cleaned for side in pair)
    complete = length is None or length >= len(stored)
    if kind == ".jsonl" and not is_random and complete:
        assert raw == content


@fuzz(60)
@given(file_contents, file_contents)
def test_fuzz_two_text_files_give_pairs_line_by_line(
    tmp_path_factory: pytest.TempPathFactory, source: bytes, target: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "fuzz.src").write_bytes(source)
    (folder / "fuzz.tgt").write_bytes(target)
    split = SplitConfig(src=str(folder / "fuzz.src"), tgt=str(folder / "fuzz.tgt"))
    pairs = outcome(
        lambda: list(open_source("train", "train", split, DataConfig(), lambda _: None).pairs())
    )
    if isinstance(pairs, list):
        sides = [list(read_lines(folder / name)) for name in ("fuzz.src", "fuzz.tgt")]
        assert pairs == list(zip(*sides, strict=True))


OPTIONS = SearchOptions(beam=1, max_ratio=0.5, max_extra=3)


@fuzz(12)
@given(file_contents)
def test_fuzz_every_line_has_a_translation(
    translator: Translator, tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "input"
    path.write_bytes(content)

    def translate() -> tuple[int, list[str]]:
        with open_input([], str(path), quiet=True) as stream:
            count = len(list(stream))
        with open_input([], str(path), quiet=True) as stream:
            outputs = translator.translate_stream(
                stream, beam=1, max_ratio=OPTIONS.max_ratio, max_extra=OPTIONS.max_extra
            )
            return count, [translation.text for translation in outputs]

    result = outcome(translate)
    if isinstance(result, MTError):
        return
    count, outputs = result
    assert len(outputs) == count and not any("\n" in text or "\r" in text for text in outputs)
    if not any(content.startswith(magic) for magic in (*MAGIC, b"\xfe\xff")):
        end = 0 if content.endswith(b"\n") or not content else 1
        assert count == content.count(b"\n") + end
    for text in outputs:
        text.encode()  # no lone surrogates


@fuzz(20)
@given(lines, file_contents)
def test_fuzz_references_are_scored_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, hypotheses: list[str], references: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "hyp").write_bytes(encoded(hypotheses, "utf-8", "\n"))
    (folder / "ref").write_bytes(references)
    flags = [
        "--hyp",
        str(folder / "hyp"),
        "--ref",
        str(folder / "ref"),
        "--bootstrap",
        "0",
        "--no-ter",
    ]
    result = outcome(lambda: evaluate(parse_arguments(flags)))
    if not isinstance(result, MTError):
        assert result.sentences == len(list(read_lines(folder / "ref")))


link_parts = ["0-0", "1p2", " ", "\t", "-", "99999999999-1", "٣-٣", "1-2-3", "\n", "x"]
links = st.lists(
    st.sampled_from(["0-0", "1p2", " ", "\t", "-", "99999999999-1", "٣-٣", "1-2-3", "\n", "x"])
)


@fuzz(60)
@given(st.one_of(random_bytes, links.map(lambda parts: "".join(parts).encode())))
def test_fuzz_alignment_files_are_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "links"
    path.write_bytes(content)
    result = outcome(lambda: read_links(path))
    if isinstance(result, list):
        assert len(result) == len(list(read_lines(path)))
        assert all(isinstance(line, Links) for line in result)
