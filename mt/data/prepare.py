"""Prepared training data, from the cache or prepared once.

A cache folder, whose name is a hash of what shapes its content (`mt.data.cache_key`), is written
under a temporary name and renamed, under a lock, so that it is either complete or absent. If
several processes start together, one prepares the corpus while the others wait.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mt.config.data_schema import MAIN_VAL_SET
from mt.config.schema import Config, DataConfig, TokenizerConfig
from mt.config.setting import AUTO_NUMBER
from mt.data.annotations import Annotation, read_annotations
from mt.data.arrow_files import Pair, read_pairs
from mt.data.cache_key import cache_folder, cache_key
from mt.data.corpus import RawCorpus, check_weights, load_corpus
from mt.data.empty_sides import describe_empty_sides
from mt.data.language_names import describe_code
from mt.data.locks import hold_lock
from mt.data.pipeline import ANNOTATIONS, REPORT, Log, Pipeline, set_files, set_name
from mt.data.prepared_corpus import check_start, open_prepared
from mt.data.table import PairTable
from mt.data.tagged_pairs import remove_tags
from mt.data.tags import split_tags
from mt.data.tokenizer import Tokenizer
from mt.data.training_text import TrainingText, measure_training_text
from mt.data.validation_set import ValidationSet
from mt.errors import MTError
from mt.files import write_text
from mt.run_files import WORD_COUNTS
from mt.run_folder import RunFolder
from mt.worker_pool import MapInOrder

UNKNOWN_LANGUAGES = (
    "note: data.src_lang or data.tgt_lang is not set (en, de, ...); they select the rules that "
    "split text into sentences and the tokenizer of BLEU, and name the languages in exports"
)


@dataclass
class PreparedData:
    """The data of a training run."""

    tokenizer: Tokenizer
    train: list[PairTable]  # one for each source, with its weight
    val_sets: list[ValidationSet]  # data.val, and those of data.val_sets
    test_pairs: list[Pair]  # raw text, never filtered, without tags
    test_tags: list[str]  # of each pair; "": none
    test_annotations: list[Annotation]  # one for each test pair, or empty
    report: list[str]  # what was read, dropped and written, for the user
    hash: str  # identifies content and settings
    # Files of `mt.run_folder.WORD_COUNTS`: source and target side of the cleaned training text.
    word_counts: list[Path]
    text: TrainingText

    @property
    def val(self) -> ValidationSet:
        """The set of data.val."""
        return self.val_sets[0]

    @property
    def folder(self) -> Path:
        """The folder in the cache."""
        return self.word_counts[0].parent


def prepare_run(config: Config, log: Log, map_calls: MapInOrder | None = None) -> PreparedData:
    """Load or prepare the data of a run.

    Fine-tuning uses the tokenizer of the run it starts from; `mt.training.fine_tuning` gives
    `config` the settings of that tokenizer.
    """
    return prepare(config.data, log, start_tokenizer(config), map_calls)


def start_tokenizer(config: Config) -> Tokenizer | None:
    """Return the tokenizer of the run that fine-tuning starts from; None without one."""
    if not config.trainer.init_from:
        return None
    tokenizer = Tokenizer.load(RunFolder.at(config.trainer.init_from).path)
    return tokenizer.with_languages(*config.data.languages())


def prepare(
    config: DataConfig,
    log: Log,
    tokenizer: Tokenizer | None = None,
    map_calls: MapInOrder | None = None,
) -> PreparedData:
    """Load prepared data from the cache, or prepare it first.

    A given `tokenizer` is used, or extended, instead of training one. `map_calls` is that of
    `Pipeline`. Nothing depends on the seed of a run, so that runs with different seeds share
    vocabulary and cache. Raises MTError if the corpus cannot be read or no training pair is left.
    """
    try:
        folder = find_folder(config, log, tokenizer, map_calls)
    except OSError as error:
        raise MTError(
            f"cannot write the prepared corpus, {error.filename or cache_folder(config)}: "
            f"{error.strerror or error}; free disk space there or set data.cache"
        ) from error
    sources = [("train", config.train), *config.mix.items()]
    weights = [split.weight for _, split in sources]
    tags = ["", config.direction_tags()[1]] if config.both_directions else [""]
    languages = [config.languages(tag)[0] for tag in tags for _ in weights]
    names = [MAIN_VAL_SET, *config.val_sets]
    data = load_prepared(folder, len(tags) * weights, languages, names)
    data.report += describe_vocabulary(config.tokenizer, data.tokenizer) if not tokenizer else []
    data.report.append(data.text.report())
    if "src" in config.languages() or "tgt" in config.languages():
        data.report.append(UNKNOWN_LANGUAGES)
    data.report += describe_code("data.src_lang", config.src_lang)
    data.report += describe_code("data.tgt_lang", config.tgt_lang)
    for split, pairs in zip(
        ["val", "test", *(f"val_sets.{name}" for name in config.val_sets)],
        [data.val.pairs, data.test_pairs, *(each.pairs for each in data.val_sets[1:])],
        strict=True,
    ):
        data.report += describe_empty_sides(set_name(split), f"data.{split}", pairs)
    data.report += [
        f"{name}: each pair is seen {split.weight:g} times an epoch"
        for name, split in sources
        if split.weight != 1
    ]
    return data


def find_folder(
    config: DataConfig, log: Log, tokenizer: Tokenizer | None, map_calls: MapInOrder | None
) -> Path:
    """Return the folder of a prepared corpus: data.prepared, or one of the cache."""
    if config.prepared:
        check_weights(config)
        check_start(config, tokenizer)
        return open_prepared(config, log)
    corpus = load_corpus(config)
    root = cache_folder(config)
    root.mkdir(parents=True, exist_ok=True)
    return prepare_folder(root, config, corpus, log, tokenizer, map_calls)


def prepare_folder(
    root: Path,
    config: DataConfig,
    corpus: RawCorpus,
    log: Log,
    tokenizer: Tokenizer | None,
    map_calls: MapInOrder | None,
) -> Path:
    """Return the cache folder of a corpus; prepare the corpus if there is none.

    If the size of the vocabulary is chosen by the text, or the text does not support the largest
    automatic one, the folder is that of the chosen size, which is noted beside the cache folders.
    """
    folder = root / cache_key(config, corpus, tokenizer)
    note = folder.with_suffix(".vocabulary")
    automatic = not tokenizer and not config.tokenizer.vocab_size
    limit = config.tokenizer.max_vocab_size
    with hold_lock(folder.with_suffix(".lock"), log):
        known = read_note(note) if automatic else 0
        if known and (limit == AUTO_NUMBER or known < limit):
            chosen = set_vocabulary(config, known)
            return prepare_folder(root, chosen, corpus, log, None, map_calls)
        if folder.exists():
            return folder
        log(f"preparing the corpus once; it is cached in {root}")
        unfinished = folder.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)  # left by a process that was killed
        unfinished.mkdir()
        try:
            pipeline = Pipeline(config, log, unfinished, map_calls)
            size = pipeline.run(corpus, tokenizer).vocab_size()
            if not automatic or size == limit:
                os.replace(unfinished, folder)
                return folder
            reduced = root / cache_key(set_vocabulary(config, size), corpus, None)
            with hold_lock(reduced.with_suffix(".lock"), log):
                if not reduced.exists():
                    os.replace(unfinished, reduced)
            write_text(note, f"{size}\n")
            return reduced
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def read_note(path: Path) -> int:
    """Return the vocabulary size that a file holds; 0 if there is none, or it is damaged."""
    try:
        return int(path.read_bytes())
    except (OSError, ValueError):
        return 0


def set_vocabulary(config: DataConfig, size: int) -> DataConfig:
    """Return the settings with a given vocabulary size."""
    return replace(config, tokenizer=replace(config.tokenizer, vocab_size=size))


def record_vocabulary(config: Config, data: PreparedData) -> Config:
    """Return the settings of a run with the vocabulary size that it uses, if it is automatic."""
    given = config.data.tokenizer
    size = given.vocab_size or data.tokenizer.vocab_size()
    largest = size if given.max_vocab_size == AUTO_NUMBER else given.max_vocab_size
    tokenizer = replace(given, vocab_size=size, max_vocab_size=largest)
    return replace(config, data=replace(config.data, tokenizer=tokenizer))


def describe_vocabulary(config: TokenizerConfig, tokenizer: Tokenizer) -> list[str]:
    """Return a message if an automatic vocabulary is smaller than its largest size."""
    size = tokenizer.vocab_size()
    if config.vocab_size or size == config.max_vocab_size:
        return []
    if config.max_vocab_size == AUTO_NUMBER:
        return [f"auto: data.tokenizer.vocab_size={size}: by the amount of text"]
    return [
        f"note: {size:,} pieces are the most that this text supports "
        f"(data.tokenizer.max_vocab_size={config.max_vocab_size})"
    ]


def load_prepared(
    folder: Path, weights: Sequence[float], languages: Sequence[str], val_names: Sequence[str]
) -> PreparedData:
    """Open a complete cache folder.

    `weights` and `languages` are those of the training tables, in order, the language that of the
    source side. `val_names` are the names of the validation sets, that of data.val first.
    """
    tokenizer = Tokenizer.load(folder)
    train = [
        PairTable.load(folder / f"train.{index}.arrow", weight)
        for index, weight in enumerate(weights)
    ]
    val_file, test_file, *more_files = set_files(len(val_names) - 1)
    test = read_pairs(folder / f"{test_file}.text.arrow")
    return PreparedData(
        tokenizer=tokenizer,
        train=train,
        val_sets=[
            ValidationSet.load(name, folder, file)
            for name, file in zip(val_names, [val_file, *more_files], strict=True)
        ],
        test_pairs=remove_tags(test),
        test_tags=split_tags(source for source, _ in test)[0],
        test_annotations=read_annotations(folder / ANNOTATIONS),
        report=json.loads((folder / REPORT).read_text(encoding="utf-8")),
        hash=folder.name,
        word_counts=[folder / name for name in WORD_COUNTS.values()],
        text=measure_training_text(train, tokenizer, languages),
    )


def read_prepared_split(
    config: DataConfig, split: str, log: Log
) -> tuple[list[Pair], list[Annotation]]:
    """Read the pairs of a validation or test set of data.prepared, and their annotations, if any.

    `split` is val, test or a name of data.val_sets. Sources have their tags.
    """
    folder = open_prepared(config, log)
    names = [MAIN_VAL_SET, "test", *config.val_sets]
    file = dict(zip(names, set_files(len(config.val_sets)), strict=True))[split]
    annotations = read_annotations(folder / ANNOTATIONS) if split == "test" else []
    return read_pairs(folder / f"{file}.text.arrow"), annotations
