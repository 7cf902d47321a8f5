"""Translation of HTML: tags around the words of the source move to the words of the translation.

A word of the translation gets the tags of the source word that it is aligned to. If there are no
alignments (the engine does not give attention, or a script does not separate words), the text
between two tags is translated by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from html import escape
from itertools import groupby

from mt.data.alignment_words import count_words
from mt.data.scripts import is_unspaced
from mt.serving.markup import SPACES, WHITE, Element, MarkupParser, Run, Segment, Tags
from mt.serving.parts import Part, Wanted
from mt.serving.texts import Route

Piece = tuple[str, Tags]  # a word, white space or an atom, as HTML, with its tags


@dataclass(frozen=True)
class Atom:
    """Markup between words, before the word with this number."""

    place: int
    piece: Piece
    space_before: bool
    space_after: bool


@dataclass
class SegmentWords:
    """The words of a segment with their tags, and the atoms between them."""

    words: list[str] = field(default_factory=list)
    tags: list[Tags] = field(default_factory=list)  # a word has the tags of all its characters
    atoms: list[Atom] = field(default_factory=list)
    is_uniform: bool = False  # whether all text has the same tags, with no atom inside

    @classmethod
    def of(cls, segment: Segment) -> SegmentWords:
        result, is_space = cls(), True  # whether white space or the beginning came last
        for run in segment.runs:
            if run.is_atom:
                piece = (run.text, run.tags)
                result.atoms.append(Atom(len(result.words), piece, is_space, False))
                continue
            for number, text in enumerate(SPACES.split(run.text)):
                if number and result.atoms and result.atoms[-1].place == len(result.words):
                    result.atoms[-1] = replace(result.atoms[-1], space_after=True)
                is_space |= number > 0
                if text and is_space:
                    result.words.append(text)
                    result.tags.append(run.tags)
                elif text:
                    result.words[-1] += text
                    result.tags[-1] = tuple(dict.fromkeys(result.tags[-1] + run.tags))
                is_space &= not text
        inside = (0 < atom.place < len(result.words) for atom in result.atoms)
        kinds = {run.tags for run in segment.runs if run.has_text}
        result.is_uniform = len(kinds) == 1 and not any(inside)
        return result

    @property
    def text(self) -> str:
        return " ".join(self.words)


async def translate_html(route: Route, pages: Sequence[str], wanted: Wanted) -> list[list[str]]:
    """Return the translations of HTML fragments or pages, best first."""
    # In a thread: parsing a long page takes a while.
    items = await asyncio.to_thread(lambda: [MarkupParser(page).items for page in pages])
    segments = [item for page in items for item in page if isinstance(item, Segment)]
    segments = [segment for segment in segments if segment.has_text]
    words = {id(segment): SegmentWords.of(segment) for segment in segments}
    whole = [s for s in segments if words[id(s)].is_uniform or _can_align(route, words[id(s)])]
    rendered = {id(s): r for s, r in zip(
        whole, await _translate_whole(route, [words[id(s)] for s in whole], wanted),
        strict=True,
    )}  # fmt: skip
    rest = [s for s in segments if not rendered.get(id(s))]
    for segment, result in zip(rest, await _translate_runs(route, rest, wanted), strict=True):
        rendered[id(segment)] = result
    return [
        [
            "".join(
                item if isinstance(item, str) else _render_item(item, rendered, rank)
                for item in page
            )
            for rank in range(wanted.nbest)
        ]
        for page in items
    ]


def _can_align(route: Route, words: SegmentWords) -> bool:
    return route.attends and not is_unspaced(words.text)


def _render_item(segment: Segment, rendered: dict[int, list[str]], rank: int) -> str:
    if id(segment) not in rendered:
        return render([_copy(run) for run in segment.runs])
    first, last = segment.runs[0], segment.runs[-1]
    before = "" if first.is_atom else first.text[: len(first.text) - len(first.text.lstrip(WHITE))]
    after = "" if last.is_atom else last.text[len(last.text.rstrip(WHITE)) :]
    return before + rendered[id(segment)][rank] + after


def _copy(run: Run) -> Piece:
    return run.text if run.is_atom else escape(run.text, quote=False), run.tags


async def _translate_whole(
    route: Route, segments: Sequence[SegmentWords], wanted: Wanted
) -> list[list[str]]:
    """Return the translations of segments as HTML; [] for one whose words cannot be aligned."""
    wanted = replace(wanted, alignments=not all(words.is_uniform for words in segments))
    lines = [words.text for words in segments]
    parts = [part async for part in route.translate(lines, wanted)]
    texts = route.join_lines(parts, wanted)
    grouped = [[*group] for _, group in groupby(parts, lambda part: part.line)]
    results = []
    for words, line, translations in zip(segments, grouped, texts, strict=True):
        ranks = [
            _uniform_pieces(words, text)
            if words.is_uniform
            else _aligned_pieces(words, line, rank, text)
            for rank, text in enumerate(translations)
        ]
        results.append([render(pieces) for pieces in ranks if pieces] if all(ranks) else [])
    return results


def _uniform_pieces(words: SegmentWords, text: str) -> list[Piece]:
    pieces: list[Piece] = []
    for atom in words.atoms:
        if not atom.place:
            pieces += _before(atom)
    pieces.append((escape(text, quote=False), words.tags[0]))
    for atom in words.atoms:
        if atom.place:
            pieces += _after(atom)
    return pieces


def _before(atom: Atom) -> list[Piece]:
    """Return the pieces of an atom that stands before a word."""
    return [atom.piece, (" ", ())] if atom.space_after else [atom.piece]


def _after(atom: Atom) -> list[Piece]:
    """Return the pieces of an atom that stands after a word."""
    return [(" ", ()), atom.piece] if atom.space_before else [atom.piece]


def _aligned_pieces(
    words: SegmentWords, parts: Sequence[Part], rank: int, text: str
) -> list[Piece] | None:
    """Return the pieces of a translation; None if its words do not match those of its parts."""
    links: dict[int, int] = {}  # target word -> source word
    sources = targets = 0
    for part in parts:
        outputs = part.translation.outputs
        output = outputs[min(rank, len(outputs) - 1)]
        for source, target in output.links.sure if output.links else ():
            links[targets + target] = sources + source
        sources += count_words(part.translation.source)
        targets += count_words(output.text)
    target_words = [word for word in text.split(" ") if word]
    if is_unspaced(text) or (sources, targets) != (len(words.words), len(target_words)):
        return None
    # The source word of each; a word without a link goes with the one before.
    origins = [0] * len(target_words)
    for number in range(len(target_words)):
        origins[number] = links.get(number, origins[max(0, number - 1)])
    tags = keep_all_tags([words.tags[origin] for origin in origins], words.tags)
    pieces: list[Piece] = []
    atoms: dict[int, list[Atom]] = {}  # by the number of the word that follows
    for atom in words.atoms:
        atoms.setdefault(atom.place, []).append(atom)
    for number, (word, origin) in enumerate(zip(target_words, origins, strict=True)):
        if number:
            pieces.append((" ", ()))
        for atom in atoms.pop(origin, ()):
            pieces += _before(atom)
        pieces.append((escape(word, quote=False), tags[number]))
    for rest in atoms.values():
        for atom in rest:
            pieces += _after(atom)
    return pieces


def keep_all_tags(target: Sequence[Tags], source: Sequence[Tags]) -> list[Tags]:
    """Return the tags of target words with those added that no word has got.

    An element whose words are not aligned stands around the word at the same relative position.
    """
    result = list(target)
    kept = {element for tags in target for element in tags}
    places: dict[Element, list[int]] = {}
    for place, tags in enumerate(source):
        for element in tags:
            places.setdefault(element, []).append(place)
    for element, own in places.items():
        if result and element not in kept:
            middle = (sum(own) / len(own) + 0.5) / len(source)
            place = min(int(middle * len(result)), len(result) - 1)
            result[place] = (*result[place], element)
    return result


async def _translate_runs(
    route: Route, segments: Sequence[Segment], wanted: Wanted
) -> list[list[str]]:
    """Translate the text between two tags by itself."""
    runs = [run for s in segments for run in s.runs if run.has_text]
    parts = [
        part async for part in route.translate([SPACES.sub(" ", r.text) for r in runs], wanted)
    ]
    texts = {id(r): t for r, t in zip(runs, route.join_lines(parts, wanted), strict=True)}

    def piece(run: Run, rank: int) -> Piece:
        if id(run) not in texts:
            return _copy(run)
        before = " " if run.text[0] in WHITE else ""
        after = " " if run.text[-1] in WHITE else ""
        return before + escape(texts[id(run)][rank], quote=False) + after, run.tags

    return [
        [
            render([piece(run, rank) for run in segment.runs]).strip(" ")
            for rank in range(wanted.nbest)
        ]
        for segment in segments
    ]


def render(pieces: Sequence[Piece]) -> str:
    """Return pieces as HTML, with tags opened and closed as late and as early as possible.

    White space between two pieces with the same tag stays inside the element.
    """
    html: list[str] = []
    open_tags: list = []
    tags = [tags for _, tags in pieces]
    for number, (text, wanted) in enumerate(pieces):
        if text == " " and 0 < number < len(pieces) - 1:
            wanted = _common(tags[number - 1], tags[number + 1])
        keep = len(_common(tuple(open_tags), wanted))
        while len(open_tags) > keep:
            html.append(f"</{open_tags.pop().name}>")
        for element in wanted[keep:]:
            html.append(element.start_tag)
            open_tags.append(element)
        html.append(text)
    html += [f"</{element.name}>" for element in reversed(open_tags)]
    return "".join(html)


def _common(one: Tags, other: Tags) -> Tags:
    """Return the tags that two pieces share, from the outside."""
    count = 0
    for mine, others in zip(one, other, strict=False):
        if mine is not others:
            break
        count += 1
    return one[:count]
