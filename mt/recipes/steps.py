"""Parts of recipes: settings after `--`, commands of mt, and text that is translated once."""

from __future__ import annotations

import argparse
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from mt.arguments.translate import parse_arguments as parse_translate_arguments
from mt.cli import say
from mt.config.overrides import quote_value
from mt.config.schema import Config
from mt.data.digests import digest, file_digest
from mt.data.sources import source_kinds
from mt.data.text_files import read_lines
from mt.errors import MTError, UsageError
from mt.files import atomic_write, write_lines
from mt.run_folder import RunFolder

PART_LINES = 20_000  # of a part, which an interruption loses
GIVEN_BY_RECIPE = ("name=", "data.reverse=")
INIT_FROM = "trainer.init_from="
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def build_parser(name: str, description: str) -> argparse.ArgumentParser:
    """Return a parser of the flags that recipes have in common; others can be added.

    `description` is the docstring of the recipe.
    """
    summary, _, details = description.partition("\n")
    parser = argparse.ArgumentParser(
        f"python -m mt.recipes.{name}",
        description=summary,
        epilog=details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--reverse",
        type=split_words,
        default="",
        metavar="SETTINGS",
        help="settings of mt-train for a model of the reverse direction alone, such as "
        "'trainer.max_minutes=30'",
    )
    parser.add_argument(
        "--translate",
        type=split_words,
        default="--beam 5",
        metavar="FLAGS",
        help="flags of mt-translate, such as --translate='--sample --top-k 10'; each part is "
        "sampled with a seed of its own (default: '--beam 5')",
    )
    return parser


def parse_with_settings(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None
) -> argparse.Namespace:
    """Parse the flags before `--`, and the settings of mt-train after it as `settings`.

    Raises UsageError if translations would not be one line of plain text each.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    split = given.index("--") if "--" in given else len(given)
    arguments = parser.parse_args(given[:split])
    if split == len(given):
        parser.error("give the settings of mt-train after --")
    arguments.settings = given[split + 1 :]
    check_translate_flags(arguments.translate)
    return arguments


def split_words(text: str) -> list[str]:
    """Split the value of a flag as a shell does; the `type` of an argument."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}: {text}") from None


def check_translate_flags(flags: Sequence[str]) -> None:
    """Raise UsageError unless these flags of mt-translate give one line of plain text for each."""
    given = parse_translate_arguments(["RUN", *flags])
    if (
        given.nbest > 1
        or given.format != "text"
        or any((given.scores, given.alignments, given.score, given.stream, given.prefix))
        or any((given.sentences, given.input, given.output, given.shard))
    ):
        raise UsageError(
            f"--translate '{shlex.join(flags)}': the recipe gives input and output, and needs one "
            "line of plain text for each; only flags of the search and the computation fit"
        )


def check_text(config: Config, names: Sequence[str], reverse: Sequence[str]) -> None:
    """Raise UsageError if no translated text can be added to that of the settings.

    `names` are those of the corpora to add, and `reverse` the settings of a reverse model alone.
    """
    for name in names:
        if name in config.data.mix:
            raise UsageError(f"data.mix.{name} is a corpus of the recipe: give yours another name")
    if config.trainer.init_from and not any(each.startswith(INIT_FROM) for each in reverse):
        raise UsageError(
            f"trainer.init_from={config.trainer.init_from} translates in one direction: name the "
            f"run that the reverse model starts from, --reverse '{INIT_FROM}RUN' (the same one if "
            f"it is multilingual), or none, --reverse '{INIT_FROM}'"
        )
    if config.data.both_directions:
        raise UsageError(
            "data.both_directions would also train on the machine's translations in the other "
            "direction: leave it out"
        )
    if config.data.prepared:
        raise UsageError(
            "data.prepared is a complete corpus, to which no text can be added: give the text that "
            "it was prepared from"
        )
    if not (source_kinds(config.data.val) and source_kinds(config.data.test)):
        say(
            "note: without data.val and data.test, each direction holds out pairs of its own, so "
            "that a reverse model is trained on pairs that the other is tested on"
        )


def train_helper(
    settings: Sequence[str], config: Config, name: str, reverse: bool, own: Sequence[str]
) -> RunFolder:
    """Train a model whose translations the recipe needs; return its run directory.

    `config` is that of `settings`. With `reverse`, the model translates in the other direction.
    """
    kept = [each for each in settings if not each.startswith(GIVEN_BY_RECIPE)]
    direction = f"data.reverse={str(config.data.reverse != reverse).lower()}"
    run_mt("train", *kept, direction, f"name={quote_value(name)}", *own)
    return RunFolder.at(Path(config.runs_dir) / name)


def translate_once(
    run: RunFolder,
    folder: str,
    key: str,
    lines: Callable[[], Iterator[str]],
    flags: Sequence[str],
) -> tuple[Path, Path]:
    """Translate lines, none of them blank, with a run; return the files of lines and translations.

    They are in the run directory, in `folder`, in a place of their own for each text, model and
    flags of mt-translate. `key` identifies the text. What was translated before is used again.
    Raises MTError if there are no lines.
    """
    place = run.path / folder / digest(key, file_digest(run.model), *flags)
    inputs, outputs = place / "input.txt", place / "output.txt"
    if outputs.exists():
        say(f"translated before: {outputs}")
        return inputs, outputs
    place.mkdir(parents=True, exist_ok=True)
    stream_lines(inputs, lines())
    parts: list[Path] = []
    rest = read_lines(inputs)
    while part := list(islice(rest, PART_LINES)):
        number = len(parts)
        source, target = (place / f"{number:05}.{kind}.txt" for kind in ("in", "out"))
        if not target.exists():
            write_lines(source, part)
            seed = ["--seed", str(number)] if "--sample" in flags and "--seed" not in flags else []
            files = ["--input", str(source), "--output", str(target)]
            run_mt("translate", str(run.path), *flags, *seed, *files)
        parts.append(target)
    if not parts:
        raise MTError("the text to translate has no sentence")
    stream_lines(outputs, chain.from_iterable(map(read_lines, parts)))  # marks the end
    return inputs, outputs


def corpus_settings(name: str, reverse: bool, **values: object) -> list[str]:
    """Return the settings that add a corpus to the training text, data.mix.NAME.

    With `reverse`, data.reverse swaps the sides of all corpora: `src` and `tgt` are those of the
    model.
    """
    if reverse:
        values["src"], values["tgt"] = values["tgt"], values["src"]
    return [f"data.mix.{name}.{key}={quote_value(str(value))}" for key, value in values.items()]


def stream_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines, perhaps more than fit into memory."""
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
