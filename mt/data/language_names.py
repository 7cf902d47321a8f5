"""English names of languages, by their codes of ISO 639."""

from __future__ import annotations

from mt.data.scripts import language_code

_TABLE = """
af Afrikaans, sq Albanian, am Amharic, ar Arabic, hy Armenian, as Assamese, az Azerbaijani,
eu Basque, be Belarusian, bn Bengali, bs Bosnian, br Breton, bg Bulgarian, my Burmese, ca Catalan,
zh Chinese, hr Croatian, cs Czech, da Danish, nl Dutch, en English, eo Esperanto, et Estonian,
fo Faroese, fi Finnish, fr French, fy Western Frisian, gd Scottish Gaelic, gl Galician, ka Georgian,
de German, el Greek, gn Guarani, gu Gujarati, ht Haitian Creole, ha Hausa, he Hebrew, hi Hindi,
hu Hungarian, is Icelandic, ig Igbo, id Indonesian, ga Irish, it Italian, ja Japanese, jv Javanese,
kn Kannada, kk Kazakh, km Khmer, rw Kinyarwanda, ko Korean, ku Kurdish, ky Kyrgyz, lo Lao, la Latin,
lv Latvian, ln Lingala, lt Lithuanian, lb Luxembourgish, mk Macedonian, mg Malagasy, ms Malay,
ml Malayalam, mt Maltese, mi Maori, mr Marathi, mn Mongolian, ne Nepali, no Norwegian,
nb Norwegian Bokmål, nn Norwegian Nynorsk, oc Occitan, or Odia, om Oromo, ps Pashto, fa Persian,
pl Polish, pt Portuguese, pa Punjabi, qu Quechua, ro Romanian, rm Romansh, ru Russian, sm Samoan,
sa Sanskrit, sc Sardinian, sr Serbian, sn Shona, sd Sindhi, si Sinhala, sk Slovak, sl Slovenian,
so Somali, st Southern Sotho, es Spanish, su Sundanese, sw Swahili, sv Swedish, tl Tagalog,
tg Tajik, ta Tamil, tt Tatar, te Telugu, th Thai, bo Tibetan, ti Tigrinya, to Tongan, tn Tswana,
tr Turkish, tk Turkmen, uk Ukrainian, ur Urdu, ug Uyghur, uz Uzbek, vi Vietnamese, cy Welsh,
wo Wolof, xh Xhosa, yi Yiddish, yo Yoruba, zu Zulu
"""
NAMES = dict(entry.split(maxsplit=1) for entry in " ".join(_TABLE.split()).split(", "))


def language_name(code: str) -> str:
    """Return the name of a language, with the rest of its code: "Chinese (Hant)" for zh-Hant.

    A code without a known name stands for itself.
    """
    base = language_code(code)
    rest = code.strip()[len(base) + 1 :]
    name = NAMES.get(base)
    return code if name is None else f"{name} ({rest})" if rest else name
