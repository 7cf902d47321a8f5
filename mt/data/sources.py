"""Sources of sentence pairs: text files, files with both sides, hub data sets, generated text."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from mt.config.schema import DataConfig, SplitConfig
from mt.data import readers, text_files
from mt.data.annotations import Annotation, format_deciders
from mt.data.digests import digest, file_digest, file_digests
from mt.data.tags import MAX_TAGS, add_tag, check_tag
from mt.data.tsv_checks import describe_columns
from mt.errors import MTError, UsageError
from mt.files import expand_user

HUB_SPLITS = {"train": "train", "val": "validation", "test": "test"}
ROLES = {"mix": "train", "val_sets": "val"}  # setting that holds splits by name -> what they are

Item = TypeVar("Item")
PairStream = Callable[[], Iterator[tuple[str, str]]]
FieldStream = Callable[[], Iterator[tuple[str, ...]]]  # source, target, and the tag of a column
Fingerprint = Callable[[], str]
AnnotationStream = Callable[[], Iterator[Annotation]]


@dataclass
class PairSource:
    """A stream of sentence pairs that can be restarted.

    Each call of `pairs()` starts a new stream of (source, target); sources may have a tag in front
    (`mt.data.tags`), and none else is taken for one. `annotations()`, if available,
    yields one annotation for each pair, in the same order. `fingerprint()` changes whenever the
    pairs or the annotations do. It reads files as bytes without decoding them: seconds for tens of
    millions of lines.
    """

    name: str
    weight: float
    pairs: PairStream
    fingerprint: Fingerprint
    annotations: AnnotationStream | None = None


def source_kinds(split: SplitConfig) -> list[str]:
    """Return the kinds of text that a split configures: "src and tgt", "file", "hub", "demo"."""
    values = {
        "src and tgt": split.src or split.tgt,
        "file": split.file,
        "hub": split.hub,
        "demo": split.demo,
    }
    return [kind for kind, value in values.items() if value]


def open_source(
    name: str, key: str, split: SplitConfig, config: DataConfig, note: Callable[[str], None]
) -> PairSource:
    """Open the text of one split, limited and reversed as configured.

    `key` is train, val, test, mix.<name> or val_sets.<name>. Files are checked for existence but
    not read yet.
    """
    section = key.partition(".")[0]
    role, key = ROLES.get(section, section), f"data.{key}"
    _check(key, split)
    columns = [str(column) for column in split.columns]
    languages = (config.src_lang, config.tgt_lang)
    annotations: AnnotationStream | None = None
    pairs: FieldStream
    if split.demo:
        pairs, fingerprint, annotations = _open_demo(split, split.split or role)
    elif split.hub:
        pairs, fingerprint = _open_hub(role, split, columns, languages, config.offline, note)
    elif split.file:
        pairs, fingerprint = _open_files(
            key, _paths(split.file), columns, split.tag_column, languages, note
        )
    else:
        pairs, fingerprint = _open_text(key, _paths(split.src), _paths(split.tgt))
    fingerprints = [fingerprint]
    if split.links:
        annotations = _open_links(key, split, _paths(split.links))
        fingerprints += [functools.partial(file_digest, path) for path in _paths(split.links)]

    def limit(stream: Iterator[Item]) -> Iterator[Item]:
        return itertools.islice(stream, split.limit) if split.limit else stream

    tag_of = TagReader(key, split)

    def directed_pairs() -> Iterator[tuple[str, str]]:
        for source, target, *column in limit(pairs()):
            if config.reverse:
                source, target = target, source
            yield add_tag(source, tag_of(*column)), target

    def directed_annotations() -> Iterator[Annotation]:
        assert annotations is not None
        stream = limit(annotations())
        return map(Annotation.reversed, stream) if config.reverse else stream

    return PairSource(
        name,
        split.weight,
        directed_pairs,
        cache(
            lambda: digest(
                *(part() for part in fingerprints), split.limit, config.reverse, *tag_of.constant
            )
        ),
        directed_annotations if annotations else None,
    )


class TagReader:
    """Reads the tag of each pair of a split: a constant, or what a column holds."""

    def __init__(self, key: str, split: SplitConfig) -> None:
        self.name, self.tag = f"{key}.tag_column", check_tag(split.tag, f"{key}.tag")
        self.constant = [self.tag] if self.tag else []  # part of the fingerprint
        self._known: dict[str, str] = {}

    def __call__(self, value: str | None = None) -> str:
        """Return the tag that a column holds, or the constant one; "" is none."""
        if value is None:
            return self.tag
        if value not in self._known:
            self._known[value] = check_tag(value, self.name)
            if len(self._known) > MAX_TAGS:
                raise MTError(
                    f"{self.name} has more than {MAX_TAGS} different values: "
                    "it must be the column of the tags"
                )
        return self._known[value]


def _check(key: str, split: SplitConfig) -> None:
    """Raise UsageError if the settings of a split contradict each other."""
    kinds = source_kinds(split)
    if len(kinds) != 1:
        raise UsageError(
            f"{key} sets {' and '.join(kinds) or 'nothing'}: "
            "set exactly one of src and tgt, file, hub, demo "
            f"(to replace the text of a preset, clear it: {key}.hub='')"
        )
    if split.tag and split.tag_column:
        raise UsageError(f"set {key}.tag or {key}.tag_column, not both")
    if split.tag_column and kinds != ["file"]:
        raise UsageError(
            f"{key}.tag_column is a column of {key}.file, and the text of {key} is {kinds[0]}: "
            f"set {key}.tag, which is the same for all pairs"
        )
    if split.streaming and kinds != ["hub"]:
        raise UsageError(
            f"{key}.streaming is for {key}.hub, and the text of {key} is {kinds[0]}, which is "
            "always streamed: remove it"
        )
    if split.columns and len(split.columns) != 2:
        raise UsageError(
            f"{key}.columns must name two columns, source and target, got {len(split.columns)}"
        )
    for setting, value in (("limit", split.limit), ("demo", split.demo)):
        if value < 0:
            raise UsageError(f"{key}.{setting} must be >= 0, got {value}")


def _open_text(
    key: str, sources: list[Path], targets: list[Path]
) -> tuple[PairStream, Fingerprint]:
    if len(sources) != len(targets):
        raise UsageError(
            f"{key}.src and {key}.tgt must name equally many files, "
            f"got {len(sources)} and {len(targets)}"
        )
    for path in (*sources, *targets):
        text_files.check_file(path)

    def pairs() -> Iterator[tuple[str, str]]:
        for source, target in zip(sources, targets, strict=True):
            yield from readers.read_text_pair(source, target)

    return pairs, lambda: digest("text", *file_digests(sources, targets))


def _open_files(
    key: str,
    paths: list[Path],
    columns: list[str],
    tag_column: str,
    languages: tuple[str, str],
    note: Callable[[str], None],
) -> tuple[FieldStream, Fingerprint]:
    """Open files that hold both sides, and perhaps the tags."""
    kinds = [readers.file_kind(path) for path in paths]
    given = bool(columns)
    if tag_column:
        if len(set(kinds)) > 1 or kinds[0] not in readers.DEFAULT_COLUMNS:
            raise UsageError(
                f"a tag_column needs files of one kind, .tsv or .jsonl, got {', '.join(set(kinds))}"
            )
        columns = [*(columns or readers.DEFAULT_COLUMNS[kinds[0]] or languages), tag_column]
    for path, kind in zip(paths, kinds, strict=True):
        text_files.check_file(path)
        if kind == ".tsv":
            readers.tsv_columns(columns)

    def pairs() -> Iterator[tuple[str, ...]]:
        for path, kind in zip(paths, kinds, strict=True):
            if kind == ".tsv":
                numbers = readers.tsv_columns(columns)
                for message in describe_columns(path, numbers, f"{key}.columns", given):
                    note(message)
            yield from readers.read_file(path, columns, languages, note)

    versions = [f"{kind}{readers.VERSIONS.get(kind, '')}" for kind in kinds]
    return pairs, lambda: digest("file", versions, *file_digests(paths), columns, languages)


def _open_hub(
    role: str,
    split: SplitConfig,
    columns: list[str],
    languages: tuple[str, str],
    offline: bool,
    note: Callable[[str], None],
) -> tuple[PairStream, Fingerprint]:
    from mt.data.hub import load_hub  # slow to import: about a second

    part = split.split or HUB_SPLITS[role]
    table = load_hub(
        *(split.hub, split.subset, part, split.revision, columns, languages, offline),
        *(split.streaming, note),
    )
    return lambda: iter(table), lambda: digest("hub", table.fingerprint)


def _open_demo(split: SplitConfig, part: str) -> tuple[PairStream, Fingerprint, AnnotationStream]:
    from mt.data import embedded_corpus

    size, subset = split.demo, split.subset or embedded_corpus.SUBSETS[0]

    def generate() -> Iterator[embedded_corpus.Pair]:
        return embedded_corpus.generate(part, size, subset=subset)

    def annotate(pair: embedded_corpus.Pair) -> Annotation:
        constructions = " ".join(embedded_corpus.construction_names(pair))
        return Annotation(pair.pharaoh, constructions, format_deciders(pair.deciders))

    generate()  # raises at once if the split or subset does not exist
    return (
        lambda: ((pair.source, pair.target) for pair in generate()),
        lambda: digest("demo", embedded_corpus.fingerprint(), part, size, subset),
        lambda: map(annotate, generate()),
    )


def _open_links(key: str, split: SplitConfig, paths: list[Path]) -> AnnotationStream:
    """Open files of word alignments, one line for each pair."""
    if key != "data.test" or split.demo:
        raise UsageError(
            f"{key}.links is not used: "
            "gold alignments are for a test set from files or the hub (data.test.links)"
        )
    for path in paths:
        text_files.check_file(path)
    return lambda: (Annotation(line, "") for path in paths for line in text_files.read_lines(path))


def _paths(value: Any) -> list[Path]:
    """Return a configured path, or list of paths, as a list.

    A string is never split, because a file name may contain any character.
    """
    values = [] if not value else [value] if isinstance(value, str | int | Path) else list(value)
    return [expand_user(str(item)) for item in values]
