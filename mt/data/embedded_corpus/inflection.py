"""German and English inflection: the forms of a word from its principal parts.

Cases are nom, acc, dat and gen; genders are m, f, n and p (plural). The agreement of a verb is 1
(I), 3 (he, she, it) or p (we, they).
"""

from __future__ import annotations

import re

CASES = ("nom", "acc", "dat", "gen")
GENDERS = "mfnp"
AGREEMENTS = "13p"

# Articles and endings by case, for the genders m, f, n, p.
DER = {
    "nom": ("der", "die", "das", "die"),
    "acc": ("den", "die", "das", "die"),
    "dat": ("dem", "der", "dem", "den"),
    "gen": ("des", "der", "des", "der"),
}
RELATIVE = {
    **DER,
    "dat": ("dem", "der", "dem", "denen"),
    "gen": ("dessen", "deren", "dessen", "deren"),
}
DIES = {
    "nom": ("er", "e", "es", "e"),
    "acc": ("en", "e", "es", "e"),
    "dat": ("em", "er", "em", "en"),
    "gen": ("es", "er", "es", "er"),
}
EIN = {**DIES, "nom": ("", "e", "", "e"), "acc": ("en", "e", "", "e")}
# Adjective endings. Strong: no determiner shows the case. Weak: after der, dies-, jed-. Mixed:
# after ein, kein, mein.
STRONG = {**DIES, "gen": ("en", "er", "en", "er")}
WEAK = {
    "nom": ("e", "e", "e", "en"),
    "acc": ("en", "e", "e", "en"),
    "dat": ("en",) * 4,
    "gen": ("en",) * 4,
}
MIXED = {
    "nom": ("er", "e", "es", "en"),
    "acc": ("en", "e", "es", "en"),
    "dat": ("en",) * 4,
    "gen": ("en",) * 4,
}
ADJECTIVE = {"strong": STRONG, "weak": WEAK, "mixed": MIXED}

# The pronoun `it` by gender: nominative, accusative, dative.
IT = {"m": ("er", "ihn", "ihm"), "f": ("sie", "sie", "ihr"), "n": ("es", "es", "ihm")}

CONTRACTIONS = {
    "in dem": "im",
    "an dem": "am",
    "von dem": "vom",
    "zu dem": "zum",
    "bei dem": "beim",
    "zu der": "zur",
    "in das": "ins",
    "an das": "ans",
}

# Present and preterite by infinitive, each for the agreements 1, 3, p.
AUXILIARIES = {
    "haben": (("habe", "hat", "haben"), ("hatte", "hatte", "hatten")),
    "sein": (("bin", "ist", "sind"), ("war", "war", "waren")),
    "werden": (("werde", "wird", "werden"), ("wurde", "wurde", "wurden")),
}
ENGLISH_AUXILIARIES = {
    "be": (("am", "is", "are"), ("was", "was", "were")),
    "have": (("have", "has", "have"), ("had",) * 3),
    "do": (("do", "does", "do"), ("did",) * 3),
    "will": (("will",) * 3, ("would",) * 3),
}


def german_noun(singular: str, plural: str, gender: str, weak: bool, case: str) -> str:
    """Return a noun in a case; `gender` p is the plural.

    Weak nouns take -n or -en outside the nominative.
    """
    if gender == "p":
        return plural + ("n" if case == "dat" and plural[-1] not in "ns" else "")
    if gender == "f":
        return singular
    if weak and case != "nom":
        return singular + ("n" if singular.endswith(("e", "er", "ar", "Herr")) else "en")
    return singular + genitive_ending(singular, plural) if case == "gen" else singular


def genitive_ending(noun: str, plural: str) -> str:
    """Return the genitive ending of a masculine or neuter noun.

    -es after a sibilant, and in words of one syllable that end in d, t, ch, g or nn; else -s. Duden
    allows both for most nouns. The plural shows exceptions: Chefs gives des Chefs, Busse gives des
    Busses.
    """
    if plural == noun + "se":
        return "ses"
    if noun.endswith(("s", "ß", "x", "z", "sch", "st")):
        return "es"
    takes_es = syllables(noun) == 1 and noun.endswith(("d", "t", "ch", "g", "nn"))
    return "es" if takes_es and plural != noun + "s" else "s"


def syllables(word: str) -> int:
    """Return the number of groups of vowels."""
    return len(re.findall("[aeiouäöüy]+", word.lower()))


def german_present(infinitive: str, third: str, agreement: str) -> str:
    """Return the present form."""
    if infinitive in AUXILIARIES:
        return AUXILIARIES[infinitive][0][AGREEMENTS.index(agreement)]
    if agreement == "3":
        return third
    if agreement == "p":
        return infinitive
    if infinitive == "wissen":
        return third
    stem = infinitive.removesuffix("n")  # sammeln: ich sammle; wandern: ich wandere
    if stem.endswith("el"):
        return stem[:-2] + "le"
    return stem if stem.endswith("e") else stem + "e"


def german_preterite(third: str, agreement: str) -> str:
    """Return the preterite form."""
    if agreement != "p":
        return third
    return third + ("n" if third.endswith("e") else "en")


def german_imperative(infinitive: str, third: str) -> str:
    """Return the imperative (second person singular) without prefix: gib, nimm, warte, komm."""
    if infinitive in ("sein", "wissen"):
        return {"sein": "sei", "wissen": "wisse"}[infinitive]
    root = infinitive.removesuffix("n").removesuffix("e")
    if _vowels(root)[-1] == "e" and _vowels(third.removesuffix("t"))[-1] in ("i", "ie"):
        return third if third.endswith("tt") else third[:-1]
    if infinitive.endswith("eln"):
        return root[:-2] + "le"
    # A consonant cluster before m or n needs the -e: öffne, zeichne, atme.
    cluster = root[-1] in "mn" and (root[-2] not in "aeiouäöülrmnh" or root[-3:-1] == "ch")
    return root + ("e" if root.endswith(("d", "t", "er", "ig")) or cluster else "")


def _vowels(word: str) -> list[str]:
    return re.findall("[aeiouäöü]+", word)


def english_present(base: str, third: str, agreement: str) -> str:
    """Return the present form."""
    if base == "be":
        return ENGLISH_AUXILIARIES["be"][0][AGREEMENTS.index(agreement)]
    return third if agreement == "3" else base


def english_past(base: str, past: str, agreement: str) -> str:
    """Return the past form."""
    if base == "be":
        return ENGLISH_AUXILIARIES["be"][1][AGREEMENTS.index(agreement)]
    return past
