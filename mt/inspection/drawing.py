"""What `mt-translate --attention FILE` draws: the maps it collects line by line, and the file at the end."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mt.data.links import Links, read_links
from mt.errors import MTError, UsageError
from mt.inspection.maps import SentenceMap, View, sentence_map
from mt.inspection.page import MAX_CELLS, attention_fragment, page
from mt.inspection.picture import picture, require_matplotlib

if TYPE_CHECKING:
    from mt.inspection.inspector import InspectedTranslation, Inspector
    from mt.inspection.weights import PairAttention

ENDINGS = (".png", ".svg", ".html")
MAX_LINES = 20  # of a picture


class Drawing:
    """The maps of one call. `view` is what to show, `links` gold links for each line."""

    def __init__(
        self, path: Path, view: View, links: Sequence[Links] | None = None, links_name: str = ""
    ) -> None:
        self.path, self.view, self.links, self.links_name = path, view, links, links_name
        self.maps: list[SentenceMap] = []
        self.lines = self.cells = 0

    @classmethod
    def from_flags(cls, arguments: argparse.Namespace) -> Drawing | None:
        """Of the command line; None where nothing is to be drawn. Raises what can be known before a model is loaded."""
        if not arguments.attention:
            for name in ("attention_kind", "attention_layer", "attention_head", "links"):
                if getattr(arguments, name) is not None:
                    raise UsageError(
                        f"--{name.replace('_', '-')} is about what --attention FILE draws: give that too"
                    )
            return None
        path = Path(arguments.attention)
        if path.suffix.lower() not in ENDINGS:
            raise UsageError(
                f"--attention draws files that end in {', '.join(ENDINGS)}: not {path.name!r}"
            )
        if arguments.stream:
            raise UsageError(
                "--attention draws when all lines are there: it does not go with --stream"
            )
        if arguments.links and not arguments.score:
            raise UsageError(
                "--links are between the input and given translations: give these by --score FILE"
            )
        if not path.parent.is_dir():
            raise MTError(f"cannot write {path}: there is no folder {path.parent}")
        if path.is_dir():
            raise MTError(f"cannot write {path}: it is a folder")
        if path.suffix.lower() != ".html":
            require_matplotlib()
        links = read_links(Path(arguments.links)) if arguments.links else None
        head = "mean" if arguments.attention_head is None else arguments.attention_head
        view = View(
            arguments.attention_kind or "", arguments.attention_layer, head
        )  # "": the first kind that the model has
        return cls(path, view, links, arguments.links or "")

    @property
    def interactive(self) -> bool:
        return self.path.suffix.lower() == ".html"

    def kinds(self, inspector: Inspector) -> tuple[str, ...]:
        """The kinds of attention to compute: a page shows all. UsageError where the model has not what is to be shown."""
        shapes = inspector.attention_shapes()
        if not shapes:
            raise UsageError("this model has no attention, so there is nothing to draw")
        self.view = replace(self.view, kind=self.view.kind or next(iter(shapes)))
        self.view.check(shapes)
        return tuple(shapes) if self.interactive else (self.view.kind,)

    def limit(self, lines: Iterable[str]) -> Iterator[str]:
        """The lines, with a UsageError where there are more than a picture can show."""
        for number, line in enumerate(lines, start=1):
            if number > MAX_LINES and not self.interactive:
                raise UsageError(
                    f"a picture shows up to {MAX_LINES} lines: use .html or fewer lines"
                )
            yield line

    def add(self, parts: Sequence[PairAttention]) -> None:
        """The next line's attention, of each of its parts."""
        self.lines += 1
        gold = None
        if self.links is not None:
            if self.lines > len(self.links):
                raise MTError(
                    f"{self.links_name} has {len(self.links):,} lines, and there are more pairs: line i must belong to pair i"
                )
            gold = self.links[self.lines - 1]
        for number, part in enumerate(parts, start=1):
            made = sentence_map(
                part,
                f"line {self.lines}"
                + (f", part {number} of {len(parts)}" if len(parts) > 1 else ""),
                gold,
            )
            if made.source and made.target:
                self.maps.append(made)
                self.cells += made.cells
        if self.cells > MAX_CELLS:
            raise MTError(
                f"{self.lines:,} lines have more than the {MAX_CELLS:,} weights that one file can hold: draw fewer lines"
            )

    def watch(self, translations: Iterable[InspectedTranslation]) -> Iterator[InspectedTranslation]:
        """Translations that carry their attention, as they pass by; it is dropped behind."""
        for each in translations:
            self.add(each.attention or [])
            each.attention = None
            yield each

    def add_pairs(
        self, inspector: Inspector, pairs: Sequence[tuple[str, str]], kinds: Sequence[str]
    ) -> None:
        """The next lines, whose translations are given."""
        for each in inspector.attention_stream(pairs, kinds):
            self.add([each])

    def write(self, title: str, log: Callable[[str], None]) -> None:
        """Write the file; `log` gets warnings."""
        from mt.files import atomic_write

        if self.links is not None and self.lines < len(self.links):
            raise MTError(
                f"{self.links_name} has {len(self.links):,} lines for {self.lines:,} pairs: line i must belong to pair i"
            )
        if not self.maps:
            raise MTError(
                f"there are no words to draw the attention of: {self.path} is not written"
            )
        if self.interactive:
            content = page(title, attention_fragment(self.maps, self.view)).encode("utf-8")
        else:
            content, missing = picture(self.maps, self.view, self.path.suffix.lower()[1:])
            if missing:
                log(
                    f"warning: no installed font has {' '.join(sorted(missing)[:10])}: drawn as boxes; browsers show .html and .svg in full"
                )
        with atomic_write(self.path) as temporary:
            temporary.write_bytes(content)
