"""Normalisation of all text: of training pairs, and of what is translated, scored or aligned."""

from __future__ import annotations

import html.entities
import re
import unicodedata
from dataclasses import dataclass

import regex  # type: ignore[import-untyped]

from mt.config.schema import CleanConfig

# Invisible characters without meaning: NUL, byte order mark, soft hyphen. Other format characters
# (Cf) stay, because scripts need them: joiners in Persian, Indic scripts and emoji, direction
# marks, the zero-width space of Thai and Khmer.
_REMOVED = "\x00\ufeff\u00ad"
# Control characters (Cc: C0, DEL and C1, including tabs and all line ends) and the line and
# paragraph separators of Unicode.
_TO_SPACE = [chr(code) for code in (*range(1, 0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)]
_TABLE = str.maketrans({**dict.fromkeys(_REMOVED, ""), **dict.fromkeys(_TO_SPACE, " ")})
# Not only white space: also what Unicode calls ignorable (zero-width spaces and joiners, direction
# marks, variation selectors, Hangul fillers), interlinear marks and the braille pattern without
# dots.
VISIBLE = regex.compile(
    r"[^\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cc}\ufff9-\ufffb\u2800]"
)
SURROGATE = re.compile("[\ud800-\udfff]")

# A character reference of HTML that ends with a semicolon, escaped any number of times: &quot;
# &#124; &amp;quot;. Names without a semicolon (AT&T, &copy) are left alone.
_REFERENCE = re.compile(r"&(?:(?:amp|#38|#[xX]26);)*(#\d{1,7}|#[xX][\da-fA-F]{1,6}|[a-zA-Z]\w*);")
# What Moses writes for punctuation inside a word: high @-@ level, 1 @,@ 000.
_MOSES_JOINT = re.compile(r"(?<=[^\W_]) @([-\u2013/.,:])@ (?=[^\W_])")


def normalise(text: str, form: str = "NFC") -> str:
    """Normalise text for the model, in training and in translation alike.

    Control characters and line separators become spaces. NUL, byte order marks and soft hyphens are
    removed. Surrogates are combined into characters or replaced by U+FFFD. Then follow Unicode
    normalisation `form` (NFC, NFKC or none) and removal of white space at both ends. The function
    accepts any string and is idempotent.
    """
    if not text.isprintable():  # a fast test: printable text has nothing to replace
        if SURROGATE.search(text):
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        text = text.translate(_TABLE)
    if form != "none":
        text = unicodedata.normalize(form, text)  # type: ignore[arg-type]
    return text.strip()


def unescape(text: str) -> str:
    """Replace character references of HTML and escapes of Moses by what they stand for.

    References may have been escaped several times (`&amp;quot;`). Text with a literal `<` keeps its
    references: it is not escaped as a whole, but mark-up, or about mark-up (the rule of ftfy).
    """
    before = ""
    while text != before:
        before = text
        if "&" in text and "<" not in text:
            text = _REFERENCE.sub(_character, text)
        if "@ " in text:
            text = _MOSES_JOINT.sub(r"\1", text)
    return text


def _character(reference: re.Match) -> str:
    name = reference[1]
    if name.startswith("#"):
        code = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
        # Surrogates and numbers beyond Unicode stand for no character. Windows-1252 is what the
        # numbers of C1 controls mean in practice, and in HTML.
        if 0x80 <= code < 0xA0:
            return bytes([code]).decode("cp1252", "replace")
        return chr(code) if code < 0xD800 or 0xDFFF < code < 0x110000 else "\ufffd"
    return html.entities.html5.get(f"{name};", f"&{name};")


@dataclass(frozen=True)
class Normaliser:
    """The normalisation of a run: a function of text that is total and idempotent."""

    form: str = "NFC"  # data.clean.unicode
    unescapes: bool = False  # data.clean.unescape

    @classmethod
    def from_config(cls, config: CleanConfig) -> Normaliser:
        return cls(config.unicode, config.unescape)

    def __call__(self, text: str) -> str:
        text = normalise(text, self.form)
        if self.unescapes and ("&" in text or "@ " in text):
            while (plain := unescape(text)) != text:
                text = normalise(plain, self.form)
        return text

    def undo_escapes(self, text: str) -> str:
        """Return text, not normalised otherwise, without the escapes that the model never sees."""
        return unescape(text) if self.unescapes else text

    def pair(self, source: str, target: str) -> tuple[str, str]:
        """Normalise both sides of a pair."""
        return self(source), self(target)


def is_blank(text: str) -> bool:
    """Return whether the text has no visible character, so that there is nothing to translate."""
    if text[:1].isascii() and text[:1].isalnum():  # a fast test
        return False
    return VISIBLE.search(text) is None
