"""From the data section of the configuration to streams of sentence pairs: training corpora, validation, test."""

from __future__ import annotations

import functools
import hashlib
import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

from mt.config.schema import DataConfig, SplitConfig
from mt.data import readers
from mt.data.annotations import Annotation, turned
from mt.data.cleaning import normalise, text_hash
from mt.errors import MTError, UsageError

HOLDOUT_SHARE = 0.05  # of the training corpus, at most, for each held-out part
HUB_SPLITS = {"train": "train", "val": "validation", "test": "test"}


@dataclass
class PairSource:
    """A corpus. `pairs()` starts a new stream of (source, target); `fingerprint()` changes when what it gives changes.

    `annotations`, where there are any, gives one for each pair, in the same order.

    A fingerprint reads the files' bytes once, but decodes nothing: seconds for tens of millions of
    lines.
    """

    name: str
    weight: float
    pairs: Callable[[], Iterator[tuple[str, str]]]
    fingerprint: Callable[[], str]
    annotations: Callable[[], Iterator[Annotation]] | None = None


@dataclass
class RawCorpus:
    """All text of a run, as it was read: not normalised, not filtered.

    `notes` is what the user should be told; it is complete when the pairs have been read.
    """

    train: list[PairSource]
    val: PairSource
    test: PairSource
    notes: list[str] = field(default_factory=list)


def load_corpus(config: DataConfig) -> RawCorpus:
    """Open everything that the configuration names; files are checked to be there, but not read yet.

    Raises UsageError for settings that contradict each other, MTError for text that cannot be had.
    """
    notes: list[str] = []

    def note(text: str) -> None:
        if text not in notes:  # streams start more than once
            notes.append(text)

    if not kinds(config.train):
        raise UsageError(
            "no training text: set data.train.src and data.train.tgt (text files), data.train.file (.tsv, .jsonl, .tmx), "
            "data.train.hub (Hugging Face data set) or data.train.demo (number of generated pairs)"
        )
    train = _open("train", "train", config.train, config, note)
    mixed = [_open(name, f"mix.{name}", split, config, note) for name, split in config.mix.items()]
    for name, split in [("train", config.train), *config.mix.items()]:
        if not split.weight > 0:
            raise UsageError(
                f"weight of training corpus {name} is {split.weight}; it must be over 0 (leave the corpus out instead)"
            )

    for part in ("val", "test"):
        if getattr(config, part).links and not kinds(getattr(config, part)):
            raise UsageError(
                f"data.{part}.links needs the text that it belongs to: set data.{part}.src and data.{part}.tgt, or file, or hub"
            )
    given = {
        part: getattr(config, part) for part in ("val", "test") if kinds(getattr(config, part))
    }
    parts = {part: _open(part, part, split, config, note) for part, split in given.items()}
    unset = tuple(part for part in ("val", "test") if part not in given)
    if unset:
        held_out = HeldOut(train, unset, config.holdout, note)
        parts |= {part: held_out.part(part) for part in unset}
        train = held_out.rest()
    return RawCorpus([train, *mixed], parts["val"], parts["test"], notes)


def kinds(split: SplitConfig) -> list[str]:
    """Which of the kinds of corpora a split sets: files, file, hub, demo."""
    named = {
        "src and tgt": split.src or split.tgt,
        "file": split.file,
        "hub": split.hub,
        "demo": split.demo,
    }
    return [kind for kind, value in named.items() if value]


