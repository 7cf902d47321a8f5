"""Annotations of the test of a run, and extra test sets, translated once and stored in the run."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from omegaconf import OmegaConf

from mt.comparison.stored_lines import read_stored, store
from mt.comparison.systems import SystemRun
from mt.config.compose import check_keys, parse_overrides
from mt.config.schema import Config, DataConfig
from mt.config.yaml import to_config
from mt.data.annotations import Decider, parse_deciders
from mt.data.corpus import load_test_set
from mt.data.digests import file_digest
from mt.data.links import Links, parse_lines
from mt.data.tags import add_tag, split_tags
from mt.data.text_files import read_lines
from mt.errors import MTError, UsageError
from mt.files import write_lines
from mt.progress_display import Progress
from mt.run_folder import RunFolder


@dataclass(frozen=True)
class TestText:
    """The text of a test set. Line i of each list belongs together."""

    __test__ = False  # not a test for pytest

    name: str
    sources: list[str]
    references: list[str]
    links: list[Links] | None  # gold alignments, if there are any
    constructions: list[list[str]] | None  # names of those in each sentence, if there are any
    tags: list[str] | None = None  # of the sources; None: the default of each run

    @property
    def hash(self) -> str:
        lines = map(add_tag, self.sources, self.tags) if self.tags else self.sources
        text = "\n".join(lines).encode("utf-8", "surrogateescape")
        return hashlib.blake2b(text, digest_size=6).hexdigest()


def with_test_set(config: Config, name: str, overrides: Sequence[str]) -> Config:
    """Apply the overrides of the test set called `name` to a configuration.

    Raises UsageError if one is not of `data.test.*`.
    """
    check_keys(list(overrides))
    composed = OmegaConf.create(dataclasses.asdict(config))
    for override in parse_overrides(overrides):
        if not override.key_or_group.startswith("data.test."):
            raise UsageError(
                f"the test set {name} sets {override.key_or_group}: "
                "a test set is made of overrides of data.test.*"
            )
        OmegaConf.update(composed, override.key_or_group, override.value())
    return to_config(composed)


def read_test_text(data: DataConfig, name: str) -> TestText:
    """Read the text of `data.test`. Raises MTError if that is not possible, or if it is empty."""
    part = load_test_set(data)
    pairs = list(part.pairs())
    if not pairs:
        raise MTError(f"the test set {name} is empty: check its data.test.*")
    annotations = list(part.annotations()) if part.annotations else []
    lines = [annotation.links for annotation in annotations]
    links = parse_lines(lines, f"the gold links of the test set {name}") if any(lines) else None
    constructions = [annotation.constructions.split() for annotation in annotations]
    tags, sources = split_tags(source for source, _ in pairs)
    return TestText(
        name,
        sources,
        [target for _, target in pairs],
        links,
        constructions if any(constructions) else None,
        tags if any(tags) else None,
    )


def translate_test_text(
    folder: RunFolder, config: Config, text: TestText, say: Callable[[str], None]
) -> list[str]:
    """Translate with the beam of the run's own test (`trainer.test_beam`).

    Translations that are stored in the run directory are used again if text and model are the same.
    """
    from mt.decoding.load import load
    from mt.decoding.options import SearchOptions
    from mt.decoding.tagged_lines import translate_tagged

    beam = config.trainer.test_beam
    if not folder.model.is_file():
        raise MTError(
            f"{folder} has no {folder.model.name} to translate the test set {text.name} with"
        )
    key = hashlib.blake2b(
        f"{text.hash} {file_digest(folder.model)} {beam}".encode(), digest_size=6
    ).hexdigest()
    stem = folder.extra_tests / f"{text.name}-{key}"
    path = stem.with_name(f"{stem.name}.hypotheses.txt")
    if len(stored := read_stored(folder, path) or []) == len(text.sources):
        return stored
    say(
        f"translating the test set {text.name} ({len(text.sources):,} sentences) "
        f"with {folder}, beam {beam}"
    )
    started = time.monotonic()
    translator = load(
        folder.path,
        config.trainer.device,
        config.trainer.precision,
        workers=0,
        options=SearchOptions(beam=beam),
        tag=text.tags[0] if text.tags else None,
    )
    tags = text.tags or [translator.tag] * len(text.sources)
    with Progress("translating", len(text.sources)) as progress:
        hypotheses = translate_tagged(translator, text.sources, tags, progress.add)
    say(f"translated in {time.monotonic() - started:.1f} s")
    write_lines(stem.with_name(f"{stem.name}.sources.txt"), text.sources)
    write_lines(stem.with_name(f"{stem.name}.references.txt"), text.references)
    store(folder, path, hypotheses)  # last: the file marks the end
    return hypotheses


def read_annotations(
    run: SystemRun, sources: Sequence[str], references: Sequence[str], say: Callable[[str], None]
) -> tuple[list[Links] | None, list[list[str]] | None, list[list[Decider]] | None]:
    """Read gold links, constructions and deciding words that mt-train left beside its test.

    None for what it has not left. Deciding words of the embedded corpus, which earlier versions did
    not store, come from the corpus then, provided that it still has the same text.
    """
    lines: dict[str, list[str] | None] = {}
    for name in ("links", "constructions", "deciders"):
        path = run.folder.test_file(name)
        run.folder.check(path)
        lines[name] = list(read_lines(path)) if path.is_file() else None
    links, constructions, deciders = lines.values()
    if deciders is None and run.config is not None and run.config.data.test.demo:
        say(f"finding the deciding words of the test set, which {run.folder} does not have")
        deciders = _find_deciders(run.config.data, sources, references)
    return (
        None if links is None else parse_lines(links, str(run.folder.test_file("links"))),
        None if constructions is None else [line.split() for line in constructions],
        None if deciders is None else [parse_deciders(line) for line in deciders],
    )


def _find_deciders(
    data: DataConfig, sources: Sequence[str], references: Sequence[str]
) -> list[str] | None:
    part = load_test_set(data)
    pairs = islice(part.pairs(), len(sources))
    if part.annotations is None or list(pairs) != list(zip(sources, references, strict=True)):
        return None
    return [annotation.deciders for annotation in islice(part.annotations(), len(sources))]
