"""The steps that turn a corpus into a cache folder: cleaning, tokenizer training, encoding."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from operator import ne
from pathlib import Path

import pyarrow as pa

from mt.config.schema import DataConfig
from mt.data.arrow_files import (
    TEXT,
    Pair,
    list_side,
    open_arrow,
    read_chunks,
    read_side,
    text_tables,
    write_arrow,
)
from mt.data.cleaning.cleaner import EXAMPLES, Cleaner, show_examples, warn_of_many
from mt.data.cleaning.corpus_cleaning import clean_corpus
from mt.data.cleaning.corpus_facts import SAMPLE_PAIRS
from mt.data.corpus import RawCorpus
from mt.data.empty_sides import describe_empty_sides
from mt.data.encoding import PairEncoder
from mt.data.links import check_gold, parse_lines
from mt.data.noise import Noise
from mt.data.normalisation import Normaliser
from mt.data.sources import PairSource
from mt.data.symbols import Symbols
from mt.data.tagged_pairs import (
    add_default_tag,
    check_known_tags,
    describe_tags,
    remove_tags,
    reverse_table,
)
from mt.data.tags import add_tag, split_tag
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_extension import SIDES, extend_tokenizer
from mt.data.word_counts import count_training_words, save_counts
from mt.device import count_cores
from mt.errors import MTError
from mt.files import write_text
from mt.progress_display import Progress
from mt.run_files import WORD_COUNTS
from mt.worker_pool import MapInOrder, map_in_order, may_fork

ANNOTATIONS = "test.annotations.json"
REPORT = "report.json"
HELD_OUT_NAMES = {"val": "validation", "test": "test"}

Log = Callable[[str], None]


def set_name(key: str) -> str:
    """Return the name in messages of the set of data.val, data.test or data.val_sets.NAME."""
    return HELD_OUT_NAMES.get(key) or f"validation ({key.partition('.')[2]})"


def set_files(val_sets: int) -> list[str]:
    """Return the beginnings of the names of files, in the order of `RawCorpus.held_out`.

    What is written depends on the order of data.val_sets, but not on the names.
    """
    return ["val", "test", *(f"val.{index}" for index in range(val_sets))]


class Pipeline:
    """Write one cache folder.

    Training text passes through in chunks, so that memory does not grow with the corpus.
    `map_calls` shares the chunks, by default among `data.workers` processes, and makes no
    difference to the files.
    """

    def __init__(
        self, config: DataConfig, log: Log, folder: Path, map_calls: MapInOrder | None = None
    ) -> None:
        self.config, self.log, self.folder = config, log, folder
        self.normaliser = Normaliser.from_config(config.clean)
        self.report: list[str] = []
        workers = (config.workers or count_cores()) if may_fork() else 1
        self.map_calls = map_calls or partial(map_in_order, workers)

    def run(self, corpus: RawCorpus, tokenizer: Tokenizer | None) -> Tokenizer:
        """Run all steps and return the tokenizer, which is trained unless one is given."""
        held_out = {
            split: self._read_held_out(split, source) for split, source in corpus.held_out().items()
        }
        files = dict(zip(held_out, set_files(len(corpus.val_sets)), strict=True))
        for split, pairs in held_out.items():
            if not pairs:
                raise MTError(f"the {set_name(split)} corpus is empty: check data.{split}")
            # Raises an error if all are empty.
            describe_empty_sides(set_name(split), f"data.{split}", remove_tags(pairs))
        self._write_annotations(corpus.test, remove_tags(held_out["test"]))
        texts, tags = self._clean(corpus.train, remove_tags(chain(*held_out.values())))
        if corpus.reversed_tag:
            tags.append(corpus.reversed_tag)
            self.report.append(f"each pair is also seen reversed, with {corpus.reversed_tag}")
        if tokenizer and not self.config.tokenizer.extend:
            check_known_tags(tags, tokenizer)
        for split, pairs in held_out.items():
            held_out[split] = add_default_tag(
                pairs, tags, split, tokenizer.tags if tokenizer else ()
            )
            path = self.folder / f"{files[split]}.text.arrow"
            write_arrow(path, TEXT, text_tables(held_out[split]))
        tokenizer = self._make_tokenizer(tokenizer, texts, {*tags, *self.config.tokenizer.tags})
        tokenizer.save(self.folder)
        self._report_vocabulary(tokenizer)
        for side, name in WORD_COUNTS.items():
            save_counts(self.folder / name, self._count_words(texts, side))
        self._encode_training(tokenizer, texts, corpus.reversed_tag)
        for split in (each for each in held_out if each != "test"):
            path = self.folder / f"{files[split]}.arrow"
            self._encode_validation(tokenizer, held_out[split], path)
        self.report += corpus.notes
        self.report.append(
            "; ".join(f"{set_name(split)} pairs: {len(held_out[split]):,}" for split in held_out)
        )
        report = json.dumps(self.report, ensure_ascii=False, indent=1)
        write_text(self.folder / REPORT, report)
        return tokenizer

    def _read_held_out(self, split: str, source: PairSource) -> list[Pair]:
        """Return a held-out set as read, but without the escapes that training text has not.

        The model never writes them, so that references with escapes could not be matched.
        """
        undo, pairs = self.normaliser.undo_escapes, list(source.pairs())
        plain = [(undo(src), undo(tgt)) for src, tgt in pairs]
        if changed := sum(map(ne, plain, pairs)):
            self.report.append(
                f"{set_name(split)} pairs with HTML entities or Moses escapes, which were "
                f"undone (data.clean.unescape): {changed:,}"
            )
        return plain

    def _write_annotations(self, test: PairSource, pairs: list[Pair]) -> None:
        """Check and write the annotations of the test set.

        Errors in gold alignments show here, not after training.
        """
        if not test.annotations:
            return
        annotations = list(test.annotations())
        links = parse_lines((annotation.links for annotation in annotations), "data.test.links")
        check_gold(links, list(self._normalised(pairs)), "data.test.links")
        text = json.dumps(annotations, ensure_ascii=False)
        write_text(self.folder / ANNOTATIONS, text)

    def _clean(
        self, sources: Sequence[PairSource], held_out: list[Pair]
    ) -> tuple[list[Path], list[str]]:
        """Write the cleaned text of each source; duplicates are found across sources.

        Returns the files, and the tags of the text with "" if some has none.
        """
        sample = chain.from_iterable(islice(source.pairs(), SAMPLE_PAIRS) for source in sources)
        cleaner = Cleaner(self.config.clean, held_out, sample, self.config.languages())
        paths = [self.folder / f"train.{index}.text.arrow" for index in range(len(sources))]
        numbers = clean_corpus(
            cleaner,
            [source.pairs() for source in sources],
            paths,
            self.map_calls,
            lambda tables: count_rows(tables, "cleaning", "pairs cleaned"),
        )
        self.report += [
            f"{source.name}: {read:,} pairs read, {kept:,} kept after cleaning"
            for source, (read, kept) in zip(sources, numbers, strict=True)
        ]
        self.report += cleaner.report()
        if any(cleaner.tags):
            self.report.append(f"training pairs by tag: {describe_tags(cleaner.tags)}")
        counts = cleaner.counts
        if not counts["kept"]:
            reasons = ", ".join(
                f"{count:,} {step}" for step, count in cleaner.dropped().items() if count
            )
            overlap = cleaner.dropped()["overlap"]
            check = "check data.train and data.clean"
            if 2 * overlap > counts["read"]:
                check = (
                    f"{overlap:,} are in data.val or data.test, by source or target: give "
                    "validation and test sets of other text"
                )
            raise MTError(
                f"no training pair is left after cleaning: {counts['read']:,} read "
                f"({reasons or 'the corpus is empty'}); {check}"
            )
        return paths, list(cleaner.tags)

    def _count_words(self, texts: Sequence[Path], side: str) -> Counter[str]:
        """Count the words of one side of the cleaned text."""
        counts: Counter[str] = Counter()
        tables = (table.select([side]) for path in texts for table in read_chunks(path))
        for part in self.map_calls(
            lambda table: count_training_words(list_side(table, side)),
            ((table,) for table in tables),
        ):
            counts.update(part)
        return counts

    def _make_tokenizer(
        self, given: Tokenizer | None, texts: list[Path], tags: set[str]
    ) -> Tokenizer:
        """Train a tokenizer, unless one is given, or extend that."""
        config = self.config.tokenizer
        if given and not config.extend:
            return given
        self.log("extending the vocabulary" if given else "training the tokenizer")
        symbols = given.symbols if given else Symbols.from_config(config)
        noise = Noise(self.config.noise, symbols)

        def lines(side: str) -> Callable[[], Iterable[str]]:
            return lambda: noise.one_side(read_side(texts, side), side)

        if given:
            extended = extend_tokenizer(given, {s: lines(s) for s in SIDES}, config, tags)
            check_known_tags(tags, extended)
            return extended
        return Tokenizer.train(lines("src"), lines("tgt"), config, tags=sorted(tags - {""}))

    def _report_vocabulary(self, tokenizer: Tokenizer) -> None:
        sides = ("src",) if tokenizer.joint else ("src", "tgt")
        sizes = " + ".join(f"{tokenizer.vocab_size(side):,}" for side in sides)
        layout = "joint" if tokenizer.joint else "separate"
        self.report.append(f"vocabulary: {sizes} {tokenizer.kind} pieces, {layout}")

    def _encode_training(self, tokenizer: Tokenizer, texts: list[Path], reversed_tag: str) -> None:
        """Replace each file of cleaned text by its encoded table.

        With `reversed_tag`, the tables of all reversed pairs follow. Pairs are cleaned before they
        are reversed, so that what holds for one direction does for the other.
        """
        max_pieces, sampling = self.config.max_pieces, self.config.tokenizer.sampling
        noise = Noise(self.config.noise, tokenizer.symbols)
        encoder = PairEncoder(tokenizer, max_pieces, sampling, noise)
        streams = [read_chunks(path) for path in texts]
        if reversed_tag:
            streams += [map(partial(reverse_table, reversed_tag), read_chunks(p)) for p in texts]
        read = len(streams) // len(texts) * sum(len(open_arrow(path)) for path in texts)
        written = 0
        examples: list[Pair] = []

        def encode(stream: Iterable[pa.Table]) -> Iterator[pa.Table]:
            for table, long in self.map_calls(encoder.encode, ((table,) for table in stream)):
                examples.extend(long[: EXAMPLES - len(examples)])
                yield table

        for index, stream in enumerate(streams):
            tables = count_rows(encode(stream), "encoding", "pairs encoded")
            written += write_arrow(self.folder / f"train.{index}.arrow", encoder.schema, tables)
        for path in texts:
            path.unlink()
        dropped = read - written
        description = f"with a side over {max_pieces:,} pieces"
        self.report += [
            f"dropped, {description} (data.max_pieces): {dropped:,}; training pairs: {written:,}",
            *show_examples(examples),
            *warn_of_many(dropped, read, description, "data.max_pieces"),
        ]
        if not written:
            raise MTError(
                f"no training pair is left: all {dropped:,} are over data.max_pieces={max_pieces}"
            )

    def _encode_validation(self, tokenizer: Tokenizer, pairs: list[Pair], path: Path) -> None:
        """Encode all validation pairs, however long.

        The validation loss then covers the same text whatever `max_pieces` is.
        """
        encoder = PairEncoder(tokenizer, max_pieces=None, sampling=0.0)
        tables = map(encoder, text_tables(self._normalised(pairs)))
        write_arrow(path, encoder.schema, tables)

    def _normalised(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Yield pairs with normalised text; sources keep their tags."""
        for tagged, target in pairs:
            tag, source = split_tag(tagged)
            yield add_tag(self.normaliser(source), tag), self.normaliser(target)


def count_rows(tables: Iterable[pa.Table], label: str, unit: str) -> Iterator[pa.Table]:
    """Yield tables, and show how many rows they have had."""
    with Progress(label, unit=unit) as progress:
        for table in tables:
            yield table
            progress.add(len(table))
