"""mt-export: export a trained run to another inference engine."""

from __future__ import annotations

if __name__ == "__main__":  # signals must be caught before the imports below, which take seconds
    from mt.cli import run_module

    run_module("mt.export")

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mt.arguments.export import parse_arguments
from mt.cli import run_command, say
from mt.errors import MTError, UsageError
from mt.files import expand_user

if TYPE_CHECKING:
    from mt.decoding.load import TrainedModel


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    run_command(lambda: export(parse_arguments(argv)))


def export(arguments: argparse.Namespace) -> Path:
    """Export the run, compare the export with the original, and return its folder or file."""
    # Importing torch takes seconds: check the flags first.
    import torch

    from mt.decoding.load import load_run
    from mt.device import set_threads
    from mt.exporting.export import default_path, export_run

    set_threads(arguments.threads)
    run = load_run(arguments.run, torch.device("cpu"))
    if arguments.out:
        folder = expand_user(arguments.out)
    else:
        folder = default_path(run, arguments.to, arguments.quantization)
    if arguments.to == "hub":
        export_for_hub(arguments, run, folder)
    else:
        export_run(folder, run, arguments.to, arguments.quantization)
    sizes = f"{megabytes(folder)} (the run's model: {megabytes(run.folder.model)})"
    print(f"{folder}: {sizes}", flush=True)
    if arguments.sample and arguments.to != "argos":  # whose package mt does not read
        print_agreement(arguments, run, folder)
    if arguments.push:
        from mt.exporting.hub import push

        print(push(folder, arguments.push), flush=True)
    return folder


def export_for_hub(arguments: argparse.Namespace, run: TrainedModel, folder: Path) -> None:
    """Write a folder for the hub. Raises UsageError if it is to be published without a licence."""
    from mt.exporting.hub import export_to_hub
    from mt.exporting.model_card import NO_LICENCE, card_licence

    if arguments.push and card_licence(run, arguments.license) == NO_LICENCE:
        raise UsageError("--push publishes the model: say under which licence, with --license")
    if problems := export_to_hub(folder, run, arguments.license):
        say(f"note: a run directory, because transformers has no class for {'; '.join(problems)}")


def print_agreement(arguments: argparse.Namespace, run: TrainedModel, folder: Path) -> None:
    """Translate a sample with both engines and print how far they agree.

    Prints a note instead if the text of the sample cannot be read.
    """
    from mt.decoding.load import build_translator
    from mt.decoding.options import SearchOptions
    from mt.exporting.agreement import load_exported, measure_agreement, read_sample

    try:
        sample = read_sample(run, arguments.sample, arguments.src, arguments.ref)
        options = SearchOptions(beam=arguments.beam)
        tag = sample.tags[0] if sample.tags else arguments.tag
        exported = load_exported(folder, arguments.to, options, tag)
    except MTError as error:
        hint = "" if arguments.src else " (give other text with --src and --ref)"
        say(f"not compared with the original model: {error}{hint}")
        return
    # transformers translates whole lines.
    split = False if arguments.to == "hub" else None
    agreement = measure_agreement(
        build_translator([run], split, tag, precision="fp32", options=options),
        exported,
        sample,
        run.config.data.languages()[1],
    )
    print(f"{sample.name}, beam {arguments.beam}, {agreement.summary()}", flush=True)


def megabytes(path: Path) -> str:
    """Return the size of a file or folder as text."""
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return f"{sum(file.stat().st_size for file in files) / 1e6:.1f} MB"
