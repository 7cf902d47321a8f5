"""Detection of languages, by the package py3langid (139 languages, a model of 5 MB)."""

from __future__ import annotations

from collections.abc import Sequence

from mt.data.language_codes import language_code
from mt.optional import require

MAX_CHARACTERS = 5000  # of a text that are looked at


class Detector:
    """Recognises languages; codes are those of ISO 639, as the package writes them."""

    def __init__(self) -> None:
        """Load the model. Raises MTError if the package is missing."""
        library = require("py3langid.langid", "detect")
        self.identifier = library.LanguageIdentifier.from_model_file(
            library.MODEL_FILE, norm_probs=True
        )
        self.codes = {language_code(code): code for code, _ in self.rank("")}

    def code_of(self, language: str) -> str | None:
        """Return the package's code of a language, or None if it does not know the language."""
        return self.codes.get(language_code(language))

    def rank(self, text: str) -> list[tuple[str, float]]:
        """Return all languages with their probabilities, the most probable first."""
        ranked = self.identifier.rank(text[:MAX_CHARACTERS])
        return [(code, float(probability)) for code, probability in ranked]

    def choose(self, text: str, sources: Sequence[str]) -> tuple[str, float]:
        """Return the most probable of these languages, codes as users write them.

        The probability is that among all languages: it is small if the text is in another one. A
        language that the model does not know has probability 0.
        """
        probabilities: dict[str | None, float] = dict(self.rank(text))
        return max(
            ((source, probabilities.get(self.code_of(source), 0.0)) for source in sources),
            key=lambda pair: pair[1],
        )
