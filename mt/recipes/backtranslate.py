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
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from mt.cli import run_command, say
from mt.config.compose import load_config
from mt.config.overrides import quote_value
from mt.config.schema import Config
from mt.data.digests import digest, file_digest
from mt.data.normalisation import is_blank, normalise
from mt.data.sources import source_kinds
from mt.data.text_files import check_file, read_lines
from mt.errors import MTError, UsageError
from mt.files import atomic_write, write_lines
from mt.run_folder import RunFolder

PART_LINES = 20_000  # of a part, which an interruption loses
GIVEN_BY_RECIPE = ("name=", "data.reverse=")
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the three commands."""
    arguments = parse_arguments(argv)
    config = load_config(arguments.settings)
    for path in arguments.monolingual:  # now, not after the first training
        check_file(path)
    if config.data.both_directions:
        raise UsageError(
            "data.both_directions would also train on the machine's translations as targets: leave "
            "it out"
        )
    if not (source_kinds(config.data.val) and source_kinds(config.data.test)):
        say(
            "note: without data.val and data.test, each direction holds out pairs of its own, so "
            "that the reverse model is trained on pairs that the other is tested on"
        )
    name = f"{config.name}-reverse"
    run_mt("train", *reverse_settings(arguments, config, name))
    sources, targets = translate(arguments, RunFolder.at(Path(config.runs_dir) / name))
    if config.data.reverse:
        sources, targets = targets, sources
    corpus = {"src": sources, "tgt": targets, "tag": arguments.tag, "weight": arguments.weight}
    added = [f"data.mix.bt.{key}={quote_value(str(value))}" for key, value in corpus.items()]
    run_mt("train", *arguments.settings, *added)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the flags and the settings."""
    summary, _, details = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        "python -m mt.recipes.backtranslate",
        description=summary,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
    add(
        "--reverse",
        default="",
        metavar="SETTINGS",
        help="settings of mt-train for the reverse model alone, such as 'trainer.max_minutes=30'",
    )
    add(
        "--translate",
        default="--beam 5",
        metavar="FLAGS",
        help="flags of mt-translate, such as '--sample' or '--sample --top-k 10' (default: "
        "'--beam 5'); each part is sampled with a seed of its own",
    )
    given = list(sys.argv[1:] if argv is None else argv)
    split = given.index("--") if "--" in given else len(given)
    arguments = parser.parse_args(given[:split])
    if split == len(given):
        parser.error("give the settings of mt-train after --")
    arguments.settings = given[split + 1 :]
    if arguments.limit < 0:
        parser.error(f"--limit must be >= 0, got {arguments.limit}")
    return arguments


def reverse_settings(arguments: argparse.Namespace, config: Config, name: str) -> list[str]:
    """Return the settings of the model for the other direction."""
    kept = [each for each in arguments.settings if not each.startswith(GIVEN_BY_RECIPE)]
    own = [f"data.reverse={str(not config.data.reverse).lower()}", f"name={quote_value(name)}"]
    return [*kept, *own, *shlex.split(arguments.reverse)]


def translate(arguments: argparse.Namespace, run: RunFolder) -> tuple[Path, Path]:
    """Translate the monolingual text; return the files of the new sources and their targets.

    They are in the run directory of the reverse model, in a folder of their own for each text,
    model and flags.
    """
    flags = shlex.split(arguments.translate)
    inputs = [file_digest(path) for path in (*arguments.monolingual, run.model)]
    folder = run.path / "backtranslation" / digest(*inputs, arguments.limit, flags)
    sources, targets = folder / "sources.txt", folder / "targets.txt"
    if sources.exists():
        say(f"translated before: {sources}")
        return sources, targets
    folder.mkdir(parents=True, exist_ok=True)
    outputs: list[Path] = []
    lines = read_monolingual(arguments)
    for number in range(sys.maxsize):
        if not (part := list(islice(lines, PART_LINES))):
            break
        text, output = folder / f"{number:05}.in.txt", folder / f"{number:05}.out.txt"
        if not output.exists():
            write_lines(text, part)
            seed = ["--seed", str(number)] if "--sample" in flags and "--seed" not in flags else []
            files = ["--input", str(text), "--output", str(output)]
            run_mt("translate", str(run.path), *flags, *seed, *files)
        outputs.append(output)
    if not outputs:
        raise MTError("the monolingual text has no sentence")
    stream_lines(targets, read_monolingual(arguments))
    stream_lines(sources, chain.from_iterable(map(read_lines, outputs)))  # marks the end
    return sources, targets


def read_monolingual(arguments: argparse.Namespace) -> Iterator[str]:
    """Yield the lines of the monolingual text that have something to translate."""
    lines = chain.from_iterable(map(read_lines, arguments.monolingual))
    normalised = map(normalise, islice(lines, arguments.limit or None))
    return (line for line in normalised if not is_blank(line))


def stream_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines, more than fit into memory."""
    with atomic_write(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


def run_mt(command: str, *arguments: str) -> None:
    """Print and run a command of mt; exit with its code if it fails.

    A signal to this process is one to the command, which saves its work and ends.
    """
    say(f"\n$ {shlex.join([f'mt-{command}', *arguments])}")
    with subprocess.Popen([sys.executable, "-m", f"mt.{command}", *arguments]) as process:

        def forward(number: int, frame: object) -> None:
            # Ctrl-C reaches both processes.
            if number != signal.SIGINT:
                process.send_signal(number)

        before = {number: signal.signal(number, forward) for number in SIGNALS}
        code = process.wait()
    for number, handler in before.items():
        signal.signal(number, handler)
    if code:
        say(f"mt-{command} ended with code {code}; the same command continues from here")
        sys.exit(code if code > 0 else 128 - code)


if __name__ == "__main__":
    run_command(main)
