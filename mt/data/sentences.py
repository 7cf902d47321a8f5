"""Splitting of text into sentences, by rules for all languages and tables of abbreviations.

The marks that end sentences are those of Unicode (UAX #29), so that they work for all scripts. A
full stop is ambiguous: `mt.data.abbreviations` has what is known of each language.
"""

from __future__ import annotations

import itertools

import regex  # type: ignore[import-untyped]

from mt.data.abbreviations import abbreviations_of
from mt.data.language_codes import language_code

CLOSING = r"[\p{Pe}\p{Pf}\p{Pi}\"'*_]"
MARK = r"[\p{Sentence_Break=STerm}\p{Sentence_Break=ATerm}…]"
GREEK = {"el", "ell", "gre"}
GREEK_MARK = MARK.replace("…", "…;")  # a semicolon is the question mark of Greek
# All quantifiers are possessive, and a run of marks only matches from its first one: otherwise
# 100,000 full stops would be tried from each position.
CANDIDATE = (
    rf"(?<!{{0}})(?P<marks>{{0}}++)(?P<closing>{CLOSING}*+(?:\s[»›](?=\s))?+)(?P<space>\s*+)(?=\S)"
)
# Marks that need no space after them. Inside brackets, they end speech, not always the sentence.
WIDE_MARK = regex.compile("[。！？｡︒]")
DANDA = regex.compile("[।॥]")
OPENING_BRACKETS = regex.compile("[「『（【《〈“‘［｢]")
CLOSING_BRACKETS = regex.compile("[」』）】》〉”’］｣]")
WIDE_CLOSING = regex.compile("[」』）】》〉”’］｣\"')\\]]*+")
MAX_WORD = 40  # characters to look back for the word before a full stop
PUNCTUATION = r"[\p{P}\p{S}]*+"
LAST_WORD = regex.compile(rf"(?<!\S){PUNCTUATION}([\p{{L}}\p{{M}}\p{{N}}.,'’·-]++)\Z")
NEXT_WORD = regex.compile(rf"{PUNCTUATION}\s?+([\p{{L}}\p{{M}}\p{{N}}'’]*+)")
DOTTED = regex.compile(r"(?:\p{L}\p{M}*+){1,3}(?:[.-]+(?:\p{L}\p{M}*+){1,3})+")
LETTER = regex.compile(r"\p{L}\p{M}*+")
NUMBER = regex.compile(r"(?:\p{N}{1,2}[.-])*\p{N}{1,3}")  # not years: "in 1990."
ROMAN = regex.compile("[IVXLCDM]+")
CONTENT = regex.compile(r"[\p{L}\p{N}]")


class SentenceSplitter:
    """Splits text of one language. For language "", the rules are those that suit most."""

    def __init__(self, language: str = "") -> None:
        """Prepare the rules; `language` is a code such as de, deu, de-AT or deu_Latn."""
        self.words = abbreviations_of(language)
        is_greek = language_code(language) in GREEK
        self.candidate = regex.compile(CANDIDATE.replace("{0}", GREEK_MARK if is_greek else MARK))

    def split(self, text: str) -> list[str]:
        """Return the sentences of a text, without white space at their ends.

        Nothing else is lost. Each sentence has a letter or a digit, unless the text has none.
        """
        starts = self._starts(text)
        if not starts:
            return [text]
        sentences: list[tuple[int, int]] = []
        start = 0  # of the next sentence; the first one begins with what has no content
        for previous, end in itertools.pairwise([0, *starts, len(text)]):
            if CONTENT.search(text, previous, end):
                sentences.append((start, end))
                start = end
            elif sentences:
                sentences[-1] = (sentences[-1][0], end)
                start = end
        return [text[start:end].strip() for start, end in sentences] or [text]

    def _starts(self, text: str) -> list[int]:
        """Return the positions at which sentences begin, except the first."""
        starts: list[int] = []
        depth = counted = 0  # open brackets, and the position up to which they are counted
        is_lower_case = None
        for match in self.candidate.finditer(text):
            marks, space = match.group("marks", "space")
            start = match.end()
            if WIDE_MARK.search(marks):
                end = WIDE_CLOSING.match(text, match.end("marks")).end()
                start = match.end() if end == match.end("closing") else end
                between = text[counted:end]
                counted = end
                depth += len(OPENING_BRACKETS.findall(between))
                depth -= len(CLOSING_BRACKETS.findall(between))
                # Speech inside a sentence goes on: 「行く。」と言った。
                is_quoted = match.end("marks") < end == start
                if depth > 0 or (is_quoted and not OPENING_BRACKETS.match(text, start)):
                    continue
            elif not space:
                if not DANDA.search(marks):
                    continue
            else:
                following = NEXT_WORD.match(text, match.end())[1]
                if following[:1].islower():
                    if is_lower_case is None:
                        is_lower_case = text == text.lower()
                    if not is_lower_case:
                        continue
                sentence_start = starts[-1] if starts else 0
                if marks == "." and not self._ends(text, sentence_start, match.start(), following):
                    continue
            starts.append(start)
            depth, counted = 0, start
        return starts

    def _ends(self, text: str, start: int, stop: int, following: str) -> bool:
        """Return whether the full stop at `stop` ends the sentence that begins at `start`.

        `following` is the word after it, which may be "".
        """
        last = LAST_WORD.search(text, max(start, stop - MAX_WORD), stop)
        if last is None:
            return True
        word, is_first = last[1], not CONTENT.search(text, start, last.start(1))
        lower, words = word.lower(), self.words
        opens = following[:1].isupper() and following.replace("’", "'").lower() in words.openers
        if lower in words.never_last:
            return False
        if lower in words.before_number and following[:1].isnumeric():
            return False
        if LETTER.fullmatch(word):
            # "J. Smith", "z. B. Die"; "A. Open the door" in a list. But "vitamin C. The".
            before = text[max(start, last.start(1) - 3) : last.start(1)].split()
            if before and before[-1].endswith("."):
                return opens and before[-1].lower() + lower in words.may_be_last
            return opens and not is_first
        if NUMBER.fullmatch(word):
            return not is_first and (opens or not words.has_ordinals)
        if lower in words.may_be_last or DOTTED.fullmatch(word):
            return opens
        return not (words.has_ordinals and ROMAN.fullmatch(word)) or opens
