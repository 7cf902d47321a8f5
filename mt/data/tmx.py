"""Sentence pairs of translation memories (TMX 1.4)."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from mt.data.scripts import UNSPACED
from mt.data.text_files import open_bytes
from mt.errors import MTError

XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
# Elements whose content belongs to the format of the translated document, not to its text.
NATIVE_CODES = frozenset(("bpt", "ept", "it", "ph", "sub", "ut"))
# Punctuation that joins what follows it, unlike "." or ","; it gets no space after it.
_JOINING = frozenset("\"'/\\@#&*¿¡")
# Unicode categories of the characters between which a code becomes a space.
_WORD_ENDS = frozenset(("L", "M", "N", "Pe", "Pf", "Po"))
_WORD_STARTS = frozenset(("L", "N", "Ps", "Pi", "Sc"))


class Variant(NamedTuple):
    """The text of a translation unit in one language, and its inline codes by element name."""

    text: str
    codes: Counter[str]


class TmxReader:
    """Read the pairs of one file in two languages.

    Each unit gives its first variant in either language. `en` also matches en-US and en-GB, and
    `en-GB` also matches en; an exact match takes precedence. Units that lack a language are
    skipped. What is left out is counted and reported by `warn`.
    """

    def __init__(self, path: Path, languages: tuple[str, str], warn: Callable[[str], None]) -> None:
        self.path, self.languages, self.warn = path, languages, warn
        self._used = self._skipped = 0
        self._codes: Counter[str] = Counter()
        self._languages_found: set[str] = set()
        self._without_segment: Counter[str] = Counter()  # by what a variant holds instead

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield the pairs.

        Raises MTError if the file is not TMX or has no unit in both languages.
        """
        with open_bytes(self.path) as stream:
            parents: list[ElementTree.Element] = []
            root = ""
            try:
                for event, element in ElementTree.iterparse(stream, events=("start", "end")):
                    if event == "start":
                        root = root or _tag(element)
                        parents.append(element)
                        continue
                    parents.pop()
                    if _tag(element) != "tu":
                        continue
                    pair = self._read_unit(element)
                    if parents:
                        parents[-1].clear()  # free the units read so far
                    if pair:
                        yield pair
            except ElementTree.ParseError as error:
                raise MTError(f"{self.path}: not well-formed XML ({error})") from None
            except (ValueError, LookupError) as error:
                raise MTError(
                    f"{self.path}: cannot be read as XML ({error}); convert it to UTF-8"
                ) from None
        self._report(root)

    def _read_unit(self, unit: ElementTree.Element) -> tuple[str, str] | None:
        variants = self._variants(unit)
        self._languages_found.update(variants)
        source, target = (_choose(variants, language) for language in self.languages)
        if source is None or target is None:
            self._skipped += 1
            return None
        self._used += 1
        self._codes.update(source.codes + target.codes)
        return source.text, target.text

    def _variants(self, unit: ElementTree.Element) -> dict[str, Variant]:
        """Return the variants of a translation unit by language code in lower case."""
        variants: dict[str, Variant] = {}
        for variant in unit:
            if _tag(variant) != "tuv":
                continue
            segment = next((child for child in variant if _tag(child) == "seg"), None)
            if segment is None:
                content = [f"<{_tag(child)}>" for child in variant][:1]
                self._without_segment[content[0] if content else "text only"] += 1
                continue
            language = variant.get(XML_LANG) or variant.get("lang") or ""
            variants.setdefault(language.lower().replace("_", "-"), read_segment(segment))
        return variants

    def _report(self, root: str) -> None:
        """Report what was left out; raise MTError if that is everything."""
        units = self._used + self._skipped
        source, target = self.languages
        if not units and root != "tmx":
            raise MTError(
                f"{self.path} has no translation unit (<tu>): "
                f"its root element is <{root}>, that of TMX is <tmx>"
            )
        missing = ""
        if self._without_segment:
            kinds = ", ".join(f"{kind}: {n:,}" for kind, n in self._without_segment.most_common(3))
            missing = f"; variants without <seg>: {self._without_segment.total():,} ({kinds})"
        if self._skipped and not self._used:
            found = ", ".join(sorted(code or "(none named)" for code in self._languages_found))
            raise MTError(
                f"{self.path}: no unit has a <seg> in both {source} and {target}; "
                f"languages found: {found or 'none'}{missing}"
            )
        if self._skipped:
            self.warn(
                f"{self.path}: {self._skipped:,} of {units:,} units skipped: "
                f"they lack {source} or {target}{missing}"
            )
        if self._codes:
            kinds = ", ".join(f"{tag} {number:,}" for tag, number in sorted(self._codes.items()))
            self.warn(
                f"{self.path}: {self._codes.total():,} inline codes left out of the text ({kinds})"
            )


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def read_segment(segment: ElementTree.Element) -> Variant:
    """Return the text of a <seg> and the number of inline codes left out of it.

    Native codes and empty elements are codes: they leave a word boundary. All other elements
    (<hi>, <g>, <mrk> and others that the standard does not name) give their text. A line break is
    layout of the file, so it becomes a space.
    """
    codes: Counter[str] = Counter()
    parts: list[str] = []
    after_code = False
    for part in _parts(segment):
        if isinstance(part, str):
            text = _separate(parts[-1][-1], part) if after_code and parts else part
            if text:
                parts.append(text)
                after_code = False
        else:
            # Text in a <sub> is left out with the code that holds it.
            codes.update([_tag(part), *(_tag(sub) for sub in part.iterfind(".//{*}sub"))])
            after_code = True
    return Variant(re.sub(r"\s*\n\s*", " ", "".join(parts)).strip(), codes)


def _parts(segment: ElementTree.Element) -> Iterator[str | ElementTree.Element]:
    """Yield pieces of text and codes in order.

    There is a stack instead of recursion because elements may be nested without limit.
    """
    pending: list[str | ElementTree.Element | None] = [segment]
    while pending:
        part = pending.pop()
        if part is None or isinstance(part, str):
            if part:
                yield part
        elif part is not segment and (
            _tag(part) in NATIVE_CODES or (not part.text and len(part) == 0)
        ):
            yield part
        else:
            for child in reversed(part):
                pending += [child.tail, child]
            pending.append(part.text)


def _separate(before: str, text: str) -> str:
    """Return text that follows a code, with one space before it if the code parts two words.

    `before` is the last character before the code. There is no space before closing punctuation,
    after opening punctuation, or in writing systems without spaces.
    """
    if before.isspace():
        return text.lstrip()
    first = text[0]
    if first.isspace() or UNSPACED.match(before) or UNSPACED.match(first):
        return text
    ends_word = before not in _JOINING and _category(before) in _WORD_ENDS
    starts_word = _category(first) in _WORD_STARTS or first in "¿¡"
    return f" {text}" if ends_word and starts_word else text


def _category(character: str) -> str:
    """Return the Unicode category, of letters, marks and numbers only their first letter."""
    category = unicodedata.category(character)
    return category[0] if category[0] in "LMN" else category


def _choose(variants: dict[str, Variant], language: str) -> Variant | None:
    wanted = language.lower().replace("_", "-")
    if wanted in variants:
        return variants[wanted]
    for code, variant in variants.items():
        if code.startswith(wanted + "-") or wanted.startswith(code + "-"):
            return variant
    return None
