"""mt-import: import a pretrained model as a run directory."""

from __future__ import annotations

if __name__ == "__main__":  # signals must be caught before the imports below, which take seconds
    from mt.cli import run_module

    run_module("mt.import_model")

import argparse
from collections.abc import Sequence

from mt.arguments.import_model import parse_arguments
from mt.cli import run_command, say
from mt.run_folder import RunFolder

USUAL_SHARE = 0.9  # of the pieces of a SentencePiece model, in the vocabulary of a model


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    run_command(lambda: import_model(parse_arguments(argv)))


def import_model(arguments: argparse.Namespace) -> RunFolder:
    """Import the model and return its run directory."""
    from mt.importing.hub_folder import open_folder
    from mt.importing.import_run import default_out, import_run

    folder = open_folder(arguments.model, arguments.revision)
    out = RunFolder.at(arguments.out or default_out(arguments.model))
    model = import_run(folder, out, (arguments.src_lang, arguments.tgt_lang))
    parameters = sum(tensor.numel() for tensor in model.tensors.values())
    size = model.tokenizer.vocab_size()
    source, target = model.languages
    origin = out.read_origin()
    print(f"{out}: {source} to {target}, {parameters:,} parameters, {size:,} pieces", flush=True)
    share = min(each.known_share for each in model.tokenizer.models.values())
    if share < USUAL_SHARE:
        say(
            f"note: the vocabulary has {100 * share:.0f} % of the pieces of a SentencePiece model, "
            "and the others become unknown: check that the files are those of one model"
        )
    if origin["license"]:
        say(f"licence of the weights, by their model card: {origin['license']}")
    else:
        say("note: the model has no licence in a model card (README.md): ask its authors")
    return out
