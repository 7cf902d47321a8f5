"""Many input files, each with an output file of the same name in a folder.

Any number of processes, on any number of machines, may share the work: they take different shards,
or leave to each other what the other has begun. An output file appears under its name when it is
complete, and is then never written again. So after a crash the same command goes on.
"""

from __future__ import annotations

import argparse
import contextlib
import glob
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from mt.checksums import file_checksum
from mt.decoding.export_folder import find_export, is_export, read_export, resolve_backend
from mt.errors import MTError, UsageError
from mt.files import PART, expand_user, write_text
from mt.run_folder import RunFolder

WILDCARDS = "*?["
STATE = ".mt-translate"  # folder inside the output folder: locks, and what the outputs are made by
SETTINGS = "settings.json"
LOCKS = "locks"  # folder of the locks of output files, apart from that of the settings
# Flags with which the same text has the same translation, up to rounding.
NO_EFFECT = (
    *("run", "ensemble", "sentences", "input", "output", "shard", "stream", "quiet"),
    *("engine", "backend", "device", "precision", "batch_tokens", "threads"),
)


@dataclass
class InputFile:
    """An input file with the output file that it becomes."""

    source: Path
    target: Path


@dataclass(eq=False)
class ClaimedFile(InputFile):
    """An input file that this process translates; others leave it alone until `claim` is closed."""

    label: str  # of its progress
    claim: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    error: MTError | None = None  # why it could not be translated


class InputFiles:
    """The input files of one process and the folder of their outputs."""

    def __init__(self, files: Sequence[InputFile], folder: Path) -> None:
        self.files, self.folder = files, folder
        self.busy = 0  # files that another process was writing

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> InputFiles | None:
        """Return the files that the flags of mt-translate name; None if there is only one output.

        Raises UsageError if the flags contradict each other, MTError if there is no input.
        """
        names_many = bool(arguments.input) and names_several(arguments.input)
        to_folder = bool(arguments.output) and names_folder(arguments.output)
        if not (names_many or to_folder or arguments.shard):
            return None
        if not arguments.input:
            reason = "--shard" if arguments.shard else f"--output {arguments.output}, a folder,"
            raise UsageError(f"{reason} needs --input with files, such as --input 'in/*.txt'")
        if not arguments.output:
            raise UsageError(
                f"--input {arguments.input} may be several files: give --output FOLDER, in which "
                "each gets an output file of the same name"
            )
        for flag in ("score", "prefix", "attention"):
            if getattr(arguments, flag):
                raise UsageError(f"--{flag} is for one input: give --input FILE --output FILE")
        folder = expand_user(arguments.output)
        if folder.exists() and not folder.is_dir():
            raise UsageError(
                f"--input {arguments.input} may be several files, so --output must be a folder, "
                f"and {arguments.output} is a file"
            )
        files = find_files(arguments.input, folder)
        return cls(take_shard(files, arguments.shard) if arguments.shard else files, folder)

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[InputFile]:
        return iter(self.files)

    def record_settings(self, arguments: argparse.Namespace) -> None:
        """Record what the outputs are made by, or compare it with the record of the folder.

        Raises MTError, with the names, if something differs.
        """
        state = self.folder / STATE
        path = state / SETTINGS
        state.mkdir(parents=True, exist_ok=True)
        settings = {
            key: value
            for key, value in vars(arguments).items()
            if value is not None and key not in NO_EFFECT
        }
        runs = [arguments.run, *arguments.ensemble]
        settings["weights"] = [weights_checksum(run) for run in runs]
        settings["quantization"] = weights_type(arguments)
        with FileLock(state / f"{SETTINGS}.lock"):
            if not path.exists():
                write_text(path, json.dumps(settings, indent=1) + "\n")
                return
            try:
                recorded = dict(json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError, TypeError) as error:
                raise MTError(f"cannot read {path} ({error}): delete it to go on") from error
        differing = [
            f"{name} {settings.get(name)!r} instead of {recorded.get(name)!r}"
            for name in sorted({*settings, *recorded})
            if settings.get(name) != recorded.get(name)
        ]
        if differing:
            raise MTError(
                f"the files in {self.folder} were translated with other settings "
                f"({'; '.join(differing)}): choose another folder, or delete this one"
            )

    def claim_unfinished(self, log: Callable[[str], None]) -> Iterator[ClaimedFile]:
        """Yield the files without an output, except those that another process is writing."""
        for number, file in enumerate(self, start=1):
            label = f"translating {file.source.name} ({number:,} of {len(self):,})"
            claimed = ClaimedFile(file.source, file.target, label)
            if claimed.claim.enter_context(self.claim(file)):
                yield claimed
            elif not file.target.exists():
                log(f"{file.target}: another process is writing it; left to that process")
                self.busy += 1

    @contextlib.contextmanager
    def claim(self, file: InputFile) -> Iterator[bool]:
        """Reserve the output of a file for this process; yield False if another one has it.

        It has it if it is writing the file, or has finished it meanwhile.
        """
        name = file.target.relative_to(self.folder)
        lock_path = self.folder / STATE / LOCKS / f"{name}.lock"
        lock_path.parent.mkdir(parents=True, exist_ok=True)
        file.target.parent.mkdir(parents=True, exist_ok=True)
        try:
            held = FileLock(lock_path).acquire(timeout=0)
        except Timeout:
            yield False
            return
        with held:
            yield not file.target.exists()


