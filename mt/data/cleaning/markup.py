"""Mark-up and addresses of the web."""

from __future__ import annotations

import re

_TAG = re.compile(r"</?[a-zA-Z][\w:-]*(?:\s[^<>]*)?/?>")
_ADDRESS = re.compile(r"\b(?:https?|ftp)://\w|\bwww\.\w", re.IGNORECASE)


def has_tag(text: str) -> bool:
    """Return whether the text has a tag of HTML or XML."""
    return _TAG.search(text) is not None


def has_address(text: str) -> bool:
    """Return whether the text has an address of the web."""
    return _ADDRESS.search(text) is not None


def differs_in_markup(source: str, target: str) -> bool:
    """Return whether one side has tags and the other none, or one addresses and the other none."""
    both = source + target
    return ("<" in both and has_tag(source) != has_tag(target)) or (
        ("://" in both or "www." in both) and has_address(source) != has_address(target)
    )
