"""Spelling of tokens as sentences, and links between their words.

A token is a text and the concepts that it expresses. Tokens of both languages that share a concept
are linked. A concept is a number, new for each choice of a word. A negative number marks a token
that expresses the concept only in passing, such as `do` in a question: the link is then possible
instead of sure.
"""

from __future__ import annotations

from mt.data.embedded_corpus import inflection

Concepts = tuple[int, ...]
Token = tuple[str, Concepts]


def spell(tokens: list[Token], language: str) -> tuple[str, list[Concepts]]:
    """Return the sentence, and the concepts of each word.

    Punctuation attaches to the word before it and replaces a comma there, `'s` attaches, `can not`
    and prepositions with articles contract, and the first letter is upper case.
    """
    words: list[str] = []
    concepts: list[Concepts] = []
    for number, (text, ids) in enumerate(tokens):
        if text in (",", ".", "?", "!"):
            if words:
                words[-1] = words[-1].rstrip(",") + text
        elif text == "'s":
            words[-1] += text
        elif text == "not" and words[-1] == "can":
            words[-1], concepts[-1] = "cannot", concepts[-1] + ids
        elif text[0] == "~":
            article = text[1:]
            contracted = words and inflection.CONTRACTIONS.get(f"{words[-1]} {article}")
            if contracted:
                words[-1], concepts[-1] = contracted, concepts[-1] + ids
            else:
                words.append(article)
                concepts.append(ids)
        else:
            if text == "a" and language == "en" and begins_with_vowel(tokens[number + 1][0]):
                text = "an"
            for word in text.split():
                words.append(word)
                concepts.append(ids)
    sentence = " ".join(words)
    return sentence[0].upper() + sentence[1:], concepts


def begins_with_vowel(word: str) -> bool:
    """Return True if a word begins with a vowel sound: an hour, but a university."""
    if word.startswith(("hour", "honest", "heir")):
        return True
    return word[0] in "aeiou" and not word.startswith(("uni", "use", "eu", "one"))


def link_words(source: list[Concepts], target: list[Concepts]) -> tuple[tuple[int, int, bool], ...]:
    """Link the words that share a concept: (source word, target word, sure).

    A link is sure if both words express one shared concept other than in passing.
    """
    positions: dict[int, list[tuple[int, bool]]] = {}
    for i, concepts in enumerate(source):
        for concept in concepts:
            positions.setdefault(abs(concept), []).append((i, concept > 0))
    links: dict[tuple[int, int], bool] = {}
    for j, concepts in enumerate(target):
        for concept in concepts:
            for i, sure in positions.get(abs(concept), ()):
                links[i, j] = links.get((i, j), False) or (sure and concept > 0)
    return tuple(sorted((i, j, sure) for (i, j), sure in links.items()))
