"""A compact synchronous grammar of English and German: every phrase is built in both languages at once.

The German follows from the English alone, so that every source has one translation; what would be ambiguous is not built:
- a relative clause stands only where the English clause ends, or on its subject: nothing after it could belong to either;
- two verb phrases share a subject only if the first has no clause inside; main clauses are joined with a comma;
- `it` means the only animal or thing (singular) of the latest clause that mentions any, and takes that noun's gender.
"""

from __future__ import annotations

from mt.data.demo import lexicon
from mt.data.demo.phrases import OPENERS, NounPhrase, Phrases, VerbPhrase, verbs_for, words
from mt.data.demo.words import IT, WEATHER, Noun

SHORTEST, LONGEST = 3, 40  # words of a source sentence


class Grammar(Phrases):
    """Clauses and sentences."""

    def clause(self, order: str, past: bool, *, tense: str = "", matrix: bool = False) -> tuple[str, str, str]:
        """English, German, and the kind of clause that must follow. order: of the German verb, or `question`.

        main: subject, verb, rest (or a fronted adverbial, verb, subject, rest); inverted: verb first, after a fronted
        clause; final: verb last; question: verb first in both languages.
        """
        tense = tense or self.tense(past)
        question, self.mentioned = order == "question", []
        en_front, de_front, what = "", "", ""
        if order == "main" and self.left > 4 and self.chance(0.2):
            order, (en_front, de_front, what) = "inverted", self.front(tense)
        elif question and self.chance(0.35):
            en_front, de_front, what = self.pick(lexicon.WH_WORDS)
        time, place = what != "time", what != "place"
        phrases: list[VerbPhrase]
        if self.chance(0.02):
            subject = NounPhrase("it", IT["n"], "3")
            phrases = [self.predicate(self.pick(WEATHER), "3", tense, False, "", "", question=question)]
        elif self.focus and self.chance(0.3):
            subject, phrases = self.about_it(self.focus, tense, question)
        else:
            if self.focus and self.chance(0.5):
                kind, subject = self.focus.kind, NounPhrase("it", IT[self.focus.gender], "3")
                self.mentioned.append(self.focus)
            else:
                kind, subject = self.subject()
            two = not question and self.left > 5 and self.chance(0.1)
            phrases = [
                self.verb_phrase(
                    kind, subject.agreement, tense, subject=subject.en, question=question, time=time, place=place,
                    negative=not subject.quantified and not question and self.chance(0.14),
                    end=end, matrix=matrix and end and not (question and en_front),
                )
                for end in ((False, True) if two else (True,))
            ]  # fmt: skip
        if self.mentioned:
            self.focus = self.mentioned[0] if len(self.mentioned) == 1 else None
        first = phrases[0]
        pair = (first.en_first, subject.en) if question else (subject.en, first.en_first)
        en = words(en_front, *pair, first.en_rest, *(words("and", vp.en_first, vp.en_rest) for vp in phrases[1:]))
        if order == "final":
            de = words(subject.de[0], " und ".join(self.verb_last(vp) for vp in phrases))
        else:
            rests = [words(vp.middle, vp.right, vp.prefix, vp.tail) for vp in phrases]
            pair = (subject.de[0], first.finite) if order == "main" else (first.finite, subject.de[0])
            de = words(de_front, *pair, rests[0], *(words("und", vp.finite, rest) for vp, rest in zip(phrases[1:], rests[1:], strict=True)))
        return en, de, phrases[-1].opens

    def front(self, tense: str) -> tuple[str, str, str]:
        """What opens a main clause before the verb: English, German, what it says (time, place, other)."""
        point = self.random()
        if point < 0.55:
            return *self.pick(lexicon.TIMES[tense]), "time"
        if point < 0.8:
            return *self.place(False), "place"
        return *self.pick(lexicon.SENTENCE_ADVERBS), "other"

    def about_it(self, focus: Noun, tense: str, question: bool) -> tuple[NounPhrase, list[VerbPhrase]]:
        """A person does something to `it`, the thing or animal of an earlier clause."""
        self.mentioned.append(focus)
        subject = self.pronoun() if self.chance(0.7) else self.noun_phrase("P")
        verb = self.pick([verb for verb in verbs_for("P", "acc", focus.kind) if not verb.particle])
        negative = not question and not subject.quantified and self.chance(0.14)
        middle = words(IT[focus.gender][1], "nicht" if negative else "")
        en = words(verb.en_preposition, "it")
        return subject, [self.predicate(verb, subject.agreement, tense, negative, en, middle, question=question)]

    def subordinate(self, past: bool, *, matrix: bool) -> tuple[str, str, str]:
        """Conjunction and clause; German comma left to the caller."""
        en, now, then = self.pick(lexicon.CONJUNCTIONS)
        tense = ""
        if en == "after":
            tense = "pluperfect" if past else "perfect"
        elif en not in ("because", "although"):
            tense = "past" if past else "present"
        en_clause, de_clause, opens = self.clause("final", past, tense=tense, matrix=matrix)
        return f"{en} {en_clause}", f"{then if past else now} {de_clause}", opens

    def draft(self) -> tuple[str, str]:
        """A sentence of about the length that is drawn first: clauses are added until it is reached."""
        target = SHORTEST + (LONGEST - SHORTEST) * self.random() ** 3.4
        self.left, self.focus = target, None
        past, question = self.chance(0.42), self.chance(0.1)
        if not question and target > 9 and self.chance(0.22):
            en, de, _ = self.subordinate(past, matrix=False)
            self.left = target - len(en.split())
            en_main, de_main, opens = self.clause("inverted", past, matrix=True)
            en, de = f"{en}, {en_main}", f"{de} , {de_main}"
        else:
            en, de, opens = self.clause("question" if question else "main", past, matrix=True)
        depth = 0  # subordinate clauses since the last main clause
        while True:
            self.left = target - len(en.split())
            if opens:
                en_clause, de_clause, following = self.clause("final", past, matrix=True)
                en, de = f"{en} {opens} {en_clause}", f"{de} , {OPENERS[opens]} {de_clause}"
            elif self.left < 4 or (question and depth):
                return en, f"{de} {'?' if question else '.'}"
            elif question or (depth < 2 and self.chance(0.6)):
                en_clause, de_clause, following = self.subordinate(past, matrix=True)
                en, de = f"{en} {en_clause}", f"{de} , {de_clause}"
            else:
                en_link, de_link = self.pick(lexicon.COORDINATORS)
                en_clause, de_clause, following = self.clause("main", past, matrix=True)
                en, de, depth = f"{en}, {en_link} {en_clause}", f"{de} , {de_link} {de_clause}", -1
            depth, opens = depth + 1, following

    def sentence(self) -> tuple[str, str]:
        """An English sentence of SHORTEST to LONGEST words and its German translation."""
        while True:
            en, de = self.draft()
            if SHORTEST <= len(en.split()) <= LONGEST:
                return capital(en) + de[-1], capital(punctuate(de))


def punctuate(text: str) -> str:
    """From phrases that each bring their own commas as words: one comma where several meet, none before the end."""
    kept: list[str] = []
    for word in text.split():
        if word in ",.?" and kept:
            kept[-1] = kept[-1].rstrip(",") + word
        else:
            kept.append(word)
    return " ".join(kept)


def capital(text: str) -> str:
    return text[0].upper() + text[1:]
