"""Gold word alignments and constructions of test pairs."""

from __future__ import annotations

import re
from typing import NamedTuple


class Annotation(NamedTuple):
    """The annotation of one sentence pair."""

    links: str  # word alignment in Pharaoh's format, on words between spaces; empty: unknown
    constructions: str  # names of the constructions in the sentence, separated by spaces

    def reversed(self) -> Annotation:
        """Return the annotation for the other translation direction: link 0-2 becomes 2-0."""
        return self._replace(links=re.sub(r"(\d+)([-p])(\d+)", r"\3\2\1", self.links))
