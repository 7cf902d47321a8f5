"""Tags of the pairs of a corpus: which there are, and whether sets and tokenizer fit them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import pyarrow as pa

from mt.data.arrow_files import TEXT, Pair
from mt.data.tags import add_tag, default_tag, list_tags, split_tag
from mt.data.tokenizer import Tokenizer
from mt.errors import MTError


def remove_tags(pairs: Iterable[Pair]) -> list[Pair]:
    """Return pairs without the tags of their sources."""
    return [(split_tag(source)[1], target) for source, target in pairs]


def add_default_tag(
    pairs: Sequence[Pair], trained: Collection[str], split: str, known: Collection[str] = ()
) -> list[Pair]:
    """Return the pairs of a validation or test set, with the default tag if they have none.

    `split` is the key of the set, such as val. `trained` are the tags of the training text, with ""
    if some of it has none; `known` are those of the run that fine-tuning starts from. Raises
    MTError if a pair has a tag that is neither, or has none and there is no default.
    """
    default = default_tag(trained)
    tagged = []
    for source, target in pairs:
        tag, text = split_tag(source)
        if tag and tag not in trained and tag not in known:
            raise MTError(
                f"data.{split} has the tag {tag}, which no training text has: "
                f"that has {list_tags(set(trained) - {''})}"
            )
        if not tag and default is None:
            raise MTError(
                f"data.{split} has no tag, and all training text has one: "
                f"set data.{split}.tag (or tag_column) to one of {list_tags(trained)}"
            )
        tagged.append((add_tag(text, tag or default or ""), target))
    return tagged


def check_known_tags(trained: Iterable[str], tokenizer: Tokenizer) -> None:
    """Raise MTError if the vocabulary of the run that fine-tuning starts from lacks a tag."""
    if unknown := set(trained) - {"", *tokenizer.tags}:
        advice = "Use one of these" if tokenizer.tags else "Leave out tags and both_directions"
        raise MTError(
            f"the run of trainer.init_from does not know the tag {list_tags(unknown)}: it knows "
            f"{list_tags(tokenizer.tags)}. {advice}, or extend its vocabulary with "
            "data.tokenizer.extend (not possible with an imported one)"
        )


def describe_tags(counts: Mapping[str, int]) -> str:
    """Return the number of pairs of each tag, in one line."""
    return ", ".join(f"{tag or 'none'} {count:,}" for tag, count in sorted(counts.items()))


def reverse_table(tag: str, table: pa.Table) -> pa.Table:
    """Return a table of `TEXT` with the sides swapped; the new sources have this tag."""
    sources = [add_tag(target, tag) for target in table.column("tgt").to_pylist()]
    targets = [split_tag(source)[1] for source in table.column("src").to_pylist()]
    return pa.table({"src": sources, "tgt": targets}, schema=TEXT)
