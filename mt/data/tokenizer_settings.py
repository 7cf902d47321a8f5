"""Settings of tokenizers, compared between runs and between caches."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mt.config.placeholders import placeholder_patterns
from mt.config.schema import TokenizerConfig
from mt.errors import MTError
from mt.run_folder import RunFolder


def check_tokenizer_settings(folder: RunFolder, given: TokenizerConfig) -> None:
    """Raise MTError if a run has other settings of its tokenizer, except those of sampling.

    An automatic vocabulary is that of the run.
    """
    used = asdict(folder.read_config().data.tokenizer)
    changed = {
        name: used[name]
        for name, value in asdict(given).items()
        if value != used[name]
        and name not in ("sampling", "max_vocab_size")
        and (name, value) != ("vocab_size", 0)
    }
    if changed:
        arguments = " ".join(
            f"data.tokenizer.{name}={format_value(value)}" for name, value in changed.items()
        )
        raise MTError(
            f"trainer.init_from={folder} takes the tokenizer of that run, which has other "
            f"settings: add {arguments}"
        )


def format_value(value: Any) -> str:
    """Return the value of a setting as it is written on the command line."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"'[{','.join(value)}]'" if isinstance(value, list) else str(value)


def cached_settings(config: TokenizerConfig) -> dict[str, Any]:
    """Return the settings of the tokenizer, without those that are off and unknown to older caches.

    Placeholders count by their patterns.
    """
    settings = asdict(config)
    settings["placeholders"] = placeholder_patterns(config.placeholders)
    return {
        name: value
        for name, value in settings.items()
        if value or name not in ("symbols", "placeholders")
    }
