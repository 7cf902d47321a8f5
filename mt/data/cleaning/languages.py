"""Identification of the languages of a pair."""

from __future__ import annotations

from collections.abc import Callable

from mt.data.detection import Detector
from mt.data.scripts import language_code
from mt.errors import MTError


def is_foreign(languages: tuple[str, str], factor: float) -> Callable[[str, str], bool]:
    """Return a test of whether a side is in another language than its own.

    It is if another language is over `factor` times as probable as its own. Probabilities of
    languages are similar for short text, which is therefore kept. Raises MTError if a language is
    unknown, or the package that detects languages is missing.
    """
    detector = Detector()
    known = sorted(dict(detector.rank("")))
    for side, code in zip(("src", "tgt"), languages, strict=True):
        if language_code(code) not in known:
            raise MTError(
                f"data.clean.max_foreign does not know the language {code!r}: "
                f"set data.{side}_lang to one of {', '.join(known)}"
            )
    own = tuple(map(language_code, languages))

    def is_other(text: str, code: str) -> bool:
        ranking = detector.rank(text)  # the most probable language first
        return ranking[0][1] > factor * dict(ranking)[code]

    return lambda source, target: is_other(source, own[0]) or is_other(target, own[1])
