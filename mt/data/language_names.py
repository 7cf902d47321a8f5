"""English names of languages, by any of their codes."""

from __future__ import annotations

from functools import cache

from mt.data.language_codes import UNKNOWN, parse_code

# Names that are more usual than those of the registry of IANA.
USUAL_NAMES = {
    "el": "Greek",
    "ht": "Haitian Creole",
    "ky": "Kyrgyz",
    "or": "Odia",
    "pa": "Punjabi",
    "ps": "Pashto",
    "to": "Tongan",
    "ug": "Uyghur",
}


def language_name(code: str) -> str:
    """Return the name of a language, with the region of its code and a script that is not usual.

    "English" for eng_Latn, "Chinese (Hant)" for zho_Hant. A code that is no language stands for
    itself.
    """
    tag = parse_code(code)
    if tag is None or not (tag.language and tag.language in read_names()):
        return code
    usual = tag.make(language=tag.language).maximize().script
    rest = [part for part in (tag.script, tag.territory) if part and part != usual]
    return " ".join([read_names()[tag.language], *(f"({part})" for part in rest)])


def describe_code(setting: str, code: str) -> list[str]:
    """Return a note if the code of a setting is no tag of a language, such as the name of one."""
    tag = parse_code(code)
    if code in UNKNOWN or (tag and tag.is_valid()):
        return []
    codes = {name.lower(): code for code, name in reversed(read_names().items())}
    found = codes.get(code.strip().lower())
    if tag and not found:  # a code of one's own
        return []
    hint = f"set {setting}={found}" if found else "codes are such as en, de or wo"
    return [f"note: {setting}={code} is not the code of a language: {hint}"]


@cache
def read_names() -> dict[str, str]:
    """Return the names of all languages, by the codes of `language_code`.

    They are those of the registry of BCP 47, without remarks such as "(macrolanguage)".
    """
    from langcodes.registry_parser import parse_registry

    names = {
        entry["Subtag"]: entry["Description"][0].partition(" (")[0]
        for entry in parse_registry()
        if entry["Type"] == "language"
    }
    return names | USUAL_NAMES
