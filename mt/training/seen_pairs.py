"""Held-out pairs of a fine-tuning that the run from which it starts was trained on."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

from mt.config.schema import Config, DataConfig
from mt.data.arrow_files import Pair, split_into_chunks
from mt.data.corpus import load_corpus
from mt.data.held_out import source_key
from mt.data.pipeline import set_name
from mt.data.prepare import PreparedData
from mt.data.sources import source_kinds
from mt.errors import MTError
from mt.progress_display import Progress
from mt.run_folder import RunFolder

# If they are the same, both runs hold out the same pairs.
CHOICE = ("train", "val", "test", "holdout", "reverse")


def describe_seen_pairs(config: Config, data: PreparedData) -> list[str]:
    """Return a warning if held-out pairs are in the training text of trainer.init_from.

    A part of a text holds out other pairs than the whole. If the text of that run cannot be read,
    there is a note instead; nothing is known of the text of imported models.
    """
    start = config.trainer.init_from
    before = RunFolder.at(start).read_config().data
    pairs = {"val": data.val.pairs, "test": data.test_pairs}
    held_out = {part: pairs[part] for part in pairs if not source_kinds(getattr(config.data, part))}
    is_same = all(getattr(before, key) == getattr(config.data, key) for key in CHOICE)
    if not held_out or is_same or not source_kinds(before.train):
        return []
    try:
        counts = count_seen(before, held_out)
    except (MTError, OSError):
        return [
            f"note: {start} may have been trained on the pairs that are held out, and its text is "
            f"not at hand to compare: {advise(held_out)}"
        ]
    seen = [part for part, count in counts.items() if count]
    if not seen:
        return []
    listed = " and ".join(
        f"{counts[part]:,} of {len(held_out[part]):,} {set_name(part)} pairs" for part in seen
    )
    return [
        f"warning: the sources of {listed} are in the training text of {start}, which flatters "
        f"the model: {advise(seen)}"
    ]


def advise(parts: list[str] | dict[str, list[Pair]]) -> str:
    """Return what to do about held-out sets that were trained on."""
    return f"give {' and '.join(f'data.{part}' for part in parts)} of text that it has not seen"


def count_seen(text: DataConfig, held_out: dict[str, list[Pair]]) -> dict[str, int]:
    """Return for each held-out set how many pairs have a source of the training text of a run.

    Takes a pass over that text, or two. Nothing is downloaded. Raises MTError if text is missing.
    """
    keys = {part: [source_key(source) for source, _ in pairs] for part, pairs in held_out.items()}
    wanted = set(chain.from_iterable(keys.values()))
    seen: set[int] = set()
    with Progress("comparing", unit="pairs compared") as progress:
        for source in load_corpus(replace(text, offline=True)).train:
            for chunk in split_into_chunks(source.pairs()):
                seen |= wanted & {source_key(line) for line, _ in chunk}
                progress.add(len(chunk))
    return {part: sum(key in seen for key in each) for part, each in keys.items()}
