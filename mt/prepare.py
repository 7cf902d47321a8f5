"""mt-prepare: prepare the text of a training before the training."""

from __future__ import annotations

if __name__ == "__main__":  # signals must be caught before the imports below, which take seconds
    from mt.cli import run_module

    run_module("mt.prepare")

import argparse
import contextlib
import shlex
from collections.abc import Sequence

from mt.arguments.prepare import parse_arguments
from mt.cli import run_command, say
from mt.config.compose import load_config, parse_overrides
from mt.config.overrides import named_keys
from mt.config.prepared import find_index
from mt.config.presets import collect_folders


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    run_command(lambda: prepare(parse_arguments(argv)))


def prepare(arguments: argparse.Namespace) -> None:
    """Prepare the text that the settings name, unless it is prepared, and print the report.

    With --output, also copy it there, and say how to train on it.
    """
    settings = collect_folders(arguments.settings)
    config = load_config(settings)
    named = named_keys(parse_overrides(settings))

    # Importing torch takes seconds: check the settings first.
    from mt.data.prepare import prepare_run, record_vocabulary, start_tokenizer
    from mt.data.prepared_corpus import write_prepared
    from mt.ray_pool import FunctionCaller, open_pool
    from mt.training.fine_tuning import inherit_settings

    config, output = inherit_settings(config, named), arguments.output
    if output:
        find_index(output)  # raises an error now, not after the work, if it cannot be reached
    with contextlib.ExitStack() as stack:
        map_calls = None
        if arguments.engine == "ray":
            pool = stack.enter_context(open_pool(FunctionCaller, (), 1, False, say))
            map_calls = pool.map_function
        data = prepare_run(config, say, map_calls)
    for line in data.report:
        print(line)
    if output:
        data_config = record_vocabulary(config, data).data
        write_prepared(output, data_config, data.folder, start_tokenizer(config), say)
        start = config.trainer.init_from
        command = ["mt-train", f"data.prepared={output}"]
        command += [f"trainer.init_from={start}"] if start else []
        say(f"train on it: {shlex.join(command)}")
    print(output or data.folder, flush=True)
