"""From tokens to sentences and links.

A token is a text and the concepts that it expresses; tokens of the two languages that share a
concept are linked. A concept is a number that is new for each choice of a word; its negative marks
a token that expresses it only in passing (`do` in a question): a possible link instead of a sure
one.
"""

from __future__ import annotations

from mt.data.embedded_corpus import inflection

Token = tuple[str, tuple[int, ...]]


def spell(tokens: list[Token], language: str) -> tuple[str, list[tuple[int, ...]]]:
    """Tokens -> the sentence, and the concepts of each word: commas meet, small words contract, the first letter is large."""
    words: list[str] = []
    concepts: list[tuple[int, ...]] = []
    for number, (text, ids) in enumerate(tokens):
        if text in (",", ".", "?", "!"):
            if words:
                words[-1] = words[-1].rstrip(",") + text
        elif text == "'s":
            words[-1] += text
        elif text == "not" and words[-1] == "can":
            words[-1], concepts[-1] = "cannot", concepts[-1] + ids
        elif text[0] == "~":
            joined = inflection.CONTRACTIONS.get(f"{words[-1]} {text[1:]}") if words else None
            if joined:
                words[-1], concepts[-1] = joined, concepts[-1] + ids
            else:
                words.append(text[1:])
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
    """By sound: an hour, a university."""
    return (
        word[0] in "aeiou"
        and not word.startswith(("uni", "use", "eu", "one"))
        or word.startswith(("hour", "honest", "heir"))
    )


def links(
    source: list[tuple[int, ...]], target: list[tuple[int, ...]]
) -> tuple[tuple[int, int, bool], ...]:
    """Words that share a concept; sure, unless one of them has it in passing."""
    where: dict[int, list[tuple[int, bool]]] = {}
    for position, ids in enumerate(source):
        for concept in ids:
            where.setdefault(abs(concept), []).append((position, concept > 0))
    found: dict[tuple[int, int], bool] = {}
    for position, ids in enumerate(target):
        for concept in ids:
            for place, sure in where.get(abs(concept), ()):
                found[place, position] = found.get((place, position), False) or (
                    sure and concept > 0
                )
    return tuple(sorted((i, j, sure) for (i, j), sure in found.items()))
