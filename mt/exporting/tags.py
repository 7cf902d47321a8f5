"""Tags of text for engines that do not add them: whoever uses an export writes them."""

from __future__ import annotations

from collections.abc import Sequence

from mt.data.tags import default_tag
from mt.data.tokenizer import Tokenizer
from mt.decoding.load import TrainedModel
from mt.exporting.hub_layout import hub_piece


def needed_tag(run: TrainedModel) -> str:
    """Return the tag of an example for a run that translates no text without one; "" if it does.

    It is that of the first direction, or else the first of the training text.
    """
    trained = run.text.tags if run.text else {}
    tag = default_tag(trained)
    if tag is not None:
        return tag
    first = run.config.data.direction_tags()[0]
    return first if first in trained else min(trained)


def source_piece(tokenizer: Tokenizer, tag: str) -> str:
    """Return the piece of a tag that is not ""."""
    return tokenizer.pieces([tokenizer.tags[tag]], "src")[0]


def mark_for_hub(lines: Sequence[str], tags: Sequence[str], tokenizer: Tokenizer) -> list[str]:
    """Return lines with their tags, "" for none, as MarianMT's tokenizer reads them."""
    pieces = {tag: hub_piece(source_piece(tokenizer, tag)) for tag in {*tags} - {""}}
    return [pieces.get(tag, "") + line for tag, line in zip(tags, lines, strict=True)]
