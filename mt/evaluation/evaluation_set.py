"""The text that a run is evaluated on: from files, from what mt-train left in the run, or from its corpus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mt.cli import say
from mt.config.schema import Config
from mt.data.corpus import load_corpus
from mt.data.readers import read_lines
from mt.evaluation.evaluation import check_lines
from mt.run_folder import RunFolder


class EvaluationSet(NamedTuple):
    """What a run translates: line i of each list belongs together. Lines of `links` and `constructions` are as mt-train stores them."""

    sources: list[str]
    references: list[list[str]]
    links: list[str] | None
    constructions: list[str] | None


def stored_test(run: RunFolder) -> EvaluationSet | None:
    """Return the test set that mt-train left in the run; None if there is none."""
    paths = {
        name: run.test_file(name) for name in ("sources", "references", "links", "constructions")
    }
    if not (paths["sources"].is_file() and paths["references"].is_file()):
        return None
    found = [name for name, path in paths.items() if path.is_file()]
    files = dict(zip(found, read_parallel([str(paths[name]) for name in found]), strict=True))
    return EvaluationSet(
        files["sources"], [files["references"]], files.get("links"), files.get("constructions")
    )


def corpus_part(config: Config, split: str, run: str) -> EvaluationSet:
    """Validation or test set of a run's configuration, from where it was read in training."""
    corpus = load_corpus(config.data)
    part = corpus.val if split == "val" else corpus.test
    pairs = list(part.pairs())
    for note in corpus.notes:
        say(note)
    check_lines({f"the {split} set of {run}": pairs})
    sources, references = [source for source, _ in pairs], [target for _, target in pairs]
    annotations = list(part.annotations()) if part.annotations else []
    columns = [
        list(column) if any(column) else None for column in zip(*annotations, strict=True)
    ] or [None, None]
    return EvaluationSet(sources, [references], *columns)


def read_parallel(paths: Sequence[str]) -> list[list[str]]:
    """The lines of files that belong together line by line."""
    files = [list(read_lines(Path(path))) for path in paths]
    check_lines(dict(zip(paths, files, strict=True)))
    return files
