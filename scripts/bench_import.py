"""Compare the speed of an imported model in mt with that of transformers, as a Markdown table.

    python scripts/bench_import.py --shape marian --threads 1 --cpu-time
    python scripts/bench_import.py downloads/opus-mt-en-de --src test.en
    python scripts/bench_import.py downloads/m2m --src test.en --src-lang en --tgt-lang de

The model is a folder of the hub, or one with random weights in the shape of a published model:
marian (6 + 6 layers of width 512, 58,000 pieces: opus-mt-en-de) or m2m (12 + 12 layers of width
1,024, 128,000 pieces: m2m100_418M). Random models never end, so that outputs have `--length`
tokens; `--length 0` lets the model end them. Contestants are `generate` of transformers, and mt
with PyTorch and with CTranslate2, in float32. They take turns, `--repeats` times, after a warm-up,
from text to text in batches of `--batch` lines of similar length. Ratios are those of a round. The
last column is the share of outputs that are equal to those of transformers.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import sentencepiece
import torch

from bench.texts import sentences
from mt.cli import run_command, say
from mt.data.text_files import read_lines
from mt.decoding.load import load, load_run
from mt.device import set_threads
from mt.errors import UsageError
from mt.exporting.export import export_run
from mt.importing.hub_folder import HubFolder, open_folder
from mt.importing.import_run import import_run
from mt.run_folder import RunFolder

# Shape -> width, layers of a side, heads, inner width, rows of the vocabulary.
SHAPES = {"marian": (512, 6, 8, 2048, 58_101), "m2m": (1024, 12, 16, 4096, 128_112)}
PIECES = 2000  # of the SentencePiece model of a random model; the other rows are never seen
WORDS = 3000  # of the made-up text
MAX_TOKENS = 256  # of an output that ends by itself

Contestant = Callable[[list[str], int], list[str]]  # translates a batch with a beam size


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("model", nargs="?", help="folder of the hub with a model")
    add("--shape", choices=SHAPES, help="without a model: its shape, with random weights")
    add("--src", type=Path, help="lines to translate (default: made-up text)")
    add("--src-lang", default="", help="source language of a multilingual model")
    add("--tgt-lang", default="", help="target language of a multilingual model")
    add("--lines", type=int, default=64, help="number of lines (default: 64)")
    add("--batch", type=int, default=16, help="lines in a batch (default: 16)")
    add("--length", type=int, default=25, help="tokens of all outputs; 0: as the model ends them")
    add("--beams", nargs="+", type=int, default=[1, 5], help="beam sizes (default: 1 5)")
    add("--repeats", type=int, default=3, help="rounds (default: 3)")
    add("--threads", type=int, default=0, help="CPU threads; 0: all cores")
    add("--cpu-time", action="store_true", help="processor time; requires --threads 1")
    options = parser.parse_args(arguments)
    if options.cpu_time and options.threads != 1:
        parser.error("--cpu-time requires --threads 1")
    if bool(options.model) == bool(options.shape):
        parser.error("give a folder or --shape")
    run_command(lambda: bench(options))


def bench(options: argparse.Namespace) -> None:
    """Measure, and print a table for all beam sizes."""
    set_threads(options.threads)
    clock = time.process_time if options.cpu_time else time.perf_counter
    lines = (
        list(islice(read_lines(options.src), options.lines)) if options.src else made_up(options)
    )
    lines.sort(key=len)
    batches = [
        lines[start : start + options.batch] for start in range(0, len(lines), options.batch)
    ]
    with tempfile.TemporaryDirectory() as temporary:
        folder = open_folder(options.model) if options.model else None
        if folder is None:
            say(f"making a model of the shape {options.shape}")
            folder = make_model(options.shape, Path(temporary) / "model", lines)
        contestants = build_contestants(folder, Path(temporary), options)
        print("| engine | beam | lines/s | speed-up of mt | equal outputs |\n|---|---|---|---|---|")
        for beam in options.beams:
            for row in measure(contestants, batches, beam, options.repeats, clock):
                print(row, flush=True)


def measure(
    contestants: dict[str, Contestant],
    batches: Sequence[list[str]],
    beam: int,
    repeats: int,
    clock: Callable[[], float],
) -> list[str]:
    """Return the rows of the table for a beam size."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    outputs: dict[str, list[str]] = {}
    for translate in contestants.values():
        translate(batches[0], beam)
    for turn in range(repeats):
        for name, translate in contestants.items():
            say(f"beam {beam}, round {turn + 1}, {name}")
            start = clock()
            outputs[name] = [text for batch in batches for text in translate(batch, beam)]
            seconds[name].append(clock() - start)
    first, *_ = contestants
    count = len(outputs[first])
    rows = []
    for name, times in seconds.items():
        ratios = [theirs / ours for theirs, ours in zip(seconds[first], times, strict=True)]
        equal = sum(a == b for a, b in zip(outputs[name], outputs[first], strict=True)) / count
        speed = statistics.median(count / each for each in times)
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} - {max(ratios):.2f})"
        rows.append(f"| {name} | {beam} | {speed:.2f} | {spread} | {equal:.1%} |")
    return rows


