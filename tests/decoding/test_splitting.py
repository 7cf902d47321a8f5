"""Splitting of text that is too long, and joining of its parts."""

from __future__ import annotations

import random

import pytest

from mt.data.sentences import SentenceSplitter
from mt.decoding.splitting import join_parts, split_text

RULES = SentenceSplitter()


@pytest.mark.parametrize(
    ("text", "limit", "parts"),
    [
        ("Short. Text.", 20, ["Short. Text."]),
        ("One is here. Two is there! Three?", 15, ["One is here.", "Two is there!", "Three?"]),
        (
            "He said: \u201eStop!\u201c Then he went.",
            20,
            ["He said: \u201eStop!\u201c", "Then he went."],
        ),
        (
            "On 3. may it was, e.g. us, at J. Smith and co. or so",
            30,
            ["On 3. may it was, e.g. us,", "at J. Smith and co. or so"],
        ),
        (
            "\u6211\u662f\u732b\u3002\u4f60\u662f\u72d7\uff01\u597d",
            5,
            ["\u6211\u662f\u732b\u3002", "\u4f60\u662f\u72d7\uff01", "\u597d"],
        ),
        (
            "\u092f\u0939 \u0939\u0948\u0964 \u0935\u0939\u0964",
            8,
            ["\u092f\u0939 \u0939\u0948\u0964", "\u0935\u0939\u0964"],
        ),
        (
            "\u0647\u0644\u061f \u0646\u0639\u0645\u060c \u0644\u0627",
            6,
            ["\u0647\u0644\u061f", "\u0646\u0639\u0645\u060c", "\u0644\u0627"],
        ),
        (
            "\u6211\u4eec\u3001\u4f60\u4eec\u3001\u4ed6\u4eec",
            5,
            ["\u6211\u4eec\u3001", "\u4f60\u4eec\u3001\u4ed6\u4eec"],
        ),
        ("one two three four", 10, ["one two", "three four"]),
        ("1,000,000 2.5", 9, ["1,000,000", "2.5"]),
        ("abcdefgh", 2, ["ab", "cd", "ef", "gh"]),
    ],
)
def test_text_is_split_at_the_best_place_within_the_limit(
    text: str, limit: int, parts: list[str]
) -> None:
    assert split_text(text, RULES, len, limit) == parts


@pytest.mark.parametrize("character", "!.…。,?) ")
def test_long_runs_of_punctuation_are_split_in_linear_time(character: str) -> None:
    """In quadratic time, these would take minutes."""
    text = "a" + 100_000 * character + "b"
    assert "".join("".join(split_text(text, RULES, len, 1000)).split()) == "".join(text.split())


def test_splitting_loses_nothing_and_keeps_characters_whole() -> None:
    family = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
    parts = split_text(family * 50, RULES, len, 13)
    assert "".join(parts) == family * 50 and all(
        part == family * (len(part) // 5) for part in parts
    )
    accents = "e" + "\u0301" * 5000  # a single grapheme, which must be cut nevertheless
    assert "".join(split_text(accents, RULES, len, 100)) == accents
    assert split_text("\U0001f469", RULES, lambda text: 4 * len(text), 2) == ["\U0001f469"]
    choose = random.Random(0)
    for _ in range(200):
        text = "".join(
            choose.choices("ab .,;!\u3002\u3001\u0301", k=choose.randint(1, 200))
        ).strip()
        parts = split_text(text, RULES, len, 10)
        assert "".join("".join(parts).split()) == "".join(text.split())
        assert all(part and len(part) <= 10 for part in parts) or len(text) <= 10


def test_parts_are_joined_with_spaces_if_the_script_has_them() -> None:
    assert join_parts(["One.", "", "Two."]) == "One. Two."
    assert (
        join_parts(["\u6211\u662f\u732b\u3002", "\u4f60\u662f\u72d7\u3002"])
        == "\u6211\u662f\u732b\u3002\u4f60\u662f\u72d7\u3002"
    )
    assert join_parts([]) == ""


def test_no_part_is_invisible() -> None:
    parts = split_text("One cat." + "\u200b " * 60 + "Two dogs.", RULES, len, 10)
    assert [part.strip("\u200b ") for part in parts] == ["One", "cat.", "Two", "dogs."]