def _open(
    name: str, key: str, split: SplitConfig, config: DataConfig, note: Callable[[str], None]
) -> PairSource:
    """The corpus of one split, limited and turned round as configured. `key` is train, val, test or mix.<name>."""
    role, key = key.partition(".")[0].replace("mix", "train"), f"data.{key}"
    chosen = kinds(split)
    if len(chosen) != 1:
        raise UsageError(
            f"{key} sets {' and '.join(chosen) or 'nothing'}: set exactly one of src and tgt, file, hub, demo "
            f"(to replace the text of a preset, clear it: {key}.hub='')"
        )
    if split.columns and len(split.columns) != 2:
        raise UsageError(
            f"{key}.columns needs two names, source and target, not {len(split.columns)}"
        )
    if split.limit < 0 or split.demo < 0:
        raise UsageError(f"{key}: limit and demo count pairs, they cannot be negative")
    columns = [str(column) for column in split.columns]
    languages = (config.src_lang, config.tgt_lang)
    annotations: Callable[[], Iterator[Annotation]] | None = None
    if split.demo:
        pairs, fingerprint, annotations = _demo(split, split.split or role)
    elif split.hub:
        pairs, fingerprint = _hub(role, split, columns, languages, config.offline)
    elif split.file:
        pairs, fingerprint = _both_sides(_paths(split.file), columns, languages, note)
    else:
        pairs, fingerprint = _text(key, _paths(split.src), _paths(split.tgt))
    parts = [fingerprint]
    if split.links:
        annotations = _links(key, split, _paths(split.links))
        parts += [functools.partial(file_digest, path) for path in _paths(split.links)]

    def limited(stream: Iterator[Item]) -> Iterator[Item]:
        return itertools.islice(stream, split.limit) if split.limit else stream

    def selected() -> Iterator[tuple[str, str]]:
        return (
            ((target, source) for source, target in limited(pairs()))
            if config.reverse
            else limited(pairs())
        )

    def annotated() -> Iterator[Annotation]:
        assert annotations is not None
        return map(turned, limited(annotations())) if config.reverse else limited(annotations())

    digest = cache(lambda: _digest(*(part() for part in parts), split.limit, config.reverse))
    return PairSource(name, split.weight, selected, digest, annotated if annotations else None)


Item = TypeVar("Item")
Opened = tuple[Callable[[], Iterator[tuple[str, str]]], Callable[[], str]]


def _text(key: str, sources: list[Path], targets: list[Path]) -> Opened:
    if len(sources) != len(targets):
        raise UsageError(
            f"{key}.src names {len(sources)} file(s), {key}.tgt {len(targets)}: they are paired one by one"
        )
    for path in (*sources, *targets):
        readers.check_file(path)

    def pairs() -> Iterator[tuple[str, str]]:
        for source, target in zip(sources, targets, strict=True):
            yield from readers.read_text_pair(source, target)

    return pairs, lambda: _digest(
        "text", [file_digest(path) for path in sources], [file_digest(path) for path in targets]
    )


def _both_sides(
    paths: list[Path], columns: list[str], languages: tuple[str, str], note: Callable[[str], None]
) -> Opened:
    file_kinds = [readers.file_kind(path) for path in paths]
    for path, kind in zip(paths, file_kinds, strict=True):
        readers.check_file(path)
        if kind == ".tsv":
            readers.tsv_columns(columns)

    def pairs() -> Iterator[tuple[str, str]]:
        for path in paths:
            yield from readers.read_file(path, columns, languages, note)

    return pairs, lambda: _digest(
        "file", file_kinds, [file_digest(path) for path in paths], columns, languages
    )


def _hub(
    role: str, split: SplitConfig, columns: list[str], languages: tuple[str, str], offline: bool
) -> Opened:
    from mt.data.hub import load_hub  # takes a second to import

    table = load_hub(
        split.hub,
        split.subset,
        split.split or HUB_SPLITS[role],
        split.revision,
        columns,
        languages,
        offline,
    )
    return lambda: iter(table), lambda: _digest("hub", table.fingerprint)


def _demo(
    split: SplitConfig, part: str
) -> tuple[
    Callable[[], Iterator[tuple[str, str]]], Callable[[], str], Callable[[], Iterator[Annotation]]
]:
    from mt.data import embedded_corpus

    def generate() -> Iterator[embedded_corpus.Pair]:
        return embedded_corpus.generate(
            part, split.demo, subset=split.subset or embedded_corpus.SUBSETS[0]
        )

    generate()  # a wrong name fails here
    return (
        lambda: ((pair.source, pair.target) for pair in generate()),
        lambda: _digest(
            "demo",
            embedded_corpus.fingerprint(),
            part,
            split.demo,
            split.subset or embedded_corpus.SUBSETS[0],
        ),
        lambda: (
            Annotation(pair.pharaoh, " ".join(sorted(pair.constructions))) for pair in generate()
        ),
    )


def _links(key: str, split: SplitConfig, paths: list[Path]) -> Callable[[], Iterator[Annotation]]:
    """Word alignments from files, one line a pair."""
    if key != "data.test" or split.demo:
        raise UsageError(
            f"{key}.links is not used: alignments are for a test set of your own (data.test.links)"
        )
    for path in paths:
        readers.check_file(path)
    return lambda: (Annotation(line, "") for path in paths for line in readers.read_lines(path))


