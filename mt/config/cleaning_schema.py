"""Settings of the cleaning of training pairs."""

from __future__ import annotations

from dataclasses import dataclass

from mt.config.setting import setting


@dataclass
class CleanConfig:
    """Cleaning of the training pairs; the pairs that each step drops are counted and reported.

    Validation and test pairs are normalised, never dropped.
    """

    unicode: str = setting("NFC", "Unicode normalisation form", choices=("NFC", "NFKC", "none"))
    unescape: bool = setting(
        True,
        "replace HTML entities and Moses escapes (&quot;, &#124;, @-@) by what they stand for, in "
        "all text: of training, validation and test, and in translation",
        absent=False,
    )
    relative_lengths: bool = setting(
        True,
        "(min_words, max_words, max_ratio) measure lengths against those that are usual in the "
        "corpus; false: words without regard to the other side, and ratios in UTF-8 bytes",
        absent=False,
    )
    min_words: int = setting(
        0,
        "drop pairs with a side shorter than N words (characters, in scripts without spaces)",
        absent=0,
    )
    max_words: int = setting(
        250,
        "drop pairs with a side longer than N words (characters, in scripts without spaces, if the "
        "other side has none either); 0: no limit",
    )
    max_chars: int = setting(2500, "drop pairs with a side longer than N characters; 0: no limit")
    max_ratio: float = setting(
        4.0,
        "drop pairs whose longer side has more than 50 characters and N times as many as the "
        "shorter, relative to the corpus; 0: no limit",
    )
    max_copied: float = setting(
        0.9,
        "drop pairs that have this share of their words in common, if both sides have at least 4 "
        "words; 0: keep copies",
        maximum=1,
        absent=0.0,
    )
    max_repeats: int = setting(
        4,
        "drop pairs in which one side repeats a sequence of words more than N times in a row, and "
        "the other does not; 0: no limit",
        absent=0,
    )
    same_markup: bool = setting(
        True, "drop pairs with tags (<b>) or web addresses on one side only", absent=False
    )
    min_script: float = setting(
        0.0,
        "drop pairs with a side that has less than this share of its letters in the script of most "
        "lines of that side, such as 0.4; 0: any script",
        maximum=1,
        absent=0.0,
    )
    min_numbers: float = setting(
        0.0,
        "drop pairs in whose numbers less than this share of the digits agree, such as 0.9; "
        "numbers of one digit, and numbers on one side only, do not count; 0: any numbers",
        maximum=1,
        absent=0.0,
    )
    max_foreign: float = setting(
        0.0,
        "drop pairs with a side for which another language is over N times as probable as "
        "data.src_lang or data.tgt_lang, such as 10 (needs the extra detect); 0: any language",
        absent=0.0,
    )
    deduplicate: bool = setting(True, "drop duplicate pairs")
    near_duplicates: bool = setting(
        False,
        "drop pairs that differ from an earlier one in case, digits and punctuation only",
        absent=False,
    )
    drop_overlap: bool = setting(
        True, "drop training pairs whose source or target occurs in the validation or test set"
    )
