"""The tokenizer that is customary for BLEU in each language."""

from __future__ import annotations

from collections.abc import Sequence

from mt.data.language_codes import language_code
from mt.data.scripts import unspaced_language

TOKENIZERS = ("13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "none", "flores101", "flores200")

CHINESE = {"zh", "yue", "lzh"}
JAPANESE = {"ja"}
KOREAN = {"ko"}
OTHER_UNSPACED = {"th", "lo", "km", "my", "bo", "dz", "khb", "tdd"}


def bleu_tokenizer(tgt_lang: str) -> str:
    """Return the customary BLEU tokenizer of a language.

    It is WMT's 13a, unless the script writes no spaces or, as in Korean, words are long.
    """
    code = language_code(tgt_lang)
    if code in CHINESE:
        return "zh"
    if code in JAPANESE:
        return "ja-mecab"
    if code in KOREAN:
        return "ko-mecab"
    return "char" if code in OTHER_UNSPACED else "13a"


def scored_language(tgt_lang: str, references: Sequence[str]) -> tuple[str, list[str]]:
    """Return the language by whose rules references are split into words, and notes on it.

    It is `tgt_lang`, unless that is empty or has spaces between words while the references have
    none: then it is the language that their script shows.
    """
    script = unspaced_language(references) if bleu_tokenizer(tgt_lang) == "13a" else ""
    if not script:
        return tgt_lang, []
    given = f", not {tgt_lang!r}" if tgt_lang else ""
    return script, [
        f"the references are in a script without spaces: they are split into words as text in "
        f"{script!r}{given}; set the language (data.tgt_lang=, --lang) if it is another"
    ]
