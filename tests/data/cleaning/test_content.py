"""Steps that look at what both sides say: cases in several languages and scripts."""

from __future__ import annotations

import pytest

from mt.config.schema import CleanConfig
from mt.data.cleaning.cleaner import Cleaner
from mt.data.cleaning.copies import is_copy
from mt.data.cleaning.duplicates import simplify
from mt.data.cleaning.letters import main_script, script_share
from mt.data.cleaning.markup import differs_in_markup
from mt.data.cleaning.numbers import agreement
from mt.data.cleaning.repetition import has_loop, loops_on_one_side

Pair = tuple[str, str]


def dropped(step: str, pairs: list[Pair], sample: list[Pair] = [], **settings) -> list[Pair]:  # noqa: B006
    """Return the pairs that a step drops; the other steps must drop none."""
    cleaner = Cleaner(CleanConfig(**settings), sample=sample or pairs)
    kept = list(cleaner(pairs))
    assert len(pairs) - len(kept) == cleaner.counts[step]
    return [pair for pair in pairs if pair not in kept]


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("This is not translated at all.", "This is not translated at all.", True),
        ("This is not translated at all.", "THIS IS NOT TRANSLATED , AT ALL", True),
        ("Dies ist nicht \u00fcbersetzt, 1999", "Dies ist nicht u\u0308bersetzt 2000", False),
        ("\u042d\u0442\u043e \u043d\u0435 \u0431\u044b\u043b\u043e \u0442\u0430\u043a.",
         "\u042d\u0442\u043e \u043d\u0435 \u0431\u044b\u043b\u043e \u0442\u0430\u043a!", True),
        ("\u79c1\u306f\u6628\u65e5\u5b66\u6821\u306b\u884c\u304d\u307e\u3057\u305f\u3002",
         "\u79c1\u306f\u6628\u65e5\u5b66\u6821\u306b\u884c\u304d\u307e\u3057\u305f", True),
        # Han characters that Japanese and Chinese share do not make a copy.
        ("\u79c1\u306f\u6628\u65e5\u5b66\u6821\u306b\u884c\u304d\u307e\u3057\u305f",
         "\u6211\u6628\u5929\u53bb\u4e86\u5b66\u6821\u5e76\u89c1\u5230\u4e86\u8001\u5e08", False),
        ("Angela Merkel, Berlin", "Angela Merkel, Berlin", False),  # names: three words
        ("A 12 B 13 C 14, page 15", "A 12 B 13 C 14, page 15", True),
        ("1 2 3 4 5 6", "1 2 3 4 5 6", False),  # no words
        ("the cat and the dog", "le chat et le chien", False),
        ("the the the the the cat", "the cat the bird sees now", False),  # counted, not as a set
    ],
)  # fmt: skip
def test_copies_share_most_words(source: str, target: str, expected: bool) -> None:
    assert is_copy(source, target, 0.9) is is_copy(target, source, 0.9) is expected


def test_the_share_of_copied_words_is_a_setting() -> None:
    pair = ("one two three four five", "one two three four cinq")
    assert is_copy(*pair, 0.8) and not is_copy(*pair, 0.81)
    assert dropped("copy", [pair]) == [] and dropped("copy", [pair], max_copied=0.8) == [pair]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the the the the the end", True),
        ("the the the the end", False),  # four times
        ("so it is " * 5, True),
        ("so it is so it is so it is so it is no", False),
        ("ha ha ho ho " * 3, False),
        ("\u54c8" * 9 + "\uff01", True),
        ("\u4f60\u597d\u4f60\u597d\u4f60\u597d\u4f60\u597d\u4f60\u597d", True),
        ("\u4f60\u597d\u4e16\u754c", False),
        ("\u1780\u17b6\u179a" + "\u200b" * 6 + "\u1780\u17c6\u178e\u178f\u17cb", False),
        (
            "\u1780\u17b6\u179a\u1780\u17c6\u178e\u178f\u17cb\u178a\u17c4\u1799" * 5,
            True,
        ),  # Khmer, 11 each
        ("\u0434\u0430 \u0434\u0430 \u0434\u0430 \u0434\u0430 \u0434\u0430", True),
        ("1 2 3 4 5 6 7 8 9 10", False),
        ("", False),
    ],
)
def test_a_loop_is_a_sequence_over_four_times_in_a_row(text: str, expected: bool) -> None:
    assert has_loop(text, 4) is expected


