"""The text that a run is evaluated on: from files, from its run directory, or from its corpus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mt.cli import say
from mt.config.schema import Config, DataConfig
from mt.data.annotations import Annotation
from mt.data.corpus import load_corpus
from mt.data.links import Links, check_gold, parse_lines
from mt.data.normalisation import Normaliser
from mt.data.tags import default_tag, split_tags
from mt.data.text_files import read_lines
from mt.data.training_text import load_training_text
from mt.errors import UsageError
from mt.evaluation.evaluation import check_line_counts
from mt.run_folder import RunFolder


class EvaluationSet(NamedTuple):
    """The text that a run translates; line i of each list belongs together.

    Lines of `links` and `constructions` are in the format of the files that mt-train stores.
    """

    sources: list[str]
    references: list[list[str]]  # one list for each reference translation
    links: list[str] | None
    constructions: list[str] | None
    tags: list[str] | None = None  # of the sources, "" for none; None: the default of the run

    def gold_links(self, name: str, normaliser: Normaliser) -> list[Links]:
        """Parse `links`, which must not be None, and check them against the first references.

        `name` is the file that messages name, `normaliser` that of the model. Raises MTError if
        a line is malformed or does not fit its pair.
        """
        assert self.links is not None
        golds = parse_lines(self.links, name)
        pairs = zip(self.sources, self.references[0], strict=True)
        check_gold(golds, [normaliser.pair(*pair) for pair in pairs], name)
        return golds


def read_stored_test_set(run: RunFolder) -> EvaluationSet | None:
    """Return the test set that mt-train stored in the run directory; None if there is none."""
    names = ("sources", "references", "links", "constructions", "tags")
    paths = {name: run.test_file(name) for name in names if run.test_file(name).is_file()}
    if not {"sources", "references"} <= set(paths):
        return None
    for path in paths.values():
        run.check(path)
    files = dict(zip(paths, read_parallel(list(map(str, paths.values()))), strict=True))
    return EvaluationSet(
        files["sources"],
        [files["references"]],
        files.get("links"),
        files.get("constructions"),
        files.get("tags"),
    )


def load_corpus_split(config: Config, split: str, run: str) -> EvaluationSet:
    """Load the validation or test set that the configuration of a run names.

    `split` is "val", "test" or a name of data.val_sets; `run` is the run directory. Raises
    UsageError for another one.
    """
    names = ("val", "test", *config.data.val_sets)
    if split not in names:
        raise UsageError(f"--split must be one of {', '.join(names)} for {run}, got {split!r}")
    if config.data.prepared:
        from mt.data.prepare import read_prepared_split  # imports what other runs do not need

        pairs, annotations = read_prepared_split(config.data, split, say)
    else:
        pairs, annotations = read_split(config.data, split)
    check_line_counts({f"the {split} set of {run}": pairs})
    tags, sources = split_tags(source for source, _ in pairs)
    references = [target for _, target in pairs]
    trained = load_training_text(RunFolder.at(run))
    default = default_tag(trained.tags if trained else ())
    tags = [tag or default or "" for tag in tags]
    columns = [list(column) if any(column) else None for column in zip(*annotations, strict=True)]
    links, constructions, _ = columns or (None, None, None)
    return EvaluationSet(sources, [references], links, constructions, tags if any(tags) else None)


def read_split(data: DataConfig, split: str) -> tuple[list[tuple[str, str]], list[Annotation]]:
    """Read the pairs of a validation or test set, with tags, and their annotations, if any."""
    corpus = load_corpus(data)
    part = {source.name: source for source in corpus.held_out().values()}[split]
    undo = Normaliser.from_config(data.clean).undo_escapes
    pairs = [(undo(source), undo(target)) for source, target in part.pairs()]
    for note in corpus.notes:
        say(note)
    return pairs, list(part.annotations()) if part.annotations else []


def read_parallel(paths: Sequence[str]) -> list[list[str]]:
    """Read files that belong together line by line; raise MTError if they differ in length."""
    files = [list(read_lines(Path(path))) for path in paths]
    check_line_counts(dict(zip(paths, files, strict=True)))
    return files
