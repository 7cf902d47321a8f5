"""HTML as text to translate and tags to keep.

Text between block elements (and <br>) is a segment, which is translated as a whole. Inline elements
inside it are put around the words of the translation that are aligned to the words they contained.
Left as it is: the content of `VERBATIM` elements, of elements with translate="no" or the class
notranslate, attributes, comments and declarations. A damaged page gives a damaged page: tags
without a partner stay where they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape, unescape
from html.parser import HTMLParser

INLINE = set(
    "a abbr acronym b bdi bdo big cite data del dfn em font i ins label mark q ruby s small span "
    "strike strong sub sup time tt u".split()
)
ATOMS = {"img", "input", "wbr"}  # inline elements without content
VOID = ATOMS | set("area base br col embed hr link meta param source track".split())
VERBATIM = set("code kbd math pre samp script style svg template textarea var".split())
INLINE_VERBATIM = {"code", "kbd", "math", "samp", "svg", "var"}
MAX_NESTED = 100  # inline elements in one another; further ones stay where they are, like blocks
WHITE = " \t\n\r\f"  # white space of HTML; other kinds are text
RAW_TEXT = {"script", "style"}  # elements in which & begins no reference
LONG_REFERENCE = re.compile("&(?=#[0-9]{8})")  # no character; Python refuses to read long numbers
SPACES = re.compile(f"[{WHITE}]+")


@dataclass(frozen=True, eq=False)
class Element:
    """An inline element that is open."""

    name: str
    start_tag: str


Tags = tuple[Element, ...]  # from the outside to the inside


@dataclass(frozen=True)
class Run:
    """Text with one set of tags, or an atom: markup that stands between words."""

    text: str
    tags: Tags
    is_atom: bool = False

    @property
    def has_text(self) -> bool:
        return not self.is_atom and bool(self.text.strip(WHITE))


@dataclass
class Segment:
    """The content between two blocks."""

    runs: list[Run] = field(default_factory=list)

    @property
    def has_text(self) -> bool:
        return any(run.has_text for run in self.runs)


class MarkupParser(HTMLParser):
    """Parses HTML into `items`: markup to copy, and segments."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.items: list[str | Segment] = []
        self.segment = Segment()
        self.open: list[Element] = []
        self.used: set[Element] = set()  # by a run of text or an atom
        self.verbatim: list[str] = []  # markup of the element that is copied
        self.depth, self.copied = 0, ""  # of elements of this name inside it, and the name
        # HTMLParser looks for the end of each tag, to the end of the text if there is none.
        text = LONG_REFERENCE.sub("&amp;", text)
        end = text.rfind(">") + 1
        self.feed(text[:end])
        self.close()
        tail = self.rawdata + text[end:]  # with what it drops of an unclosed script
        is_raw = self.verbatim and self.copied in RAW_TEXT
        self.handle_data(tail if is_raw else unescape(tail))
        if self.verbatim:
            self._end_verbatim()
        self._end_segment()
        self.items += [element.start_tag for element in self.open if element not in self.used]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        raw = self.get_starttag_text() or ""
        values = dict(attrs)
        if self.verbatim:
            self.verbatim.append(raw)
            self.depth += tag == self.copied
        elif tag not in VOID and (
            tag in VERBATIM
            or (values.get("translate") or "").lower() == "no"
            or "notranslate" in (values.get("class") or "").split()
        ):
            self.verbatim, self.copied, self.depth = [raw], tag, 1
        elif tag in INLINE and len(self.open) < MAX_NESTED:
            self.open.append(Element(tag, raw))
        elif tag in ATOMS:
            self._add_atom(raw)
        else:
            self._add_block(raw)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag in VERBATIM and self.copied == tag:  # such as <svg/>
            self.depth -= 1
            if not self.depth:
                self._end_verbatim()

    def handle_endtag(self, tag: str) -> None:
        raw = f"</{tag}>"
        if self.verbatim:
            self.verbatim.append(raw)
            self.depth -= tag == self.copied
            if not self.depth:
                self._end_verbatim()
            return
        for place in reversed(range(len(self.open))):
            if self.open[place].name == tag:
                element = self.open.pop(place)
                if element not in self.used:
                    self._add_atom(element.start_tag + raw)  # an empty element
                return
        self._add_block(raw)

    def handle_data(self, data: str) -> None:
        if not data:
            return
        if self.verbatim:
            is_text = self.copied not in RAW_TEXT
            self.verbatim.append(escape(data, quote=False) if is_text else data)
        else:
            self._add_run(data, is_atom=False)

    def handle_comment(self, data: str) -> None:
        self._add_atom(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self._add_declaration(f"<!{decl}>")

    def handle_pi(self, data: str) -> None:
        self._add_declaration(f"<?{data}>")

    def parse_html_declaration(self, i: int) -> int:
        """Copy marked sections such as `<![CDATA[a]]>`, of which HTMLParser refuses some."""
        if not self.rawdata.startswith("<![", i):
            return super().parse_html_declaration(i)
        end = "]]>" if self.rawdata.startswith("<![CDATA[", i) else ">"
        place = self.rawdata.find(end, i)
        stop = place + len(end) if place >= 0 else self.rawdata.find(">", i) + 1
        if stop:
            self._add_declaration(self.rawdata[i:stop])
        return stop or -1

    def _add_declaration(self, raw: str) -> None:
        if self.verbatim:
            self.verbatim.append(raw)
        else:
            self._add_block(raw)

    def _add_atom(self, raw: str) -> None:
        if self.verbatim:
            self.verbatim.append(raw)
        else:
            self._add_run(raw, is_atom=True)

    def _add_run(self, text: str, is_atom: bool) -> None:
        self.segment.runs.append(Run(text, tuple(self.open), is_atom))
        if is_atom or text.strip(WHITE):
            self.used.update(self.open)

    def _add_block(self, raw: str) -> None:
        self._end_segment()
        self.items.append(raw)

    def _end_segment(self) -> None:
        """End the segment. An inline element that has no text yet encloses what follows."""
        if self.segment.runs:
            self.items.append(self.segment)
        self.segment = Segment()
        while self.open and self.open[0] not in self.used:
            self.items.append(self.open.pop(0).start_tag)

    def _end_verbatim(self) -> None:
        raw, self.verbatim = "".join(self.verbatim), []
        if self.copied in INLINE_VERBATIM or self.copied in INLINE:
            self._add_atom(raw)
        else:
            self._add_block(raw)


def plain_text(html: str) -> str:
    """Return the text of HTML that is translated, a line for each segment."""
    segments = (item for item in MarkupParser(html).items if isinstance(item, Segment))
    return "\n".join(
        "".join(run.text for run in segment.runs if not run.is_atom) for segment in segments
    )
