"""What may be known about a test pair beside its text."""

from __future__ import annotations

import re
from typing import NamedTuple


class Annotation(NamedTuple):
    """Of one sentence pair."""

    links: str  # word alignment in Pharaoh's format, on the words between spaces; empty: not known
    constructions: str  # names of what the sentence is an example of, between spaces


def turned(annotation: Annotation) -> Annotation:
    """For the other direction: 0-2 becomes 2-0."""
    return annotation._replace(links=re.sub(r"(\d+)([-p])(\d+)", r"\3\2\1", annotation.links))
