"""The runs of a server: the pairs that each translates, and their models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mt.config.data_schema import DataConfig
from mt.decoding.translator import Translator
from mt.inspection.inspector import Inspector
from mt.run_files import LANGUAGES
from mt.run_folder import RunFolder
from mt.serving.metrics import Metrics
from mt.serving.models import Models, check_pairs


@dataclass(frozen=True)
class ServedRun:
    """A run directory, or an export, and the tags of the pairs that it translates."""

    path: Path
    data: DataConfig
    tags: tuple[str | None, ...]  # None: the default of the model

    @property
    def name(self) -> str:
        return self.path.resolve().name


def read_runs(paths: Sequence[Path], tag: str | None) -> list[ServedRun]:
    """Return runs whose settings are in order; `tag` is that of all sources.

    A run that was trained in both directions translates both pairs, unless a tag is given. Raises
    MTError if a run cannot be read, UsageError if two translate the same pair.
    """
    runs = []
    for path in paths:
        data = RunFolder.at(path).read_config().data
        both = data.both_directions and tag is None
        runs.append(ServedRun(path, data, data.direction_tags() if both else (tag,)))
    pairs = [
        (run.name, run.data.languages(tag or ""))
        for run in runs
        if not (run.path / LANGUAGES).exists()  # multilingual
        for tag in run.tags
    ]
    check_pairs(pairs)
    return runs


def load_models(
    runs: Sequence[ServedRun], load: Callable[[Path, str | None], Translator], pivot: bool
) -> Models:
    """Load the models of runs; `load` is called with the path of each and a tag."""
    models = Models(Metrics(), pivot)
    for run in runs:
        translator = load(run.path, run.tags[0])
        # The tag of a direction is no choice: it belongs to the pair.
        choices = [] if run.data.both_directions else list(translator.tokenizer.tags)
        for tag in run.tags:
            pair = translator if tag is None else translator.with_tag(tag)
            models.add(run.name, run.data.languages(pair.tag), Inspector(pair), choices)
    return models
