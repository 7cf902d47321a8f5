"""Identification of languages, with the model of py3langid."""

from __future__ import annotations

import pytest

from mt.config.schema import CleanConfig
from mt.data.cleaning.cleaner import Cleaner
from mt.errors import MTError

pytest.importorskip("py3langid", reason="py3langid is an optional dependency (extra detect)")

GOOD = [
    ("The committee will vote on the report tomorrow.", "Der Ausschuss stimmt morgen ab."),
    ("Yes.", "Ja."),  # too short to tell
    ("42", "42"),
]
FOREIGN = [
    ("The committee will vote on the report tomorrow.", "La commission votera demain matin."),
    ("Der Ausschuss stimmt morgen \u00fcber den Bericht ab.", "Der Ausschuss stimmt morgen ab."),
    ("The committee will vote.", "\u041a\u043e\u043c\u0438\u0442\u0435\u0442 \u0437\u0430."),
]


@pytest.mark.parametrize("languages", [("en", "de"), ("en-GB", "DE_at")])
def test_pairs_in_another_language_are_dropped(languages: tuple[str, str]) -> None:
    cleaner = Cleaner(CleanConfig(max_foreign=10), languages=languages)
    assert list(cleaner([*GOOD, *FOREIGN])) == GOOD
    assert cleaner.counts["language"] == 3


def test_the_step_is_off_by_default_and_needs_known_languages() -> None:
    assert len(list(Cleaner(CleanConfig())([*GOOD, *FOREIGN]))) == 6
    with pytest.raises(MTError, match="max_foreign needs data.tgt_lang"):
        Cleaner(CleanConfig(max_foreign=10), languages=("tgt", "en"))  # with data.reverse
    with pytest.raises(MTError, match="the language 'wo': leave it out; data.clean.min_script"):
        Cleaner(CleanConfig(max_foreign=10), languages=("en", "wo"))
