"""Data diversification (Nguyen et al. 2020): train on translations of the training text, too.

    python -m mt.recipes.diversify [flags] -- SETTING=VALUE ...

The settings after `--` are those of mt-train for the model that you want. The recipe needs no other
text than that of this model. It is for models that a longer training does not improve any more. It
prints each command before it starts:

1. mt-train with these settings trains a model of each direction, NAME-forward-1 and NAME-reverse-1;
   mt-translate translates the source side of the training text with the one, and its target side
   with the other. With --models K, this is done K times, with other seeds.
2. mt-train trains NAME with these settings on the text and its 2 K translations, data.mix.forward1,
   data.mix.reverse1, ... Each translated pair is seen once an epoch, whatever the weight of its
   corpus.

The same command continues after an interruption: mt-train continues its runs, and translated parts
are used again as long as the text, the model and the flags are the same. The exit code is that of
the command that failed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from mt.cli import run_command
from mt.config.compose import load_config
from mt.config.schema import Config
from mt.data.corpus import load_corpus
from mt.data.digests import digest
from mt.data.normalisation import is_blank, normalise
from mt.data.sources import PairSource
from mt.errors import UsageError
from mt.recipes.steps import (
    build_parser,
    check_text,
    corpus_settings,
    parse_with_settings,
    run_mt,
    split_words,
    train_helper,
    translate_once,
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the commands."""
    arguments = parse_arguments(argv)
    config = load_config(arguments.settings)
    teachers = [(way, n) for n in range(1, arguments.models + 1) for way in ("forward", "reverse")]
    check_text(config, [f"{way}{n}" for way, n in teachers], arguments.reverse)
    corpora = {"train": config.data.train}
    corpora |= {f"mix.{name}": split for name, split in config.data.mix.items()}
    for name, split in corpora.items():
        if split.tag or split.tag_column:
            raise UsageError(f"the text of data.{name} has tags: diversify text without tags")
    text = load_corpus(config.data).train
    added: list[str] = []
    for direction, number in teachers:
        src, tgt = diversify(arguments, config, text, direction, number)
        added += corpus_settings(f"{direction}{number}", config.data.reverse, src=src, tgt=tgt)
    run_mt("train", *arguments.settings, *added)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the flags and the settings."""
    parser = build_parser("diversify", __doc__ or "")
    add = parser.add_argument
    add(
        "--models",
        type=int,
        default=1,
        metavar="K",
        help="models in each direction; the paper has 3 (default: 1)",
    )
    add(
        "--teacher",
        type=split_words,
        default="",
        metavar="SETTINGS",
        help="settings of mt-train for the models that translate, such as 'trainer.max_minutes=30'",
    )
    arguments = parse_with_settings(parser, argv)
    if arguments.models < 1:
        parser.error(f"--models must be >= 1, got {arguments.models}")
    if any(each.startswith("seed=") for each in (*arguments.teacher, *arguments.reverse)):
        parser.error("the recipe gives each model a seed, counted from that of the settings")
    return arguments


def diversify(
    arguments: argparse.Namespace,
    config: Config,
    text: Sequence[PairSource],
    direction: str,
    number: int,
) -> tuple[Path, Path]:
    """Return the files of both sides of the training text, one of them translated by a model.

    This is model `number` of a `direction`, forward or reverse.
    """
    reverse = direction == "reverse"
    own = [f"seed={config.seed + number}", *arguments.teacher]
    own += arguments.reverse if reverse else []
    name = f"{config.name}-{direction}-{number}"
    run = train_helper(arguments.settings, config, name, reverse, own)
    given, translated = translate_once(
        run,
        "diversification",
        digest(*(source.fingerprint() for source in text), direction),
        lambda: read_side(text, int(reverse)),
        arguments.translate,
    )
    return (translated, given) if reverse else (given, translated)


def read_side(text: Sequence[PairSource], side: int) -> Iterator[str]:
    """Yield one side of the training text, 0 the source side, without blank lines."""
    lines = (normalise(pair[side]) for source in text for pair in source.pairs())
    return (line for line in lines if not is_blank(line))


if __name__ == "__main__":
    run_command(main)
