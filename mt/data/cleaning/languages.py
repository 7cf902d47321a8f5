"""Identification of the languages of a pair."""

from __future__ import annotations

from collections.abc import Callable

from mt.data.detection import Detector
from mt.data.language_codes import UNKNOWN
from mt.errors import MTError


def is_foreign(languages: tuple[str, str], factor: float) -> Callable[[str, str], bool]:
    """Return a test of whether a side is in another language than its own.

    It is if another language is over `factor` times as probable as its own. Probabilities of
    languages are similar for short text, which is therefore kept. Raises MTError if a language is
    unknown, or the package that detects languages is missing.
    """
    detector = Detector()

    def known_code(language: str) -> str:
        code = detector.code_of(language)
        if code is None and language in UNKNOWN:
            raise MTError(f"data.clean.max_foreign needs data.{language}_lang, such as de")
        if code is None:
            raise MTError(
                f"data.clean.max_foreign does not know the language {language!r}: leave it out; "
                "data.clean.min_script works for every language"
            )
        return code

    own = known_code(languages[0]), known_code(languages[1])

    def is_other(text: str, code: str) -> bool:
        ranking = detector.rank(text)  # the most probable language first
        return ranking[0][1] > factor * dict(ranking)[code]

    return lambda source, target: is_other(source, own[0]) or is_other(target, own[1])
