"""Codes of languages, of two letters or three, with a script or without: de, deu, de-AT, deu_Latn.

They are tags of BCP 47, whose tables the package langcodes has. A code of three letters is the same
as that of two if the language has both (ISO 639). A language that stands for a group of others has
the code of the group: arb, Standard Arabic, is ar.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langcodes import Language

# Distance in CLDR's tables from which two languages are different: no to nb has 1, no to nn 20.
OTHER_LANGUAGE = 5
# The defaults of data.src_lang and data.tgt_lang, which here are not Logudorese and Tagbanwa.
UNKNOWN = ("src", "tgt")


@lru_cache(maxsize=10_000)
def language_code(code: str) -> str:
    """Return the language of a code, without script and region: de of deu, de-AT and deu_Latn.

    It has two letters if such a code exists. Of a code that is no tag, it is what comes before the
    first - or _.
    """
    tag = parse_code(code)
    return (tag and tag.language) or first_subtag(code)


def find_codes(code: str, codes: Iterable[str]) -> list[str]:
    """Return those of some codes that stand for the same language as a code.

    If the code itself is among them, it is the only one. A code with a script or a region stands
    for text in that script: zh-TW for zho_Hant, and zh for zho_Hans too. If none is of the
    language, those of the languages in its group are returned: pbt_Arab for ps.
    """
    codes = list(codes)
    tag = parse_code(code)
    if code in codes or tag is None:
        return [code] if code in codes else []
    tags = {each: parts for each in codes if (parts := parse_code(each))}
    distances = {each: language_distance(tag, parts) for each, parts in tags.items()}
    nearest = min(distances.values(), default=OTHER_LANGUAGE)
    found = [each for each in tags if first_subtag(each) == first_subtag(code)]
    found = found or [each for each in tags if distances[each] == nearest < OTHER_LANGUAGE]
    found = found or [each for each in tags if group_of(tags[each]) == tag.language]
    if tag.script or tag.territory:
        script = tag.maximize().script
        found = [each for each in found if tags[each].maximize().script == script]
    return found


def first_subtag(code: str) -> str:
    """Return what a code has before the first - or _, in lower case."""
    return re.split(r"[-_]", code.strip().lower())[0]


def parse_code(code: str) -> Language | None:
    """Return the parts of a code, with two letters if possible; None if it is no tag of BCP 47."""
    if code in UNKNOWN:
        return None
    from langcodes import Language  # imported here because its tables take 50 ms
    from langcodes.tag_parser import LanguageTagError

    try:
        return Language.get(code.strip()).prefer_macrolanguage()
    except LanguageTagError:
        return None


def language_distance(desired: Language, supported: Language) -> int:
    """Return the distance of two languages in CLDR's tables, whatever their scripts are.

    A variety of another region than the one desired (prs, Dari, is fa-AF) is 1 farther.
    """
    from langcodes import Language

    first, second = (Language.make(language=each.language) for each in (desired, supported))
    return first.distance(second) + (supported.territory not in (None, desired.territory))


def group_of(tag: Language) -> str | None:
    """Return the macrolanguage that a language belongs to in ISO 639-3: ar of ary."""
    from langcodes.data_dicts import MACROLANGUAGES

    return MACROLANGUAGES.get(tag.language or "")
