"""Codes of languages in two letters, three letters and with scripts stand for each other."""

from __future__ import annotations

import pytest

from mt.data.detection import Detector
from mt.data.language_codes import find_codes, language_code
from mt.data.language_names import describe_code, language_name
from mt.data.languages import find_language
from mt.errors import UsageError
from mt.importing.fairseq_languages import M2M_LANGUAGES, NLLB_LANGUAGES

CODES = {"m2m": M2M_LANGUAGES["m2m100"], "nllb": NLLB_LANGUAGES}


@pytest.mark.parametrize(
    ("codes", "language"),
    [
        ("de deu ger DE de-AT deu_Latn", "de"),
        ("zh zho chi cmn zh-TW zho_Hant", "zh"),
        ("ar ara arb arb_Arab ar-EG", "ar"),
        ("ary_Arab", "ary"),
        ("yue_Hant", "yue"),
        ("src", "src"),  # stands for an unknown language
        ("__de__", ""),
        ("", ""),
    ],
)
def test_the_language_of_a_code_has_two_letters_if_there_are(codes: str, language: str) -> None:
    assert {language_code(code) for code in codes.split() or [""]} == {language}


@pytest.mark.parametrize(
    ("model", "code", "found"),
    [
        # Codes of two letters, for which ISO 639-3 has one code, or one that stands for a group.
        ("nllb", "en", "eng_Latn"),
        ("nllb", "my", "mya_Mymr"),
        ("nllb", "ar", "arb_Arab"),
        ("nllb", "fa", "pes_Arab"),
        ("nllb", "sw", "swh_Latn"),
        ("nllb", "no", "nob_Latn"),
        ("nllb", "ps", "pbt_Arab"),
        ("nllb", "iw", "heb_Hebr"),
        # Other codes of the model's languages.
        ("nllb", "prs", "prs_Arab"),
        ("nllb", "twi", "twi_Latn"),
        ("nllb", "en-GB", "eng_Latn"),
        ("m2m", "eng_Latn", "en"),
        ("m2m", "nob", "no"),
        ("m2m", "fil", "tl"),
        # Several: only a script tells them apart.
        ("nllb", "zh", "zho_Hans zho_Hant"),
        ("nllb", "zh-TW", "zho_Hant"),
        ("nllb", "zh-Hans", "zho_Hans"),
        ("nllb", "kr", "knc_Arab knc_Latn"),
        # None: another script, related languages.
        ("nllb", "sr-Latn", ""),
        ("m2m", "nn", ""),
        ("m2m", "zh-Hant", ""),
        ("nllb", "xx", ""),
        ("nllb", "__de__", ""),
    ],
)
def test_a_code_stands_for_those_of_a_model(model: str, code: str, found: str) -> None:
    assert find_codes(code, CODES[model]) == found.split()


@pytest.mark.parametrize("model", CODES)
def test_each_code_of_a_model_stands_for_itself_and_its_language_for_it(model: str) -> None:
    for code in CODES[model]:
        assert find_codes(code, CODES[model]) == [code]
        assert code in find_codes(code.partition("_")[0], CODES[model])


def test_codes_that_are_no_tags_are_passed_over() -> None:
    assert find_codes("de", ["<mask>", "", "de_DE"]) == ["de_DE"]
    assert find_codes("<mask>", ["<mask>", "de_DE"]) == ["<mask>"]
    assert find_codes("de", []) == []


def test_an_ambiguous_code_is_refused_with_its_choices() -> None:
    message = "the language 'zh' is several of those of the model: give one of zho_Hans, zho_Hant$"
    with pytest.raises(UsageError, match=message):
        find_language("zh", NLLB_LANGUAGES)


def test_names_show_a_script_that_is_not_the_usual_one() -> None:
    names = {
        "eng_Latn": "English",
        "deu": "German",
        "zho_Hant": "Chinese (Hant)",
        "zho_Hans": "Chinese",
        "arb_Arab": "Arabic",
        "tgl_Latn": "Filipino",
        "ell": "Greek",
        "zsm_Latn": "Malay",
        "xx": "xx",
        "src": "src",
        "tl": "Filipino",
        "sr-Latn": "Serbian (Latn)",
        "pt-BR": "Portuguese (BR)",
        "ary_Arab": "Moroccan Arabic",
        "__de__": "__de__",
    }
    assert {code: language_name(code) for code in names} == names


def test_text_is_recognised_for_any_code_of_its_language() -> None:
    pytest.importorskip("py3langid")
    detector = Detector()
    text = "Das ist ein deutscher Satz über das Wetter in Berlin."
    code, probability = detector.choose(text, ["eng_Latn", "deu_Latn"])
    assert code == "deu_Latn" and probability > 0.9
    assert (detector.code_of("fil"), detector.code_of("xx")) == ("tl", None)


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("English", "set data.src_lang=en"),
        ("wolof", "set data.src_lang=wo"),
        ("Greek", "set data.src_lang=el"),
        ("Swahili", "set data.src_lang=sw"),
        ("my dialect", "codes are such as"),
        ("Zulu", "set data.src_lang=zu"),
    ],
)
def test_what_is_not_the_code_of_a_language_is_noted(code: str, hint: str) -> None:
    (note,) = describe_code("data.src_lang", code)
    assert note.startswith(f"note: data.src_lang={code} is not the code of a language: {hint}")


def test_codes_of_every_form_and_what_is_not_set_are_not_noted() -> None:
    codes = ("en wo deu de-AT de_AT DE eng_Latn zh-Hant-TW arb x-mine zz src tgt").split()
    assert [note for code in codes for note in describe_code("data.src_lang", code)] == []
    names = [*M2M_LANGUAGES["m2m100"], *NLLB_LANGUAGES]
    assert [note for code in names for note in describe_code("data.src_lang", code)] == []
