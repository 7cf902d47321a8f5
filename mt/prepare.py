"""mt-prepare: prepare the text of a training before the training."""

from __future__ import annotations

if __name__ == "__main__":  # signals must be caught before the imports below, which take seconds
    from mt.cli import run_module

    run_module("mt.prepare")

import argparse
import contextlib
from collections.abc import Sequence

from mt.arguments.prepare import parse_arguments
from mt.cli import run_command, say
from mt.config.compose import load_config, parse_overrides
from mt.config.presets import collect_folders


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    run_command(lambda: prepare(parse_arguments(argv)))


def prepare(arguments: argparse.Namespace) -> None:
    """Prepare the text that the settings name, unless it is prepared, and print the report."""
    settings = collect_folders(arguments.settings)
    config = load_config(settings)
    named = {override.key_or_group for override in parse_overrides(settings)}

    # Importing torch takes seconds: check the settings first.
    from mt.data.prepare import prepare_run
    from mt.ray_pool import FunctionCaller, open_pool
    from mt.training.fine_tuning import inherit_settings

    config = inherit_settings(config, named)
    with contextlib.ExitStack() as stack:
        map_calls = None
        if arguments.engine == "ray":
            pool = stack.enter_context(open_pool(FunctionCaller, (), 1, False, say))
            map_calls = pool.map_function
        data = prepare_run(config, say, map_calls)
    for line in data.report:
        print(line)
    print(data.folder, flush=True)
