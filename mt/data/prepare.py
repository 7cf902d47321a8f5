"""From corpus to training tables: clean, train the tokenizer, encode; all of it once, kept in a cache.

The cache folder is named by a hash of everything that shapes it: the text itself, the settings, and
the versions of what made it. It is written beside its place and renamed, under a lock, so that it
is either complete or absent, and of several processes that start together one prepares and the
others wait and read.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import sentencepiece
from datasets import Features, Value
from filelock import FileLock, Timeout

from mt.config.schema import Config, DataConfig
from mt.data.annotations import Annotation
from mt.data.cleaning import Cleaner, normalise
from mt.data.corpus import PairSource, RawCorpus, load_corpus
from mt.data.links import check_gold, parse_lines
from mt.data.table import PIECES, TEXT, PairTable, list_array, open_arrow
from mt.data.tokenizer import Tokenizer
from mt.data.word_counts import count_words_of_training, save_counts
from mt.errors import MTError
from mt.run_folder import WORD_COUNTS

FORMAT = 2  # of the cache folder; raise it whenever the code would write something else for the same settings
ANNOTATIONS = "test.annotations.json"
CHUNK = 20_000  # pairs encoded at once
PROBE = 20  # one pair in so many is sampled to learn how long sampled segmentations are
PROGRESS_SECONDS = 15.0
RAW = Features({"src": Value("string"), "tgt": Value("string")})

Pair = tuple[str, str]
Log = Callable[[str], None]


@dataclass
class PreparedData:
    """Everything that training needs of the corpus."""

    tokenizer: Tokenizer
    train: list[PairTable]  # one a source, each with its weight
    val: PairTable  # every validation pair, normalised, in pieces
    val_pairs: list[Pair]  # raw text, never filtered
    test_pairs: list[Pair]
    test_annotations: list[Annotation]  # one for each test pair, or none at all
    report: list[str]  # what was read, dropped and made, for a person
    hash: str  # identifies content and settings
    word_counts: list[
        Path
    ]  # files of `mt.run_folder.WORD_COUNTS`: of source and target side of the cleaned training text


def prepare(config: DataConfig, log: Log, tokenizer: Tokenizer | None = None) -> PreparedData:
    """Load the prepared corpus from the cache, or prepare it first.

    `tokenizer`: use this one instead of training one (fine-tuning). Nothing here depends on the
    seed of a run, so that runs that differ in their seeds share vocabulary and cache. MTError for a
    corpus that cannot be read or has nothing left.
    """
    corpus = load_corpus(config)
    key = cache_key(config, corpus, tokenizer)
    folder = cache_folder(config) / key
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.with_suffix(".lock"), log):
            if not folder.exists():
                log(f"preparing the corpus, once: it is kept in {folder}")
                unfinished = folder.with_suffix(".unfinished")
                shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed
                unfinished.mkdir()
                try:
                    Preparation(config, log, unfinished).run(corpus, tokenizer)
                    os.replace(unfinished, folder)
                finally:
                    shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise MTError(
            f"cannot keep the prepared corpus in {folder.parent}: {error}; make room there or set data.cache"
        ) from error
    data = load_prepared(folder, [source.weight for source in corpus.train])
    data.report += [
        f"{source.name}: each pair is seen {source.weight:g} times an epoch"
        for source in corpus.train
        if source.weight != 1
    ]
    return data


def prepare_run(config: Config, log: Log) -> PreparedData:
    """Load or prepare the corpus of a run. Fine-tuning keeps the tokenizer of the run it starts from."""
    given = (
        Tokenizer.load(Path(config.trainer.init_from).expanduser())
        if config.trainer.init_from
        else None
    )
    return prepare(config.data, log, given)


def cache_folder(config: DataConfig) -> Path:
    """Where prepared corpora are kept."""
    return Path(config.cache or os.environ.get("MT_CACHE") or "~/.cache/mt").expanduser()


def load_prepared(folder: Path, weights: Sequence[float]) -> PreparedData:
    """Open a finished cache folder; `weights` are those of the training sources, in order."""
    return PreparedData(
        tokenizer=Tokenizer.load(folder),
        train=[
            PairTable.load(folder / f"train.{index}.arrow", weight)
            for index, weight in enumerate(weights)
        ],
        val=PairTable.load(folder / "val.arrow"),
        val_pairs=read_pairs(folder / "val.text.arrow"),
        test_pairs=read_pairs(folder / "test.text.arrow"),
        test_annotations=read_annotations(folder / ANNOTATIONS),
        report=json.loads((folder / "report.json").read_text(encoding="utf-8")),
        hash=folder.name,
        word_counts=[folder / name for name in WORD_COUNTS.values()],
    )


def cache_key(config: DataConfig, corpus: RawCorpus, tokenizer: Tokenizer | None) -> str:
    """A hash of all that decides what is written; neither weights nor names of the sources are among it."""
    given = (
        [hashlib.sha256(model).hexdigest() for model in tokenizer.serialized()]
        if tokenizer
        else None
    )
    parts = {
        "format": FORMAT,
        "versions": [sentencepiece.__version__, unicodedata.unidata_version],
        "text": [
            [source.fingerprint() for source in corpus.train],
            corpus.val.fingerprint(),
            corpus.test.fingerprint(),
        ],
        "clean": asdict(config.clean),
        "tokenizer": [given, config.tokenizer.sampling] if given else asdict(config.tokenizer),
        "max_pieces": config.max_pieces,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]


@contextmanager
def locked(path: Path, log: Log) -> Iterator[None]:
    """Hold a lock file; say so where another process holds it."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log("another process is preparing this corpus: waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


