"""Tagged back-translation (Sennrich et al. 2016; Caswell et al. 2019) by the commands of mt.

    python -m mt.recipes.backtranslate MONOLINGUAL [MONOLINGUAL ...] [flags] -- SETTING=VALUE ...

MONOLINGUAL is text in the target language. The settings after `--` are those of mt-train for the
model that you want. The recipe runs three commands, and prints each before it starts:

1. mt-train with these settings, data.reverse=true and name=NAME-reverse: a model that translates in
   the other direction.
2. mt-translate of the monolingual text, in parts.
3. mt-train with these settings and the translated text as a further corpus, data.mix.bt, each
   source of which has the tag <bt>.

The same command continues after an interruption: mt-train continues its runs, and translated parts
are used again as long as their text, the model and the flags are the same. The exit code is that of
the command that failed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from mt.cli import run_command
from mt.config.compose import load_config
from mt.data.corpus import load_corpus
from mt.data.digests import digest, file_digest
from mt.data.normalisation import is_blank, normalise
from mt.data.text_files import check_file, read_lines
from mt.recipes.steps import (
    build_parser,
    check_text,
    corpus_settings,
    parse_with_settings,
    run_mt,
    train_helper,
    translate_once,
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the three commands."""
    arguments = parse_arguments(argv)
    config = load_config(arguments.settings)
    check_text(config, ["bt"], arguments.reverse)
    for path in arguments.monolingual:  # now, not after the first training
        check_file(path)

    def added(sources: Path, targets: Path) -> list[str]:
        corpus = {"src": sources, "tgt": targets, "tag": arguments.tag, "weight": arguments.weight}
        return corpus_settings("bt", config.data.reverse, **corpus)

    any_text = added(arguments.monolingual[0], arguments.monolingual[0])
    load_corpus(load_config([*arguments.settings, *any_text]).data)  # refuses wrong settings
    name = f"{config.name}-reverse"
    reverse = train_helper(arguments.settings, config, name, True, arguments.reverse)
    key = digest(*map(file_digest, arguments.monolingual), arguments.limit)
    targets, sources = translate_once(
        reverse,
        "backtranslation",
        key,
        lambda: read_monolingual(arguments),
        arguments.translate,
    )
    run_mt("train", *arguments.settings, *added(sources, targets))


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the flags and the settings."""
    parser = build_parser("backtranslate", __doc__ or "")
    add = parser.add_argument
    add("monolingual", nargs="+", type=Path, help="text in the target language, a sentence a line")
    add("--limit", type=int, default=0, metavar="N", help="use the first N lines (default: all)")
    add("--tag", default="<bt>", help="tag of the translated text; '': none (default: <bt>)")
    add(
        "--weight",
        type=float,
        default=1.0,
        help="how often each translated pair is seen per epoch (default: 1)",
    )
    arguments = parse_with_settings(parser, argv)
    if arguments.limit < 0:
        parser.error(f"--limit must be >= 0, got {arguments.limit}")
    return arguments


def read_monolingual(arguments: argparse.Namespace) -> Iterator[str]:
    """Yield the lines of the monolingual text that have something to translate."""
    lines = chain.from_iterable(map(read_lines, arguments.monolingual))
    normalised = map(normalise, islice(lines, arguments.limit or None))
    return (line for line in normalised if not is_blank(line))


if __name__ == "__main__":
    run_command(main)
