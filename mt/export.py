"""mt-export: a trained run in the form of another engine, which is smaller or faster or needs no PyTorch to compute."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mt.cli import CommandParser, run_command, say
from mt.errors import MTError, UsageError

if TYPE_CHECKING:
    from mt.decoding.export_folder import ExportInfo
    from mt.decoding.load import TrainedModel

EXAMPLES = """\
examples:
  mt-export runs/mine --to ctranslate2 --quantization int8
  mt-translate runs/mine --backend ctranslate2 < in.txt
  mt-export runs/demo --to onnx --out small
  mt-translate small < in.txt

ctranslate2 is for Transformers, as far as it can express them; what stands in the way is listed, all at once. onnx is for all models.
The folder (RUN/export/ctranslate2-int8 and the like) holds all that mt-translate needs, and can be moved anywhere. Afterwards a sample
of the validation set is translated by both engines, and it is told how far they agree. Needs pip install 'mt-attention[ctranslate2]'
or 'mt-attention[onnx]'. Exit codes: 0 done, 1 failed, 2 wrong usage.
"""
SAMPLE = 200


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command."""
    run_command(lambda: export(parser().parse_args(arguments)))


def parser() -> CommandParser:
    """All flags."""
    arguments = CommandParser("mt-export", "Write a trained model for another engine.", EXAMPLES)
    add = arguments.add_argument
    add("run", metavar="RUN", help="run directory that mt-train wrote, such as runs/demo")
    add("--to", required=True, choices=("ctranslate2", "onnx"), help="the engine")
    add(
        "--quantization",
        default="float32",
        metavar="TYPE",
        help="type of the weights: float32 (default), int8; ctranslate2: bfloat16, ...",
    )
    add("--out", metavar="FOLDER", help="where to (default: RUN/export/ENGINE-TYPE)")
    check = arguments.add_argument_group("comparison with the model as trained")
    add = check.add_argument
    add(
        "--sample",
        type=int,
        default=SAMPLE,
        metavar="N",
        help=f"validation sentences that both translate; 0: none (default: {SAMPLE})",
    )
    add("--src", metavar="FILE", help="sentences from this file instead")
    add(
        "--ref",
        metavar="FILE",
        action="append",
        default=[],
        help="with --src: their reference translations; repeatable",
    )
    add("--beam", type=int, default=5, metavar="K", help="beam size (default: 5)")
    add(
        "--threads", type=int, default=0, metavar="N", help="CPU threads; 0: all cores (default: 0)"
    )
    return arguments


def export(options: argparse.Namespace) -> Path:
    """The command after its flags are read: write, then compare."""
    check_flags(options)
    # Importing torch takes seconds: after the flags are known to be right.
    import torch

    from mt.decoding.load import load_run
    from mt.device import set_threads
    from mt.exporting.folder import default_folder, write_export

    set_threads(options.threads)
    run = load_run(options.run, torch.device("cpu"))
    folder = (
        Path(options.out).expanduser()
        if options.out
        else default_folder(run.folder, options.to, options.quantization)
    )
    described, fill = plan(run, options.to, options.quantization)
    write_export(folder, run, described, fill)
    print(
        f"{folder}: {megabytes(folder)} (the run's model: {megabytes(run.folder.model)})",
        flush=True,
    )
    if options.sample:
        check(options, run, folder)
    return folder


def check_flags(options: argparse.Namespace) -> None:
    """What can be wrong without looking at the run."""
    if options.sample < 0 or options.threads < 0:
        raise UsageError("--sample and --threads cannot be negative")
    if bool(options.src) != bool(options.ref):
        raise UsageError("give --src and --ref together: sentences and their translations")


def plan(run: TrainedModel, backend: str, quantization: str) -> tuple[ExportInfo, Any]:
    """What will be in the folder, and what writes the engine's files there. UsageError for what the engine cannot do."""
    from mt.decoding.export_folder import ExportInfo
    from mt.decoding.options import SearchOptions
    from mt.exporting import ctranslate2, onnx
    from mt.optional import require

    types = ctranslate2.QUANTIZATIONS if backend == "ctranslate2" else onnx.QUANTIZATIONS
    if quantization not in types:
        raise UsageError(
            f"--quantization {quantization} is not possible for {backend}: choose one of {', '.join(types)}"
        )
    library = (
        require("ctranslate2", "ctranslate2")
        if backend == "ctranslate2"
        else require("onnxruntime", "onnx")
    )
    version = f"{library.__name__} {library.__version__}"
    if backend == "onnx":
        return ExportInfo(backend, quantization, 0, version), lambda folder: onnx.write_graphs(
            folder, run.model, quantization
        )
    options, model = SearchOptions(), run.config.model
    longest = ctranslate2.table_length(
        model, int((run.config.data.max_pieces + 1) * options.max_ratio) + options.max_extra
    )
    if found := ctranslate2.obstacles(model):
        raise UsageError(
            f"{run.folder} cannot become a CTranslate2 model: {'; '.join(found)}. --to onnx takes every model"
        )
    described = ExportInfo(backend, quantization, longest, version)
    return described, lambda folder: ctranslate2.write_model(
        folder, run.model, model, run.tokenizer, quantization, longest
    )


def check(options: argparse.Namespace, run: TrainedModel, folder: Path) -> None:
    """Translate a sample with both engines and print how far they agree; where there is no text, say so."""
    from mt.decoding.load import build_translator, load
    from mt.decoding.options import SearchOptions
    from mt.exporting.agreement import compare

    try:
        sources, references, name = sample_text(options, run)
    except MTError as error:
        say(f"not compared with the model as trained: {error} (--src and --ref name other text)")
        return
    search = SearchOptions(beam=options.beam)
    original = build_translator([run], precision="fp32", options=search)
    agreement = compare(
        original,
        load(folder, backend=options.to, options=search),
        sources,
        references,
        run.config.data.languages()[1],
    )
    print(f"{name}, beam {options.beam}, {agreement.line()}", flush=True)


def sample_text(
    options: argparse.Namespace, run: TrainedModel
) -> tuple[list[str], list[list[str]], str]:
    """Sentences spread evenly over the text, their references, what text it is. MTError where it cannot be had."""
    from mt.evaluation.evaluation_set import load_corpus_split, read_parallel

    if options.src:
        sources, *references = read_parallel([options.src, *options.ref])
        name = options.src
    else:
        found = load_corpus_split(run.config, "val", str(run.folder))
        sources, references, name = found.sources, found.references, "validation"
    count = min(options.sample, len(sources))
    rows = [len(sources) * number // count for number in range(count)]
    return (
        [sources[row] for row in rows],
        [[lines[row] for row in rows] for lines in references],
        name,
    )


def megabytes(path: Path) -> str:
    """The size of a file, or of all files of a folder."""
    files = [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]
    return f"{sum(each.stat().st_size for each in files) / 1e6:.1f} MB"


if __name__ == "__main__":
    main()
