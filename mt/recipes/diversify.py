"""Data diversification (Nguyen et al. 2020): train on what models make of the training text, too.

    python -m mt.recipes.diversify [flags] -- SETTING=VALUE ...

The settings after `--` are those of mt-train for the model that you want. The recipe needs no other
text than that of this model, and little text gains most. It runs these commands, and prints each
before it starts, with K of --models:

1. mt-train with these settings, K times in each direction: NAME-forward-1, NAME-reverse-1, ...,
   each with a seed of its own.
2. mt-translate of the training text: of its source side by the forward models, of its target side
   by the reverse models.
3. mt-train with these settings, and with the 2 K translations of the text as further corpora,
   data.mix.forward1, data.mix.reverse1, ...

The same command continues after an interruption: mt-train continues its runs, and translated parts
are used again as long as the text, the model and the flags are the same. The exit code is that of
the command that failed.
"""

from __future__ import annotations

import argparse
import shlex
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
    check_text,
    corpus_settings,
    parse_with_settings,
    run_mt,
    train_helper,
    translate_once,
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the commands."""
    arguments = parse_arguments(argv)
    config = load_config(arguments.settings)
    check_text(config)
    corpora = {"train": config.data.train}
    corpora |= {f"mix.{name}": split for name, split in config.data.mix.items()}
    for name, split in corpora.items():
        if split.tag or split.tag_column:
            raise UsageError(f"the text of data.{name} has tags: diversify text without tags")
    text = load_corpus(config.data).train
    added: list[str] = []
    for number in range(1, arguments.models + 1):
        for direction in ("forward", "reverse"):
            src, tgt = diversify(arguments, config, text, direction, number)
            reverse = config.data.reverse
            added += corpus_settings(f"{direction}{number}", reverse, src=src, tgt=tgt)
    run_mt("train", *arguments.settings, *added)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the flags and the settings."""
    summary, _, details = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        "python -m mt.recipes.diversify",
        description=summary,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
        default="",
        metavar="SETTINGS",
        help="settings of mt-train for these models alone, such as 'trainer.max_minutes=30'",
    )
    add(
        "--translate",
        default="--beam 5",
        metavar="FLAGS",
        help="flags of mt-translate (default: '--beam 5')",
    )
    arguments = parse_with_settings(parser, argv)
    if arguments.models < 1:
        parser.error(f"--models must be >= 1, got {arguments.models}")
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
    run = train_helper(
        arguments.settings,
        config,
        f"{config.name}-{direction}-{number}",
        reverse,
        [f"seed={config.seed + number}", *shlex.split(arguments.teacher)],
    )
    given, translated = translate_once(
        run,
        "diversification",
        digest(*(source.fingerprint() for source in text), direction),
        lambda: read_side(text, int(reverse)),
        shlex.split(arguments.translate),
    )
    return (translated, given) if reverse else (given, translated)


def read_side(text: Sequence[PairSource], side: int) -> Iterator[str]:
    """Yield one side of the training text, 0 the source side, without blank lines."""
    lines = (normalise(pair[side]) for source in text for pair in source.pairs())
    return (line for line in lines if not is_blank(line))


if __name__ == "__main__":
    run_command(main)