def test_loops_agree_with_a_slow_search() -> None:
    def slow(words: list[str], limit: int) -> bool:
        return any(
            words[i : i + n * (limit + 1)] == words[i : i + n] * (limit + 1)
            for n in range(1, 6)
            for i in range(len(words) - n * (limit + 1) + 1)
        )

    found = 0
    for number in range(3**8):
        words = ["abc"[number // 3**place % 3] for place in range(8)]
        for limit in (1, 2, 3):
            assert has_loop(" ".join(words), limit) is slow(words, limit)
            found += slow(words, limit)
    assert found > 1000


def test_only_loops_on_one_side_are_dropped() -> None:
    assert loops_on_one_side("no no no no no", "nein", 4)
    assert not loops_on_one_side("no no no no no", "nein nein nein nein nein", 4)
    pair = ("la la la la la", "ein Lied von vier Worten")
    assert dropped("repetition", [pair]) == [pair]
    assert dropped("repetition", [pair], max_repeats=5) == []


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("<b>bold</b>", "fett", True),
        ("<b>bold</b>", "<i>fett</i>", False),
        ("a < b and c > d", "a ist kleiner", False),
        ("I <3 you", "ich liebe dich", False),
        ("line<br/>break", "Zeile Umbruch", True),
        ("see http://a.org", "siehe dort", True),
        ("see http://a.org/en", "siehe www.a.org/de", False),
        ("siehe HTTPS://a.org", "\u53c2\u770b", True),
        ("the www is old", "das www ist alt", False),
        ("\u0441\u043c. www.a.ru", "see there", True),
    ],
)
def test_markup_on_one_side_only(source: str, target: str, expected: bool) -> None:
    assert differs_in_markup(source, target) is differs_in_markup(target, source) is expected
    pairs = [(source, target)]
    assert dropped("mark-up", pairs) == (pairs if expected else [])
    assert dropped("mark-up", pairs, same_markup=False) == []


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("1,000,000.50 in 2004", "1.000.000,50 im Jahr 2004", 1.0),
        ("10,000 people", "10 000 personnes", 1.0),
        ("10,000 people", "10\u202f000 personnes", 1.0),
        ("In 2004, 300 people", "2004 waren es 300", 1.0),
        ("12/31/1999", "31.12.1999", 1.0),
        ("in 1995", "\u0661\u0669\u0669\u0665 \u0641\u064a", 1.0),  # Arabic-Indic
        ("\u0967\u0968,\u0966\u0966\u0966", "12,000", 1.0),  # Devanagari
        ("\uff12\uff10\uff10\uff14\u5e74", "2004", 1.0),  # full width
        ("Article 5", "der f\u00fcnfte Artikel", 1.0),  # one digit
        ("no numbers", "keine", 1.0),
        ("in 1995", "im Jahr", 1.0),  # which may be written as words
        ("12 men in 1995", "1995, zw\u00f6lf M\u00e4nner", 1.0),
        ("in 1995", "im Jahr 1996", 0.75),
        ("12 men in 1995", "1996, zw\u00f6lf M\u00e4nner", 0.75),
        ("page 12", "Seite 34", 0.0),
    ],
)
def test_numbers_are_compared_by_their_digits(source: str, target: str, expected: float) -> None:
    assert agreement(source, target) == agreement(target, source)
    assert agreement(source, target) == pytest.approx(expected)


