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
    from mt.decoding.translator import Translator
    from mt.exporting.agreement import Sample


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    run_command(lambda: export(parse_arguments(argv)))


def export(arguments: argparse.Namespace) -> Path:
    """Export the run, compare the export with the original, and return its folder or file."""
    # Importing torch takes seconds: check the flags first.
    import torch

    from mt.decoding.load import load_run
    from mt.device import set_threads
    from mt.exporting.export import check_quantization, default_path, export_run

    if arguments.to != "hub":
        check_quantization(arguments.to, arguments.quantization)
    set_threads(arguments.threads)
    run = load_run(arguments.run, torch.device("cpu"))
    comparison = None
    if arguments.sample and arguments.to != "argos":  # whose package mt does not read
        comparison = load_original(arguments, run)
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
    if comparison:
        print_agreement(arguments, folder, *comparison)
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


def load_original(
    arguments: argparse.Namespace, run: TrainedModel
) -> tuple[Translator, Sample] | None:
    """Return the original model as a translator, and the sample to translate with both.

    Prints a note and returns None if the validation text of the run cannot be read. Raises MTError
    if --src or --ref cannot, UsageError for a wrong --tag.
    """
    from mt.decoding.load import build_translator
    from mt.decoding.options import SearchOptions
    from mt.exporting.agreement import read_sample

    try:
        sample = read_sample(run, arguments.sample, arguments.src, arguments.ref)
    except MTError as error:
        if arguments.src:
            raise
        say(f"no comparison with the original model: {error} (give other text by --src and --ref)")
        return None
    tag = sample.tags[0] if sample.tags else arguments.tag
    # transformers translates whole lines.
    split = False if arguments.to == "hub" else None
    options = SearchOptions(beam=arguments.beam)
    return build_translator([run], split, tag, precision="fp32", options=options), sample


def print_agreement(
    arguments: argparse.Namespace, folder: Path, original: Translator, sample: Sample
) -> None:
    """Translate the sample with both models and print how far they agree.

    Prints a note instead if the library of the engine is missing.
    """
    from mt.exporting.agreement import load_exported, measure_agreement

    try:
        exported = load_exported(folder, arguments.to, original.options, original.tag)
    except MTError as error:
        say(f"no comparison with the original model: {error}")
        return
    language = original.text_settings.target_language
    agreement = measure_agreement(original, exported, sample, language)
    print(f"{sample.name}, beam {arguments.beam}, {agreement.summary()}", flush=True)


def megabytes(path: Path) -> str:
    """Return the size of a file or folder as text."""
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return f"{sum(file.stat().st_size for file in files) / 1e6:.1f} MB"