def build_contestants(
    folder: HubFolder, temporary: Path, options: argparse.Namespace
) -> dict[str, Contestant]:
    """Return the contestants by name, transformers first."""
    run = RunFolder.at(temporary / "run")
    pair = import_run(folder, run, (options.src_lang, options.tgt_lang)).languages
    exported = temporary / "ctranslate2"
    export_run(exported, load_run(run.path, torch.device("cpu")), "ctranslate2", "float32")
    length = options.length
    # The maximum counts the end of the sentence, the minimum does not.
    limits = {
        "max_ratio": 0.0,
        "max_extra": length or MAX_TOKENS,
        "min_length": max(0, length - 1),
    }
    found: dict[str, Contestant] = {
        "transformers": Transformers(folder.path, pair, length).translate
    }
    for backend, path in (("pytorch", run.path), ("ctranslate2", exported)):
        translator = load(path, "cpu", "fp32", backend, split_sentences=False)
        found[f"mt, {backend}"] = lambda lines, beam, each=translator: each.translate(
            lines, beam=beam, **limits
        )
    return found


@dataclass
class Transformers:
    """A model of the hub under `generate`."""

    folder: Path
    pair: tuple[str, str]
    length: int

    def __post_init__(self) -> None:
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        self.model = AutoModelForSeq2SeqLM.from_pretrained(self.folder, dtype=torch.float32).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(self.folder)
        self.options: dict[str, Any] = {}
        start = 0
        if self.model.config.model_type == "m2m_100":
            self.tokenizer.src_lang, self.tokenizer.tgt_lang = self.pair
            self.options["forced_bos_token_id"] = self.tokenizer("", text_target="").labels[0]
            start = 1
        config = self.model.config
        names = [[config.pad_token_id], [self.tokenizer.unk_token_id]]
        self.options |= {
            "max_new_tokens": start + (self.length or MAX_TOKENS),
            "min_new_tokens": start + self.length if self.length else None,
            "forced_eos_token_id": None,
            "bad_words_ids": names,
            "do_sample": False,
        }

    @torch.inference_mode()
    def translate(self, lines: list[str], beam: int) -> list[str]:
        batch = self.tokenizer(lines, return_tensors="pt", padding=True)
        rows = self.model.generate(**batch, num_beams=beam, **self.options)
        return self.tokenizer.batch_decode(rows, skip_special_tokens=True)


def made_up(options: argparse.Namespace) -> list[str]:
    """Return lines of made-up words."""
    if options.model:
        raise UsageError("a model needs text to translate: give --src")
    return [source for source, _ in sentences(options.lines, 0, WORDS)]


def make_model(shape: str, folder: Path, lines: Sequence[str]) -> HubFolder:
    """Write a model with random weights, and return its folder."""
    from transformers import (
        M2M100Config,
        M2M100ForConditionalGeneration,
        MarianConfig,
        MarianMTModel,
    )
    from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES

    folder.mkdir()
    width, layers, heads, inner, rows = SHAPES[shape]
    model_file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model_file,
        vocab_size=PIECES,
        hard_vocab_limit=False,
        model_type="unigram" if shape == "marian" else "bpe",
        minloglevel=2,
    )
    spm = model_file.getvalue()
    processor = sentencepiece.SentencePieceProcessor()
    processor.load_from_serialized_proto(spm)
    pieces = [processor.id_to_piece(i) for i in range(3, len(processor))]
    settings: dict[str, Any] = {
        "vocab_size": rows,
        "d_model": width,
        "encoder_layers": layers,
        "decoder_layers": layers,
        "encoder_attention_heads": heads,
        "decoder_attention_heads": heads,
        "encoder_ffn_dim": inner,
        "decoder_ffn_dim": inner,
        "scale_embedding": True,
    }
    if shape == "marian":
        names = ["</s>", "<unk>", *pieces]
        names += [f"filler{i}" for i in range(rows - len(names) - 1)] + ["<pad>"]
        tokenizer = {"source_lang": "en", "target_lang": "de"}
        for name in ("source.spm", "target.spm"):
            (folder / name).write_bytes(spm)
        pad = {"pad_token_id": rows - 1, "decoder_start_token_id": rows - 1, "eos_token_id": 0}
        model = MarianMTModel(MarianConfig(**settings, **pad, activation_function="swish"))
    else:
        tags = [f"__{code}__" for code in FAIRSEQ_LANGUAGE_CODES["m2m100"]]
        names = ["<s>", "<pad>", "</s>", "<unk>", *pieces]
        names += [f"filler{i}" for i in range(rows - len(names) - len(tags) - 8)]
        tokenizer = {"src_lang": "en", "tgt_lang": "de", "tokenizer_class": "M2M100Tokenizer"}
        tokenizer["extra_special_tokens"] = tags
        (folder / "sentencepiece.bpe.model").write_bytes(spm)
        model = M2M100ForConditionalGeneration(M2M100Config(**settings))
    (folder / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}))
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    model.save_pretrained(folder)
    return HubFolder(folder, shape)


if __name__ == "__main__":
    main()
