"""The file of attention maps that `mt-translate --attention FILE` writes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mt.data.links import Links, read_links
from mt.errors import MTError, UsageError
from mt.inspection.maps.page import MAX_PAGE_WEIGHTS, attention_fragment, page
from mt.inspection.maps.picture import picture, require_matplotlib
from mt.inspection.maps.sentence_map import SentenceMap, View, sentence_map

if TYPE_CHECKING:
    from mt.inspection.inspector import InspectedTranslation, Inspector
    from mt.inspection.pair_attention import PairAttention

PAGE_SUFFIX = ".html"
SUFFIXES = (".png", ".svg", PAGE_SUFFIX)
MAX_PICTURE_LINES = 20
MAX_LISTED_CHARACTERS = 10  # in the warning about fonts


class AttentionMapFile:
    """Collects the attention maps of the lines of a call, and writes them to one file.

    `view` selects what is shown (kind "": the first kind that the model has). `links` are gold
    links for each line, from a file that is called `links_name` in messages.
    """

    def __init__(
        self, path: Path, view: View, links: Sequence[Links] | None = None, links_name: str = ""
    ) -> None:
        self.path, self.view, self.links, self.links_name = path, view, links, links_name
        self.maps: list[SentenceMap] = []
        self.lines = self.size = 0  # numbers of lines and of weights

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> AttentionMapFile | None:
        """Return the file that the flags of mt-translate name; None without --attention.

        Raises an MTError for all that can be checked before a model is loaded.
        """
        if not arguments.attention:
            for name in ("attention_kind", "attention_layer", "attention_head", "links"):
                if getattr(arguments, name) is not None:
                    raise UsageError(f"--{name.replace('_', '-')} needs --attention FILE")
            return None
        path = Path(arguments.attention)
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise UsageError(f"--attention FILE must end in {', '.join(SUFFIXES)}: {path.name!r}")
        if arguments.stream:
            raise UsageError(
                "--attention cannot be combined with --stream: the file is written at the end"
            )
        if arguments.links and not arguments.score:
            raise UsageError("--links needs --score FILE, the translations that are aligned")
        if not path.parent.is_dir():
            raise MTError(f"cannot write {path}: there is no folder {path.parent}")
        if path.is_dir():
            raise MTError(f"cannot write {path}: it is a folder")
        if suffix != PAGE_SUFFIX:
            require_matplotlib()
        links = read_links(Path(arguments.links)) if arguments.links else None
        head = "mean" if arguments.attention_head is None else arguments.attention_head
        view = View(arguments.attention_kind or "", arguments.attention_layer, head)
        return cls(path, view, links, arguments.links or "")

    @property
    def is_page(self) -> bool:
        """Return whether the file is an HTML page, where the reader selects what is shown."""
        return self.path.suffix.lower() == PAGE_SUFFIX

    def kinds(self, inspector: Inspector) -> tuple[str, ...]:
        """Return the kinds of attention to compute; a page has all kinds of the model.

        Raises UsageError if the model does not have the view.
        """
        shapes = inspector.attention_shapes()
        if not shapes:
            raise UsageError("the model has no attention to draw")
        self.view = replace(self.view, kind=self.view.kind or next(iter(shapes)))
        self.view.check(shapes)
        return tuple(shapes) if self.is_page else (self.view.kind,)

    def limit(self, lines: Iterable[str]) -> Iterator[str]:
        """Yield the lines; raise UsageError if there are more than a picture can show."""
        for number, line in enumerate(lines, start=1):
            if number > MAX_PICTURE_LINES and not self.is_page:
                raise UsageError(
                    f"a picture shows up to {MAX_PICTURE_LINES} lines: use .html or fewer lines"
                )
            yield line

    def add(self, parts: Sequence[PairAttention]) -> None:
        """Add the attention in each part of the next line."""
        self.lines += 1
        gold = None
        if self.links is not None:
            if self.lines > len(self.links):
                raise MTError(
                    f"{self.links_name} has {len(self.links):,} lines, but there are more pairs: "
                    "line i must belong to pair i"
                )
            gold = self.links[self.lines - 1]
        for number, part in enumerate(parts, start=1):
            name = f"line {self.lines}"
            if len(parts) > 1:
                name += f", part {number} of {len(parts)}"
            sentence = sentence_map(part, name, gold)
            if sentence.source and sentence.target:
                self.maps.append(sentence)
                self.size += sentence.size
        if self.size > MAX_PAGE_WEIGHTS:
            raise MTError(
                f"{self.lines:,} lines have more than the {MAX_PAGE_WEIGHTS:,} weights that one "
                "file can hold: draw fewer lines"
            )

    def collect(
        self, translations: Iterable[InspectedTranslation]
    ) -> Iterator[InspectedTranslation]:
        """Add the attention of translations as they pass, and remove it from them."""
        for translation in translations:
            self.add(translation.attention or [])
            translation.attention = None
            yield translation

    def add_pairs(
        self, inspector: Inspector, pairs: Sequence[tuple[str, str]], kinds: Sequence[str]
    ) -> None:
        """Add the attention in the next lines, whose translations are given."""
        for attention in inspector.attention_stream(pairs, kinds):
            self.add([attention])

    def write(self, title: str, log: Callable[[str], None]) -> None:
        """Write the file; `log` receives warnings."""
        from mt.files import atomic_write

        if self.links is not None and self.lines < len(self.links):
            raise MTError(
                f"{self.links_name} has {len(self.links):,} lines for {self.lines:,} pairs: "
                "line i must belong to pair i"
            )
        if not self.maps:
            raise MTError(f"there are no words to draw the attention of: {self.path} not written")
        if self.is_page:
            content = page(title, attention_fragment(self.maps, self.view)).encode("utf-8")
        else:
            content, missing = picture(self.maps, self.view, self.path.suffix.lower()[1:])
            if missing:
                characters = " ".join(sorted(missing)[:MAX_LISTED_CHARACTERS])
                log(
                    f"warning: no installed font has {characters}: drawn as boxes; "
                    "browsers show .html and .svg in full"
                )
        with atomic_write(self.path) as temporary:
            temporary.write_bytes(content)