def test_pairs_with_other_numbers_are_dropped_on_request() -> None:
    pairs = [("in 1995 they", "im Jahr"), ("in 1995", "1995 im"), ("in 1995", "1996 im Mai")]
    assert dropped("numbers", pairs) == []
    assert dropped("numbers", pairs, min_numbers=0.7) == []
    assert dropped("numbers", pairs, min_numbers=0.9) == pairs[2:]


RUSSIAN = "\u0421\u043e\u0431\u0430\u043a\u0430 \u0438 \u043a\u043e\u0442"
JAPANESE = "\u72ac\u3068\u30cd\u30b3\u304c\u3044\u308b"


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("A dog", "Latin"),
        ("\u00e4\u00f6\u00fc\u00df 12", "Latin"),
        (RUSSIAN, "Cyrillic"),
        (JAPANESE, "Han"),  # which stands for all scripts of Japanese
        ("\ud55c\uad6d\uc5b4", "Hangul"),
        ("\u0928\u092e\u0938\u094d\u0924\u0947", "Devanagari"),
        ("\u1019\u103c\u1014\u103a", "Myanmar"),
        ("12, 13!", ""),
        ("", ""),
        ("\U00012000", "other"),  # cuneiform
    ],
)
def test_the_script_of_a_text(text: str, script: str) -> None:
    assert main_script(text) == script
    if script:
        assert script_share(text, frozenset([script])) == 1


def test_the_share_of_letters_ignores_all_else() -> None:
    assert script_share("abc \u0434\u0430 123 !", frozenset(["Cyrillic"])) == 0.4
    assert script_share("abc \u0434\u0430 123 !", frozenset(["Cyrillic", "Latin"])) == 1
    assert script_share("123 !", frozenset(["Cyrillic"])) == 1
    assert script_share("abc", frozenset(["Cyrillic"])) == 0


def test_the_scripts_of_a_side_are_those_of_its_lines() -> None:
    serbian = "\u041f\u0430\u0441 \u0438 \u043c\u0430\u0447\u043a\u0430"
    sample = [("A dog", RUSSIAN)] * 8 + [("A dog", "not translated")] * 2
    pairs = [("A dog", RUSSIAN), ("The dog", "The dog"), (RUSSIAN, RUSSIAN[:6]), ("5", "7")]
    assert dropped("script", pairs, sample, min_script=0.5) == pairs[1:3]
    assert dropped("script", pairs, sample) == []
    both = [("A dog", serbian)] * 6 + [("A dog", "Pas i ma\u010dka")] * 4
    pairs = [("A dog", serbian), ("A dog", "Pas i ma\u010dka"), ("A dog", JAPANESE)]
    assert dropped("script", pairs, both, min_script=0.5) == pairs[2:]


def test_a_side_may_be_in_a_rare_script_or_in_many() -> None:
    cuneiform = "\U00012000\U00012001"
    pairs = [("A dog", cuneiform), ("A dog", "A dog")]
    assert dropped("script", pairs, pairs[:1], min_script=0.5) == pairs[1:]
    many = [("A dog", text) for text in ("Pas", RUSSIAN, JAPANESE, "\ud55c\uad6d", "\u0e2b", "12")]
    assert dropped("script", many, many, min_script=0.5) == []  # none has a quarter of the lines


def test_near_duplicates_differ_in_case_digits_and_punctuation() -> None:
    pairs = [
        ("Article 12.", "Artikel 12."),
        ("ARTICLE 3", "artikel 4 !"),
        ("Article 12.", "Absatz 12."),  # another target
        ("12", "12"),
        ("!!", "??"),
        ("??", "!!"),  # nothing is left to compare
        ("\u0915\u093f", "k"),
        ("\u0915\u0940", "k"),  # another vowel sign
    ]
    assert dropped("near-duplicate", pairs, near_duplicates=True) == pairs[1:2]
    assert dropped("near-duplicate", pairs) == []
    assert simplify("Die 2. Stra\u00dfe, 1999!") == "die0strasse0"
