"""The command line of mt-train: settings, and flags of Hydra, checked before Hydra reads them."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path

from mt.config.compose import check_keys, load_config, parse_overrides
from mt.config.overrides import keep_text, named_keys, quote_value, sweep_values
from mt.config.presets import FLAGS, collect_folders, imply_preset

MULTIRUN_FLAGS = {"-m", "--multirun"}
COMPLETION_FLAGS = {"-sc", "--shell-completion"}
SHOW_FLAGS = {"-c", "--cfg", "-i", "--info"}  # print the composed settings
DIRNAME = "hydra.job.config.override_dirname"  # the settings that tell the runs of a sweep apart


def prepare_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the arguments for Hydra, with text as it was written. Raises UsageError for mistakes.

    Composes once before Hydra does, for one-line errors and the right exit code: all values of a
    sweep, but only the keys if a flag such as --cfg changes what is done.
    """
    texts = [a if a.startswith("-") else keep_text(a) for a in arguments]
    prepared = imply_preset(collect_folders(texts))
    flags = {argument for argument in prepared if argument.startswith("-")}
    if not flags:
        check_settings(prepared)
        return prepared
    overrides = [a for a in prepared if not a.startswith("-") and ("=" in a or a.startswith("~"))]
    check_keys(overrides)
    if not flags & MULTIRUN_FLAGS:
        return prepared
    for combination in sweep_values(overrides):
        check_settings(combination)
    # argparse, which Hydra uses, needs all overrides in one place.
    others = [argument for argument in prepared if argument not in overrides]
    return [*others, *overrides, *name_runs(overrides)]


def check_settings(overrides: list[str]) -> None:
    """Raise UsageError for settings that are invalid, or not those of trainer.init_from."""
    config = load_config(overrides)
    if config.trainer.init_from:
        from mt.training.fine_tuning import inherit_settings  # reads the run, with its tokenizer

        inherit_settings(config, named_keys(parse_overrides(overrides)))


def name_runs(overrides: Sequence[str]) -> list[str]:
    """Return overrides that make Hydra describe each run of a sweep by the settings that vary.

    If the name itself varies, or refers to settings as in seed-${seed}, the description is empty.
    """
    parsed = parse_overrides(overrides)
    names = [override for override in parsed if override.key_or_group == "name"]
    varies = any(name.is_sweep_override() or "${" in str(name.input_line) for name in names)
    excluded = [
        override.key_or_group for override in parsed if varies or not override.is_sweep_override()
    ]
    return [
        f"{DIRNAME}.exclude_keys=[{','.join(map(quote_value, excluded))}]",
        f"{DIRNAME}.kv_sep='-'",
        f"{DIRNAME}.item_sep='-'",
    ]


def complete_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a query of shell completion, with the folders of the typed line."""
    words = os.environ.get("COMP_LINE", "").replace("=", " ").split()
    folders = [
        folder
        for flag, folder in itertools.pairwise(words)
        if flag in FLAGS and Path(folder).is_dir()
    ]
    return [*arguments, *(["--config-dir", folders[0]] if folders else [])]


def run_name(name: str, description: str) -> str:
    """Return the name of a run of a sweep, with Hydra's description of it."""
    cleaned = re.sub(r"[^\w.-]+", "_", description).strip("_")
    return f"{name}-{cleaned}" if cleaned else name
