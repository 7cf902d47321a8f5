"""Settings of tokenizers, compared between caches."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mt.config.placeholders import placeholder_patterns
from mt.config.schema import TokenizerConfig


def cached_settings(config: TokenizerConfig) -> dict[str, Any]:
    """Return the settings of the tokenizer, without those that are off and unknown to older caches.

    Placeholders count by their patterns.
    """
    settings = asdict(config)
    settings["placeholders"] = placeholder_patterns(config.placeholders)
    return {
        name: value
        for name, value in settings.items()
        if value or name not in ("symbols", "placeholders", "tags", "extend")
    }


def settings_with_given(config: TokenizerConfig) -> list[Any]:
    """Return the settings that shape a corpus whose tokenizer is given."""
    extension = [config.extend, config.train_lines, config.character_coverage, *config.tags]
    return [config.sampling, *(extension if config.extend else [])]
