"""Translation of files by actors on a Ray cluster.

This process reads and writes the files, and actors translate chunks of their lines. So other
machines need not see the files, all actors share a large file, and those that have nothing to do at
its end begin the next one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from mt.decoding.formats import format_lines
from mt.decoding.input_files import ClaimedFile
from mt.decoding.line_chunks import CHUNK_LINES, split_into_chunks
from mt.decoding.line_counts import LineCounts
from mt.decoding.line_io import open_input, open_output
from mt.device import configure_memory, set_threads
from mt.errors import MTError
from mt.exporting.automatic import load_fastest
from mt.inspection.inspector import Inspector
from mt.progress_display import Progress
from mt.ray_pool import ActorPool, Call


@dataclass(frozen=True)
class TranslatedChunk:
    """The translations of a chunk of lines in their output format, and what there is to report."""

    lines: int
    text: str
    counts: LineCounts
    max_pieces: int
    remarks: list[str]


class ChunkTranslator:
    """A translator that an actor holds.

    `settings` are the arguments of `load_fastest`, and `output_format` those of `format_lines`.
    """

    def __init__(
        self,
        settings: dict[str, Any],
        threads: int,
        alignments: bool,
        output_format: tuple[str, int, bool],
    ) -> None:
        self.settings, self.threads, self.alignments = settings, threads, alignments
        self.output_format = output_format
        self.remarks: list[str] = []

    def start(self) -> None:
        """Load the model. Raises MTError as `load_fastest` does."""
        set_threads(self.threads)
        configure_memory()
        translator = load_fastest(
            **self.settings, say=self.remarks.append, warn=self._warn, workers=1
        )
        self.inspector = Inspector(translator)

    def call(self, lines: list[str], first: int) -> TranslatedChunk:
        """Translate lines, the first of which has the number `first` in its file."""
        translator = self.inspector.translator
        translator.counts.clear()
        translations = self.inspector.translate_stream(
            lines, len(lines), alignments=self.alignments
        )
        text = "".join(format_lines(translations, *self.output_format, first))
        remarks, self.remarks[:] = self.remarks[:], []
        return TranslatedChunk(
            len(lines), text, LineCounts(translator.counts), translator.max_pieces, remarks
        )

    def _warn(self, message: str) -> None:
        self.remarks.append(f"warning: {message}")


@dataclass
class Report:
    """Collect what the actors report: remarks, each logged once, and counts of lines."""

    log: Callable[[str], None]
    counts: LineCounts = field(default_factory=LineCounts)
    max_pieces: int = 0
    remarks: set[str] = field(default_factory=set)

    def add(self, chunk: TranslatedChunk) -> None:
        """Add the counts of a chunk, and log its remarks."""
        self.counts.update(chunk.counts)
        self.max_pieces = chunk.max_pieces
        for remark in chunk.remarks:
            if remark not in self.remarks:
                self.remarks.add(remark)
                self.log(remark)

    def lines(self) -> list[str]:
        """Return what `Translator.report` would."""
        return self.counts.describe(self.max_pieces)


def translate_on_ray(
    pool: ActorPool, files: Iterable[ClaimedFile], report: Report, quiet: bool
) -> Iterator[ClaimedFile]:
    """Translate files in their order; yield each when its output is complete, or has an error."""
    results = pool.map(read_files(files, quiet))
    for file in results:
        chunks = takewhile(lambda result: result is not None, results)
        with file.claim:
            try:
                with (
                    open_output(str(file.target)) as out,
                    Progress(file.label, silent=quiet) as progress,
                ):
                    for chunk in chunks:
                        if isinstance(chunk, MTError):
                            raise chunk
                        out.write(chunk.text)
                        out.flush()
                        progress.add(chunk.lines)
                        report.add(chunk)
            except MTError as error:
                file.error = error
                deque(chunks, maxlen=0)  # the others that are begun
        yield file


def read_files(
    files: Iterable[ClaimedFile], quiet: bool
) -> Iterator[ClaimedFile | Call | MTError | None]:
    """Yield each file, a call for each chunk of its lines, None, and before an error of reading."""
    for file in files:
        yield file
        first = 0
        try:
            with open_input([], str(file.source), quiet) as lines:
                for chunk in split_into_chunks(lines, CHUNK_LINES):
                    yield Call((chunk, first))
                    first += len(chunk)
                    if file.error:
                        break
        except MTError as error:
            yield error
        yield None