def _paths(value: Any) -> list[Path]:
    """A path or a list of paths, as the configuration has them. Never split: file names may hold any character."""
    values = [] if not value else [value] if isinstance(value, str | int | Path) else list(value)
    return [Path(str(item)).expanduser() for item in values]


def file_digest(path: Path) -> str:
    """Content hash of a file's bytes."""
    with readers.open_raw(path) as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()  # type: ignore[arg-type]


def _digest(*parts: object) -> str:
    return hashlib.blake2b(
        repr(parts).encode("utf-8", "surrogateescape"), digest_size=16
    ).hexdigest()


class HeldOut:
    """Validation and test pairs taken out of a training corpus, by a hash of the source.

    Sources are ranked by the hash of their text (without regard to case, compatibility forms and
    spacing): a random order that depends on nothing but the text, so the same sentences are held
    out whatever their order in the files. Each part takes sources from the front, all pairs of a
    source together, until it has its number of pairs; a source repeated more often than fits stays
    in training. One streaming pass finds them, on first use; memory holds the candidates only.
    """

    def __init__(
        self, corpus: PairSource, parts: tuple[str, ...], size: int, note: Callable[[str], None]
    ) -> None:
        if size <= 0:
            raise UsageError(
                f"data.{parts[0]} is not set and data.holdout is {size}: set one of them"
            )
        self._corpus = corpus
        self._parts = parts
        self._size = size
        self._note = note

    def part(self, name: str) -> PairSource:
        return PairSource(
            name, 1.0, lambda: iter(self._selection[name]), lambda: self._fingerprint(name)
        )

    def rest(self) -> PairSource:
        """The corpus without what is held out."""

        def pairs() -> Iterator[tuple[str, str]]:
            keys = self._keys
            return (
                (s, t) for s, t in self._corpus.pairs() if _blank(s, t) or source_key(s) not in keys
            )

        return PairSource(
            self._corpus.name, self._corpus.weight, pairs, lambda: self._fingerprint("rest")
        )

    def _fingerprint(self, name: str) -> str:
        return _digest(self._corpus.fingerprint(), "held out", self._parts, self._size, name)

    @cached_property
    def _keys(self) -> set[int]:
        return {source_key(source) for pairs in self._selection.values() for source, _ in pairs}

    @cached_property
    def _selection(self) -> dict[str, list[tuple[str, str]]]:
        total, candidates = self._candidates()
        size = min(self._size, int(HOLDOUT_SHARE * total))
        if not size:
            raise MTError(
                f"{self._corpus.name} has {total} pairs, too few to hold out {' and '.join(self._parts)}: "
                f"set {' and '.join('data.' + part for part in self._parts)}"
            )
        selection: dict[str, list[tuple[str, str]]] = {part: [] for part in self._parts}
        for _, pairs in sorted(candidates.items()):
            for chosen in selection.values():
                if len(chosen) + len(pairs) <= size:
                    chosen.extend(pairs)
                    break
        counts = ", ".join(f"{len(pairs):,} pairs for {part}" for part, pairs in selection.items())
        self._note(
            f"held out of {self._corpus.name} by a hash of the source: {counts} (of {total:,})"
        )
        return selection

    def _candidates(self) -> tuple[int, dict[int, list[tuple[str, str]]]]:
        """The number of pairs, and the pairs of the sources that rank first: twice as many as can be needed."""
        capacity = 2 * self._size * len(self._parts)
        pairs_of: dict[int, list[tuple[str, str]]] = {}
        worst_first: list[int] = []  # a heap of negated keys
        total = 0
        for source, target in self._corpus.pairs():
            total += 1
            if _blank(source, target):
                continue
            key = source_key(source)
            if key in pairs_of:
                if (
                    len(pairs_of[key]) <= self._size
                ):  # one more than fits is enough to know that it does not fit
                    pairs_of[key].append((source, target))
            elif len(pairs_of) < capacity or key < -worst_first[0]:
                pairs_of[key] = [(source, target)]
                heapq.heappush(worst_first, -key)
                if len(pairs_of) > capacity:
                    del pairs_of[-heapq.heappop(worst_first)]
        return total, pairs_of


def source_key(source: str) -> int:
    """What makes two sources the same when parts are held out."""
    return text_hash(" ".join(normalise(source, "NFKC").casefold().split()))


def _blank(source: str, target: str) -> bool:
    return not source.strip() or not target.strip()
