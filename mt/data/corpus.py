"""The training, validation and test text of a run, as the `data` settings name it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mt.config.schema import DataConfig
from mt.data.held_out import HeldOutSplit
from mt.data.sources import PairSource, open_source, source_kinds
from mt.errors import UsageError


@dataclass
class RawCorpus:
    """The text of a run as read, neither normalised nor filtered.

    `notes` are messages for the user, complete once all pairs have been read. If training text is
    also seen reversed, `reversed_tag` is the tag of that direction.
    """

    train: list[PairSource]
    val: PairSource
    test: PairSource
    val_sets: list[PairSource] = field(default_factory=list)  # those of data.val_sets
    notes: list[str] = field(default_factory=list)
    reversed_tag: str = ""

    def held_out(self) -> dict[str, PairSource]:
        """Return the validation and test sets by the keys of their settings in `data`."""
        more = {f"val_sets.{source.name}": source for source in self.val_sets}
        return {"val": self.val, "test": self.test} | more


def load_corpus(config: DataConfig) -> RawCorpus:
    """Open all text that the configuration names.

    Files are checked for existence but not read yet. Raises UsageError if settings contradict each
    other, MTError if text is not available.
    """
    notes: list[str] = []

    def note(text: str) -> None:
        if text not in notes:  # a stream that starts again repeats its notes
            notes.append(text)

    if not source_kinds(config.train):
        raise UsageError(
            "no training text: set data.train.src and data.train.tgt (text files), "
            "data.train.file (.tsv, .jsonl, .tmx), data.train.hub (Hugging Face data set) "
            "or data.train.demo (number of generated pairs)"
        )
    reversed_tag = ""
    if config.both_directions:
        tag, reversed_tag = config.direction_tags()
        config = set_tag(config, tag)
    train = open_source("train", "train", config.train, config, note)
    mixed = [
        open_source(name, f"mix.{name}", split, config, note) for name, split in config.mix.items()
    ]
    val_sets = [
        open_source(name, f"val_sets.{name}", split, config, note)
        for name, split in config.val_sets.items()
    ]
    check_weights(config)

    evaluation = {"val": config.val, "test": config.test}
    parts: dict[str, PairSource] = {}
    for part, split in evaluation.items():
        if source_kinds(split):
            parts[part] = open_source(part, part, split, config, note)
        elif split.links:
            raise UsageError(
                f"data.{part}.links needs the text that it aligns: "
                f"set data.{part}.src and data.{part}.tgt, data.{part}.file or data.{part}.hub"
            )
    unset = tuple(part for part in evaluation if part not in parts)
    if unset:
        held_out = HeldOutSplit(train, unset, config.holdout, config.clean, note)
        parts |= {part: held_out.part(part) for part in unset}
        train = held_out.rest()
    return RawCorpus([train, *mixed], parts["val"], parts["test"], val_sets, notes, reversed_tag)


def load_test_set(config: DataConfig) -> PairSource:
    """Open the text of data.test; the other text need not be there, unless it is held out of it."""
    if not source_kinds(config.test):
        return load_corpus(config).test
    if config.both_directions:
        config = set_tag(config, config.direction_tags()[0])
    return open_source("test", "test", config.test, config, lambda note: None)


def check_weights(config: DataConfig) -> None:
    """Raise UsageError unless all training corpora have a weight above 0."""
    for name, split in (("train", config.train), *config.mix.items()):
        if not split.weight > 0:
            raise UsageError(
                f"the weight of training corpus {name} must be > 0, got {split.weight}: "
                "to exclude a corpus, remove it"
            )


def set_tag(config: DataConfig, tag: str) -> DataConfig:
    """Return the settings with one tag for all text, that of the direction.

    Raises UsageError if text has a tag already: a source has one tag at most.
    """
    splits = {"train": config.train, "val": config.val, "test": config.test}
    for key, split in (splits | config.named_splits()).items():
        if split.tag or split.tag_column:
            raise UsageError(
                f"data.both_directions tags each direction, and a source has one tag at most: "
                f"clear data.{key}.tag and data.{key}.tag_column"
            )
    train, val, test = (replace(split, tag=tag) for split in splits.values())
    mix, val_sets = (
        {name: replace(split, tag=tag) for name, split in named.items()}
        for named in (config.mix, config.val_sets)
    )
    return replace(config, train=train, val=val, test=test, mix=mix, val_sets=val_sets)