class Preparation:
    """Writes one cache folder. Text goes through in chunks: memory does not grow with the corpus."""

    def __init__(self, config: DataConfig, log: Log, folder: Path) -> None:
        self.config, self.log, self.folder = config, log, folder
        self.report: list[str] = []

    def run(self, corpus: RawCorpus, tokenizer: Tokenizer | None) -> None:
        held_out = {"val": list(corpus.val.pairs()), "test": list(corpus.test.pairs())}
        for split, pairs in held_out.items():
            if not pairs:
                raise MTError(
                    f"the {'validation' if split == 'val' else 'test'} corpus is empty: check data.{split}"
                )
            write(
                self.folder / f"{split}.text.arrow",
                RAW,
                (text_table(chunk) for chunk in chunked(pairs)),
            )
        self.annotate(corpus.test, held_out["test"])
        self.clean(corpus.train, held_out["val"] + held_out["test"])
        texts = [self.folder / f"train.{index}.text.arrow" for index in range(len(corpus.train))]
        if tokenizer is None:
            self.log("training the tokenizer")
            tokenizer = Tokenizer.train(
                lambda: lines_of(texts, "src"),
                lambda: lines_of(texts, "tgt"),
                self.config.tokenizer,
            )
        tokenizer.save(self.folder)
        self.describe(tokenizer)
        for side, name in WORD_COUNTS.items():
            save_counts(self.folder / name, count_words_of_training(lines_of(texts, side)))
        dropped = written = 0
        for path in texts:
            encoder = Encoder(tokenizer, self.config, sampling=self.config.tokenizer.sampling)
            tables = self.progress("encoded", map(encoder, read_chunks(path)))
            write(path.with_name(path.name.replace(".text", "")), encoder.features, tables)
            path.unlink()
            dropped, written = dropped + encoder.dropped, written + encoder.written
        self.report.append(
            f"dropped, a side over {self.config.max_pieces:,} pieces: {dropped:,}; training pairs: {written:,}"
        )
        if not written:
            raise MTError(
                f"no training pair is left: all {dropped:,} are over data.max_pieces={self.config.max_pieces}"
            )
        self.encode_validation(tokenizer, held_out["val"])
        self.report += corpus.notes
        self.report.append(
            f"validation pairs: {len(held_out['val']):,}; test pairs: {len(held_out['test']):,}"
        )
        (self.folder / "report.json").write_text(
            json.dumps(self.report, ensure_ascii=False, indent=1), encoding="utf-8"
        )

    def annotate(self, test: PairSource, pairs: list[Pair]) -> None:
        """What is wrong with gold alignments is found here, not after a training."""
        if not test.annotations:
            return
        annotations = list(test.annotations())
        form = self.config.clean.unicode
        normalised = [(normalise(src, form), normalise(tgt, form)) for src, tgt in pairs]
        check_gold(
            parse_lines((annotation.links for annotation in annotations), "data.test.links"),
            normalised,
            "data.test.links",
        )
        (self.folder / ANNOTATIONS).write_text(
            json.dumps(annotations, ensure_ascii=False), encoding="utf-8"
        )

    def clean(self, sources: Sequence[PairSource], held_out: list[Pair]) -> None:
        """Write the cleaned text of each source; duplicates are found across sources."""
        cleaner = Cleaner(self.config.clean, held_out)
        for index, source in enumerate(sources):
            before = dict(cleaner.counts)
            tables = (text_table(chunk) for chunk in chunked(cleaner(source.pairs())))
            write(self.folder / f"train.{index}.text.arrow", RAW, self.progress("cleaned", tables))
            read, kept = (cleaner.counts[step] - before[step] for step in ("read", "kept"))
            self.report.append(f"{source.name}: {read:,} pairs read, {kept:,} kept after cleaning")
        self.report += cleaner.report()
        counts = cleaner.counts
        if not counts["kept"]:
            reasons = ", ".join(
                f"{count:,} {step}"
                for step, count in counts.items()
                if count and step not in ("read", "kept")
            )
            raise MTError(
                f"no training pair is left after cleaning: {counts['read']:,} read ({reasons or 'the corpus is empty'}); "
                "check data.train and data.clean"
            )

    def describe(self, tokenizer: Tokenizer) -> None:
        sides = ("src",) if tokenizer.joint else ("src", "tgt")
        sizes = " + ".join(f"{tokenizer.vocab_size(side):,}" for side in sides)
        self.report.append(
            f"vocabulary: {sizes} {tokenizer.kind} pieces, {'joint' if tokenizer.joint else 'separate'}"
        )

    def encode_validation(self, tokenizer: Tokenizer, pairs: list[Pair]) -> None:
        """Every validation pair, however long: the loss is to be over the same text whatever max_pieces is."""
        form = self.config.clean.unicode
        normalised = ((normalise(src, form), normalise(tgt, form)) for src, tgt in pairs)
        encoder = Encoder(tokenizer, self.config, sampling=0.0, drop=False)
        write(
            self.folder / "val.arrow",
            PIECES,
            (encoder(text_table(chunk)) for chunk in chunked(normalised)),
        )

    def progress(self, verb: str, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        rows, last = 0, time.monotonic()
        for table in tables:
            yield table
            rows += len(table)
            if time.monotonic() - last >= PROGRESS_SECONDS:
                self.log(f"{verb} {rows:,} pairs")
                last = time.monotonic()


class Encoder:
    """Tables of text -> tables of pieces, or of text and its length in pieces where they are to be sampled.

    Sampled segmentations are longer than the usual one (with sampling 0.1, almost twice as long),
    and a batch made by the usual length would not fit its budget: so the lengths are those to
    expect, by the ratio found on some of the pairs.
    """

    def __init__(
        self, tokenizer: Tokenizer, config: DataConfig, sampling: float, drop: bool = True
    ) -> None:
        self.tokenizer, self.max_pieces, self.sampling, self.drop = (
            tokenizer,
            config.max_pieces,
            sampling,
            drop,
        )
        self.features = TEXT if sampling else PIECES
        self.dropped = self.written = 0

    def __call__(self, table: pa.Table) -> pa.Table:
        texts = {side: table.column(side).to_pylist() for side in ("src", "tgt")}
        pieces = {side: self.tokenizer.encode_many(texts[side], side) for side in texts}
        lengths = {
            side: np.fromiter(map(len, pieces[side]), np.int32, len(table)) for side in texts
        }
        keep = np.maximum(lengths["src"], lengths["tgt"]) <= (
            self.max_pieces if self.drop else np.inf
        )
        self.written += int(keep.sum())
        self.dropped += int((~keep).sum())
        if self.sampling:
            columns: dict[str, pa.Array] = {
                side: table.column(side).combine_chunks() for side in texts
            }
            for side in texts:
                columns[f"{side}_pieces"] = pa.array(
                    self.expected(texts[side], lengths[side], side)
                )
        else:
            columns = {side: list_array(pieces[side]) for side in texts}
        return pa.table(columns, schema=self.features.arrow_schema).filter(pa.array(keep))

    def expected(self, texts: list[str], lengths: np.ndarray, side: str) -> np.ndarray:
        """Lengths to expect of sampled segmentations, within max_pieces, [N] int32."""
        drawn = sum(
            len(self.tokenizer.sample(text, side, self.sampling, seed))
            for seed, text in enumerate(texts[::PROBE])
        )
        ratio = drawn / max(1, int(lengths[::PROBE].sum()))
        return np.clip(np.ceil(lengths * ratio), None, self.max_pieces).astype(np.int32)


def chunked(pairs: Iterable[Pair]) -> Iterator[list[Pair]]:
    iterator = iter(pairs)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def text_table(pairs: Sequence[Pair]) -> pa.Table:
    src, tgt = zip(*pairs, strict=True)
    return pa.table(
        {"src": pa.array(src, pa.string()), "tgt": pa.array(tgt, pa.string())},
        schema=RAW.arrow_schema,
    )


def write(path: Path, features: Features, tables: Iterable[pa.Table]) -> None:
    """Write an Arrow file that `datasets` maps; its schema carries the features."""
    with (
        pa.OSFile(str(path), "wb") as sink,
        pa.ipc.new_stream(sink, features.arrow_schema) as writer,
    ):
        for table in tables:
            writer.write_table(table.combine_chunks())


def read_chunks(path: Path) -> Iterator[pa.Table]:
    data = open_arrow(path).data
    for start in range(0, len(data), CHUNK):
        yield data.slice(start, CHUNK).table


def lines_of(texts: Sequence[Path], side: str) -> Iterator[str]:
    """One side of the cleaned text of all sources."""
    return (
        line
        for path in texts
        for table in read_chunks(path)
        for line in table.column(side).to_pylist()
    )


def read_annotations(path: Path) -> list[Annotation]:
    return (
        [Annotation(*each) for each in json.loads(path.read_text(encoding="utf-8"))]
        if path.exists()
        else []
    )


def read_pairs(path: Path) -> list[Pair]:
    data = open_arrow(path).data
    return list(zip(data.column("src").to_pylist(), data.column("tgt").to_pylist(), strict=True))
