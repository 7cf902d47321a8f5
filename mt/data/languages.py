"""Languages of a multilingual vocabulary, such as those of M2M-100 and NLLB-200.

One token in front of the source names its language, and the first token of the target names that
of the translation (Fan et al. 2021; NLLB Team 2022). The tokenizer adds both, so that texts do not
have them. Like a tag (`mt.data.tags`), such a token is no text. The model is not asked for that of
the target: the search begins with it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mt.data.language_codes import find_codes
from mt.errors import UsageError

SHOWN = 20  # of the codes in a message


@dataclass(frozen=True)
class Languages:
    """The codes that a vocabulary has, such as de or deu_Latn, and the two to translate between."""

    codes: Sequence[str]
    source: str
    target: str

    def choose(self, source: str = "", target: str = "") -> Languages:
        """Return the same languages with another source or target; "" keeps one.

        A code of another form will do if it stands for one of them only: en for eng_Latn. Raises
        UsageError for any other.
        """
        return replace(
            self,
            source=find_language(source, self.codes) if source else self.source,
            target=find_language(target, self.codes) if target else self.target,
        )

    @classmethod
    def from_json(cls, content: bytes) -> Languages:
        """Read the format of `to_json`. Raises ValueError for another one."""
        try:
            languages = cls(**json.loads(content))
        except TypeError as error:
            raise ValueError("languages must be a JSON object of codes, source, target") from error
        if not {languages.source, languages.target} <= set(languages.codes):
            raise ValueError("source and target must be among the codes of the languages")
        return languages

    def to_json(self) -> str:
        """Return the languages as a JSON object."""
        return json.dumps(
            {"source": self.source, "target": self.target, "codes": list(self.codes)}, indent=1
        )


def find_language(code: str, codes: Sequence[str]) -> str:
    """Return the one of these codes that a code stands for; raise UsageError if there is none."""
    found = find_codes(code, codes)
    if len(found) == 1:
        return found[0]
    choice = found or codes
    more = f" and {len(choice) - SHOWN} others" if len(choice) > SHOWN else ""
    raise UsageError(
        f"the language {code!r} is {'several' if found else 'none'} of those of the model: "
        f"give one of {', '.join(choice[:SHOWN])}{more}"
    )
