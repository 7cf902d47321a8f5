"""The translation benchmark: the same model, text and search for all contestants."""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sacrebleu
import torch

from bench.contest import SCRIPTS, Entry, Result
from bench.report import baseline, contestants, failures, format_spread, ratios, table
from mt.config.schema import Config
from mt.data.normalisation import Normaliser, normalise
from mt.data.text_files import read_lines
from mt.data.tokenizer import Tokenizer
from mt.data.vocabulary import BOS, EOS, PAD, UNK
from mt.decoding.options import SearchOptions
from mt.errors import MTError, UsageError
from mt.run_folder import RunFolder


def train_model(folder: Path, overrides: Sequence[str]) -> Path:
    """Train a run with mt-train, or continue an existing one; return its folder."""
    command = [sys.executable, "-m", "mt.train", *overrides, f"runs_dir='{folder}'", "name=model"]
    done = subprocess.run(command, cwd=SCRIPTS.parent, stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise MTError(f"training the model failed: {' '.join(command)}")
    return folder / "model"


@dataclass
class Text:
    """The sentences to translate, and their references."""

    sources: list[str]
    references: list[str]

    @classmethod
    def load(cls, run: Path, src: str, ref: str, lines: int) -> Text:
        """Read the files if given, else the test set of the run.

        `lines`: read only the first lines; 0: all. Raises UsageError if one file of two is given.
        """
        if bool(src) != bool(ref):
            raise UsageError("--src and --ref must be given together")
        names = (src or run / "test.sources.txt", ref or run / "test.references.txt")
        sides = [list(read_lines(Path(name)))[: lines or None] for name in names]
        if len(sides[0]) != len(sides[1]) or not sides[0]:
            raise MTError(
                f"{names[0]} and {names[1]} have {len(sides[0])} and {len(sides[1])} lines"
            )
        return cls(*sides)


class Translation:
    """The translation with one run: the work for each contestant, and the table of results."""

    def __init__(
        self,
        folder: Path,
        run: Path,
        text: Text,
        device: torch.device,
        threads: int,
        batch: int,
        cpu_time: bool,
    ) -> None:
        self.folder, self.run, self.text = folder, run, text
        self.device, self.threads, self.batch, self.cpu_time = device, threads, batch, cpu_time
        self.config: Config = RunFolder.at(run).read_config()
        self.tokenizer = Tokenizer.load(run)
        normaliser = Normaliser.from_config(self.config.data.clean)
        pieces = self.tokenizer.encode_many(list(map(normaliser, text.sources)), "src")
        self.pieces = sum(map(len, pieces)) + len(pieces)
        longest = max(map(len, pieces)) + 1
        limits = SearchOptions()
        self.longest = math.ceil(limits.max_ratio * longest) + limits.max_extra
        if longest > self.config.data.max_pieces:
            raise MTError(
                f"a line has {longest} pieces, more than data.max_pieces="
                f"{self.config.data.max_pieces}: peers cannot split it"
            )
        self._write("sources.jsonl", pieces)
        self._write("lines.jsonl", text.sources)

    def _write(self, name: str, rows: Sequence[Any]) -> None:
        (self.folder / name).write_text(
            "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
        )

    def work(self, entry: Entry, beam: int) -> dict[str, Any]:
        return {
            "task": "translate",
            "folder": str(self.folder),
            "device": self.device.type,
            "precision": entry.precision,
            "threads": self.threads,
            "cpu_time": self.cpu_time,
            "model": dataclasses.asdict(self.config.model),
            "vocab": self.tokenizer.vocab_size("tgt"),
            "pad": PAD,
            "unk": UNK,
            "bos": BOS,
            "eos": EOS,
            "weights": str(RunFolder.at(self.run.resolve()).model),
            "sources": str(self.folder / "sources.jsonl"),
            "beam": beam,
            "batch": self.batch,
            "length_penalty": SearchOptions().length_penalty,
            "longest": self.longest,
            "outputs": str(self.outputs(entry)),
            "run": str(self.run.resolve()),
            "lines": str(self.folder / "lines.jsonl"),
            "settings": {
                "batch_tokens": max(1, self.batch * beam * self.pieces // len(self.text.sources)),
                **settings(entry),
            },
        }

    def outputs(self, entry: Entry) -> Path:
        return self.folder / f"{entry.name.replace(', ', '.').replace('/', '_')}.outputs.jsonl"

    def hypotheses(self, entry: Entry) -> list[str]:
        """Return the last outputs of a contestant as text. Peers write pieces."""
        lines = self.outputs(entry).read_text(encoding="utf-8").splitlines()
        outputs = [json.loads(line) for line in lines]
        if entry.contestant.is_mt:
            return outputs
        return [normalise(line, "none") for line in self.tokenizer.decode_many(outputs, "tgt")]

    def table(self, entries: Sequence[Entry]) -> str:
        """Return the results as Markdown."""
        header = [
            "contestant",
            "sentences/s",
            "speed-up of mt",
            "target tokens/s",
            "BLEU",
            "outputs as mt's",
            "loading, s",
            "peak MiB",
        ]
        found = {entry.name: self.hypotheses(entry) for entry in entries if entry.results}
        lines = len(self.text.sources)
        rows = []
        for entry in (each for each in entries if each.results):
            outputs, ours = found[entry.name], found[baseline(entry, entries).name]
            tokens = sum(map(len, self.tokenizer.encode_many(outputs, "tgt"))) + lines
            memory = [each["memory"] / 2**20 for each in entry.results if each["memory"]]
            rows.append(
                [
                    entry.name,
                    format_spread([lines / each["seconds"] for each in entry.results], ",.1f"),
                    format_spread(ratios(entry, entries, speed), ".2f"),
                    f"{statistics.median(tokens / each['seconds'] for each in entry.results):,.0f}",
                    f"{sacrebleu.corpus_bleu(outputs, [self.text.references]).score:.2f}",
                    f"{sum(map(str.__eq__, outputs, ours)) / lines:.1%}",
                    format_spread([each["load"] for each in entry.results], ".1f"),
                    format_spread(memory) if memory else "",
                ]
            )
        return f"{table(header, rows)}\n{failures(entries)}\n\n{contestants(entries)}."


def speed(result: Result) -> float:
    """Return texts per second: all contestants translate the same text."""
    return 1 / result["seconds"]


def settings(entry: Entry) -> dict[str, Any]:
    """Return the overrides of a variant as keyword arguments of `mt.load`."""
    pairs = (each.partition("=")[::2] for each in entry.contestant.overrides)
    return {name: json.loads(value) for name, value in pairs}