def weights_checksum(run: str) -> str | None:
    """Return the checksum of the weights of a run directory, or of an export's run."""
    folder = RunFolder.at(run)
    return (
        read_export(folder.path).weights if is_export(folder.path) else file_checksum(folder.model)
    )


def weights_type(arguments: argparse.Namespace) -> str:
    """Return the type of the weights that translate, such as int8; "" for float32, the default."""
    folder, quantization = RunFolder.at(arguments.run).path, arguments.quantization
    if (backend := resolve_backend([folder], arguments.backend)) != "pytorch":
        quantization = read_export(find_export(folder, backend)).quantization
    return "" if quantization == "float32" else quantization


def names_several(pattern: str) -> bool:
    """Return whether --input may name several files: a folder or, unless it exists, a pattern."""
    path = expand_user(pattern)
    return path.is_dir() or (is_pattern(pattern) and not path.exists())


def is_pattern(name: str) -> bool:
    """Return whether a name has wildcards."""
    return any(mark in name for mark in WILDCARDS)


def names_folder(path: str) -> bool:
    """Return whether --output names a folder, which need not exist if the name ends in a slash."""
    return path.endswith("/") or expand_user(path).is_dir()


def find_files(pattern: str, folder: Path) -> list[InputFile]:
    """Return the files that a pattern names, in the order of their names, with their outputs.

    A folder stands for the files in it. Outputs have the paths of the inputs below the folder in
    front of the first wildcard. Raises MTError if there is no file, UsageError if the outputs would
    be the inputs.
    """
    given = expand_user(pattern)
    found: Iterable[Path]
    if given.is_dir():
        root, found = given, (path for path in given.iterdir() if path.name[0] != ".")
    elif names_several(pattern):
        root = Path(*itertools.takewhile(lambda part: not is_pattern(part), given.parts))
        found = map(Path, glob.iglob(str(given), recursive=True))
    else:
        root, found = given.parent, [given]
        if not given.exists():
            raise MTError(f"no such file: {pattern}")
    if root.resolve() == folder.resolve():
        raise UsageError(f"--output {folder} is the folder of the input: choose another one")
    # Neither earlier outputs in a folder below, nor what a process is writing.
    own = folder.absolute()
    paths = sorted(
        path
        for path in found
        if path.is_file() and path.suffix != PART and own not in path.absolute().parents
    )
    if not paths:
        raise MTError(f"no file matches --input {pattern}")
    return [InputFile(path, folder / path.relative_to(root)) for path in paths]


def take_shard(files: Sequence[InputFile], shard: str) -> list[InputFile]:
    """Return the files of the shard "I/N": every Nth from the Ith on.

    Raises UsageError if it is malformed, or there are fewer files than shards.
    """
    number, _, count = shard.partition("/")
    if not (number.isascii() and number.isdecimal() and count.isascii() and count.isdecimal()):
        raise UsageError(f"--shard must be I/N, such as 3/16, got {shard}")
    index, total = int(number), int(count)
    if not 1 <= index <= total:
        raise UsageError(f"--shard I/N needs 1 <= I <= N, got {shard}")
    if total > len(files):
        raise UsageError(
            f"--shard {shard}: there are more shards than input files, which are {len(files)}; a "
            "large file must be split first, for example with split --number=l/64"
        )
    return list(files[index - 1 :: total])
