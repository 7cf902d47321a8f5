"""Splitting of text into sentences."""

from __future__ import annotations

import random

import pytest

from mt.data.abbreviations import MAY_BE_LAST, NEVER_LAST, abbreviations_of
from mt.data.sentences import SentenceSplitter

# Sentences are separated by " | ", which stands for a space, or by "|", which stands for nothing.
EXAMPLES = [
    ("en", "A man is riding a bike. | A dog is running. | Two women sit on a bench."),
    ("en", "Dr. Smith met Mr. and Mrs. Jones. | They left."),
    ("en", "J. R. R. Tolkien wrote it. | It was read."),
    ("en", "The U.S. Army came from the U.S. | The end."),
    ("en", "At 5 p.m. John left. | At 6 p.m. | He came."),
    ("en", "Fruit, e.g. Apples, is 3.5 times as good. | Yes!"),
    ("en", "See No. 5 and p. 12. | No. | I will not."),
    ("en", "Apples, pears, etc. | They are good."),
    ("en", "She is 20. | He was born in 1990. | They left."),
    ("en", "1. Open the door. | 2. Close it."),
    ("en", '"Stop!" he said. | "Why?" | (She left.) | No.'),
    ("en", "Well… it is so. | Hm... no. | Wait… | It came."),
    ("en", "It is at example.com/a.B?c=D now. | So long! | :-) Bye?!"),
    ("en", "a man is riding . | a dog is running . | mr. smith sits"),
    ("en", "It is an iPod. iPods are small."),  # no sentence begins in lower case
    ("de", "Das ist z. B. Die Zeit, d. h. Papier. | Sie kam am 1. Mai."),
    ("de", "Er sagte: „Halt!“ | Dann ging er usw. | Die Tür ist zu."),
    ("de", "Es begann im Jahr 1990. | Danach kam das 20. Jahrhundert. | Ludwig XIV. Bourbon"),
    ("de", "Prof. Dr. Meier und die Müller AG. | Der Rest."),
    ("fr", "M. Dupont est là. | Il dit : « Non ! » | Mme Blanc part ! | Fin."),
    ("es", "¿Qué? | ¡No! | El Sr. López vive en EE.UU. y ya."),
    ("es", "Las FF. AA. Españolas y los EE. UU. ganan. | Vive en EE. UU. | Es grande."),
    ("it", "Il sig. Rossi va a casa. | Cani, gatti ecc. | Non è bello."),
    ("nl", "Dhr. Jansen komt a.u.b. vandaag. | Het is goed."),
    ("pl", "To jest np. Kraków. | Dobrze."),
    ("cs", "Přišel 3. května. | Např. Praha je hezká."),
    ("ru", "В 1990 г. Иванов и т. д. | Он ушёл. | Напр. Москва. | Да!"),
    ("el", "Τι είναι; | Είναι εδώ. | Ναι"),
    # Abbreviations that are words or names, too.
    ("de", "Sie weiß, wen er mag. | Er weiß es nicht. | Das ist Max. | Er ist neu."),
    ("de", "Mag. Huber hat max. 5 Plätze."),
    ("nl", "Dit is Max. | Hij is groot."),
    ("fr", "C'est mon ex. | Elle est là."),
    ("pl", "Pomogłem im. | Nie poszli. | Wziął lek. | Potem spał, itp. | To szkoła im. Kopernika."),
    ("ru", "Он помог им. | Они ушли. | Завод им. Ленина и пр. | Это всё."),
    ("ru", "Рост 180 см. | Он высок."),
    ("zh", "我是猫。|你是狗！|“好。”他说。|再见"),
    ("ja", "「行く。帰る。」と言った。|はい。|そう？"),
    ("hi", "यह है। | वह।|और"),
    ("ur", "یہ ہے۔ | وہ؟ | اور"),
    ("ar", "هل؟ | نعم. | لا"),
    ("hy", "Սա է։ | Նա։ | Այո"),
    ("", "Das war am 3. Mai. | He saw Dr. Smith. | Go on. | He did."),
]


@pytest.mark.parametrize(("language", "marked"), EXAMPLES)
def test_sentences_end_where_a_reader_ends_them(language: str, marked: str) -> None:
    sentences = [part.strip() for part in marked.split("|")]
    text = marked.replace(" | ", " ").replace("|", "")
    assert SentenceSplitter(language).split(text) == sentences


@pytest.mark.parametrize("text", ["", " ", ".", "...", "?! …", "A.", "One sentence.", ". . ."])
def test_other_text_stays_whole(text: str) -> None:
    assert SentenceSplitter("en").split(text) == [text]


def test_languages_have_the_codes_of_data_sets() -> None:
    german = abbreviations_of("de")
    assert all(
        abbreviations_of(code) == german for code in ("DE", "deu", "ger", "de-AT", "deu_Latn")
    )
    assert german != abbreviations_of("fr") != abbreviations_of("src") == abbreviations_of("")


@pytest.mark.parametrize("language", NEVER_LAST)
def test_abbreviations_have_one_rule(language: str) -> None:
    """A word in both tables would never be last."""
    assert not {*NEVER_LAST[language].split()} & {*MAY_BE_LAST.get(language, "").split()}


def test_nothing_is_lost_and_every_sentence_has_content() -> None:
    choose = random.Random(0)
    splitter = SentenceSplitter("en")
    for _ in range(3000):
        text = "".join(choose.choices('ab .,;!?…。、」「।\u0301"I1’»A(', k=choose.randint(1, 60)))
        parts = splitter.split(text)
        assert "".join("".join(parts).split()) == "".join(text.split())
        assert len(parts) == 1 or all(any(map(str.isalnum, part)) for part in parts)


@pytest.mark.parametrize("unit", [".", ". ", "A. ", "A. .", "。「", "! ", "( ", '"', "1. ", '." '])
@pytest.mark.parametrize("start", ["a", ""])
def test_the_time_is_linear(start: str, unit: str) -> None:
    """In quadratic time, these would take minutes."""
    SentenceSplitter("en").split(start + unit * 20_000 + "b")
