"""mt-evaluate: how good are translations, overall and by sentence length?

Of a trained run, on its own test set or on files; or of any system's output, given as a file.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mt.cli import CommandParser, SentenceProgress, run_command, say
from mt.config.schema import Config
from mt.data.cleaning import normalise
from mt.data.links import check_gold, parse_lines
from mt.errors import MTError, UsageError
from mt.evaluation.alignment import AttentionScores
from mt.evaluation.evaluation import Evaluation, check_settings, evaluate_translations
from mt.evaluation.evaluation_set import EvaluationSet, corpus_part, read_parallel, stored_test
from mt.evaluation.metrics import METRICS, build_metrics
from mt.evaluation.resampling import DEFAULT_RESAMPLES
from mt.evaluation.tables import text_table, to_dict
from mt.evaluation.tokenizers import TOKENIZERS
from mt.files import write_lines, write_text
from mt.inspection.diagnostics import Diagnostics
from mt.inspection.diagnostics_tables import diagnostics_dict, diagnostics_table
from mt.run_folder import RunFolder

EXAMPLES = """\
examples:
  mt-evaluate runs/demo
  mt-evaluate runs/demo --src news.en --ref news.de
  mt-evaluate --hyp theirs.de --src news.en --ref news.de --lang de

Files may be compressed (.gz, .xz, .zst). Exit codes: 0 done, 1 failed, 2 wrong usage.
"""
BEAM = 5
BATCH_TOKENS = 8192

RUN_ONLY = ("diagnostics", "split", "beam", "device", "batch_tokens", "threads")


class Material(NamedTuple):
    """What is scored: line i of each list belongs together."""

    sources: list[str] | None
    hypotheses: list[str]
    references: list[list[str]]  # one list for each reference translation
    tgt_lang: str
    constructions: list[list[str]] | None = None
    alignment: AttentionScores | None = None
    diagnostics: Diagnostics | None = None


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command."""
    run_command(lambda: evaluate(parse(arguments)))


def evaluate(options: argparse.Namespace) -> Evaluation:
    """Collect the translations, score them, print the table, write what was asked for."""
    # What can fail without the translations fails before them.
    check_settings(options.edges, options.threshold, options.bootstrap)
    metrics = [name for name in METRICS if not getattr(options, f"no_{name}", False)]
    build_metrics(options.lang or "", options.tokenize, options.lowercase, metrics)
    material = translations_of_file(options) if options.hyp else translations_of_run(options)
    if options.write_files:
        write_files(Path(options.write_files), material)
    say(f"scoring {len(material.hypotheses):,} translations")
    length_by = options.length_by or ("reference" if material.sources is None else "source")
    evaluation = evaluate_translations(
        *material[:3],
        tgt_lang=material.tgt_lang,
        length_by=length_by,
        edges=options.edges,
        threshold=options.threshold,
        tokenize=options.tokenize,
        lowercase=options.lowercase,
        bootstrap=options.bootstrap,
        metrics=metrics,
        constructions=material.constructions,
        alignment=material.alignment,
    )
    print(text_table(evaluation), flush=True)
    found = to_dict(evaluation)
    if material.diagnostics:
        print("\n" + diagnostics_table(material.diagnostics), flush=True)
        found["diagnostics"] = diagnostics_dict(material.diagnostics)
    if options.json:
        write_text(Path(options.json), json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    return evaluation


def translations_of_file(options: argparse.Namespace) -> Material:
    """Any system's output, from files."""
    paths = [options.hyp, *options.ref, *([options.src] if options.src else [])]
    hypotheses, *others = read_parallel(paths)
    references = others[: len(options.ref)]
    return Material(others[-1] if options.src else None, hypotheses, references, options.lang or "")


def evaluation_set(options: argparse.Namespace, config: Config) -> EvaluationSet:
    """Return the text that the options name, else what mt-train left in the run (so that a run is tested on the same text
    wherever it is moved), else the corpus of its configuration."""
    run = RunFolder.at(options.run)
    if options.src:
        names = [options.src, *options.ref, *([options.links] if options.links else [])]
        sources, *others = read_parallel(names)
        return EvaluationSet(
            sources, others[: len(options.ref)], others[-1] if options.links else None, None
        )
    stored = None if options.split == "val" else stored_test(run)
    return stored or corpus_part(config, options.split or "test", str(run))


def translations_of_run(options: argparse.Namespace) -> Material:
    """A trained run's output on files, or on its own validation or test set."""
    # Imported here so that scoring files need not wait for PyTorch.
    from mt.decoding.load import load
    from mt.decoding.options import SearchOptions
    from mt.device import set_threads
    from mt.inspection.alignment_error import score_attention
    from mt.inspection.diagnose import diagnose
    from mt.inspection.inspector import Inspector

    set_threads(options.threads or 0)
    config = RunFolder.at(options.run).read_config()
    beam = options.beam or BEAM
    translator = load(
        options.run,
        options.device or "auto",
        workers=0,
        batch_tokens=options.batch_tokens or BATCH_TOKENS,
        options=SearchOptions(beam=beam),
    )
    inspector = Inspector(translator)
    sources, references, links, constructions = evaluation_set(options, config)
    golds = parse_lines(links, options.links or "test.links.txt") if links else None
    if golds:  # before the translation, which takes longer
        pairs = [
            (normalise(src, translator.unicode), normalise(ref, translator.unicode))
            for src, ref in zip(sources, references[0], strict=True)
        ]
        check_gold(golds, pairs, options.links or "test.links.txt")
    if options.links and not inspector.attends:
        raise UsageError(
            f"{options.run} has no attention to the source, so there is nothing to compare {options.links} with"
        )
    # Before the translation, which takes longer: it fails where there is no attention.
    diagnostics = (
        diagnose(translator, sources, references[0], options.threshold)
        if options.diagnostics
        else None
    )
    say(f"translating {len(sources):,} sentences with {options.run}, beam {beam}")
    started = time.perf_counter()
    progress = SentenceProgress(sys.stderr, silent=False)
    hypotheses = [
        translation.text
        for translation in translator.translate_stream(sources, progress=progress.add)
    ]
    progress.close()
    seconds = time.perf_counter() - started
    say(f"translated in {seconds:.1f} s, {len(sources) / seconds:.1f} sentences a second")
    for line in translator.report():
        say(line)
    alignment = None
    if golds and inspector.attends:
        say("aligning the references")
        alignment = score_attention(
            inspector.attention(zip(sources, references[0], strict=True)), golds
        )
    names = [line.split() for line in constructions] if constructions else None
    return Material(
        sources,
        hypotheses,
        references,
        options.lang or config.data.languages()[1],
        names,
        alignment,
        diagnostics,
    )


def write_files(folder: Path, material: Material) -> None:
    """sources.txt, hypotheses.txt, references.txt (references.2.txt, ...) for metrics that we do not compute."""
    named = {"hypotheses.txt": material.hypotheses}
    if material.sources is not None:
        named["sources.txt"] = material.sources
    for number, lines in enumerate(material.references, start=1):
        named["references.txt" if number == 1 else f"references.{number}.txt"] = lines
    for name, lines in named.items():
        write_lines(folder / name, lines)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line, checked: all that can be wrong without reading a file is found here."""
    options = build_parser().parse_args(arguments)
    if bool(options.run) == bool(options.hyp):
        raise UsageError("give either a run directory or --hyp FILE; see mt-evaluate --help")
    if options.hyp:
        if not options.ref:
            raise UsageError("--hyp needs --ref FILE, the translations to compare with")
        for name in RUN_ONLY:
            if getattr(options, name) is not None:
                raise UsageError(
                    f"--{name.replace('_', '-')} goes with a run directory, not with --hyp: nothing is translated"
                )
        if options.length_by == "source" and not options.src:
            raise UsageError("--length-by source needs --src FILE")
        if options.links:
            raise UsageError(
                "--links goes with a run directory: links are read from a model's attention"
            )
    elif bool(options.src) != bool(options.ref):
        raise UsageError(
            "--src and --ref go together; with neither, the run's own test set is used"
        )
    elif options.links and not options.src:
        raise UsageError(
            "--links goes with --src and --ref; links of the run's own test set are found with it"
        )
    elif options.src and options.split:
        raise UsageError(
            "--split chooses a part of the run's own data; it cannot be used with --src and --ref"
        )
    if options.json and not Path(options.json).resolve().parent.is_dir():
        raise MTError(f"cannot write {options.json}: its folder does not exist")
    if options.write_files:
        try:
            Path(options.write_files).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MTError(
                f"cannot make the folder {options.write_files}: {error.strerror or error}"
            ) from None
    return options


def build_parser() -> CommandParser:
    parser = CommandParser(
        "mt-evaluate",
        description="BLEU, chrF and TER with 95 % intervals, for short against long sentences and by length.",
        epilog=EXAMPLES,
    )
    parser.add_argument("run", nargs="?", metavar="RUN", help="run directory of a trained model")
    text = parser.add_argument_group("text")
    text.add_argument("--hyp", metavar="FILE", help="score these translations instead of a run's")
    text.add_argument(
        "--src",
        metavar="FILE",
        help="sources, one a line (default: the run's own test set; with --hyp: none)",
    )
    text.add_argument(
        "--ref",
        metavar="FILE",
        action="append",
        default=[],
        help="reference translations; repeat for several references",
    )
    text.add_argument(
        "--links",
        metavar="FILE",
        help="gold word alignments of --src and the first --ref (Pharaoh: 0-0 1p2): prints the error rate",
    )
    text.add_argument(
        "--split", choices=("test", "val"), help="part of the run's own data (default: test)"
    )
    text.add_argument(
        "--lang",
        metavar="CODE",
        help="target language, which decides how BLEU tokenises (default: the run's)",
    )

    scores = parser.add_argument_group("scores")
    scores.add_argument(
        "--tokenize",
        metavar="NAME",
        default="",
        help=f"BLEU's tokenizer: {', '.join(TOKENIZERS)} (default: by language)",
    )
    scores.add_argument(
        "--lowercase", action="store_true", help="lower-case for BLEU and chrF (TER always does)"
    )
    scores.add_argument(
        "--bootstrap",
        metavar="N",
        type=int,
        default=DEFAULT_RESAMPLES,
        help=f"resamples for the intervals; 0: none (default: {DEFAULT_RESAMPLES})",
    )
    for name, metric in METRICS.items():
        if metric.slow:
            about = f"leave out {metric.title}, which takes minutes on long, poor translations"
            scores.add_argument(f"--no-{name}", action="store_true", help=about)
    scores.add_argument(
        "--edges",
        metavar="N,N",
        type=edges,
        help="upper ends of the length buckets (default: 10,20,30,40,50,60 words)",
    )
    scores.add_argument(
        "--threshold",
        metavar="N",
        type=positive,
        help="longest sentence that counts as short (default: 20 words)",
    )
    scores.add_argument(
        "--diagnostics",
        action="store_true",
        default=None,
        help="measure the attention of each layer and head of a run",
    )
    scores.add_argument(
        "--length-by",
        choices=("source", "reference"),
        help="whose length counts (default: source, where it is known)",
    )

    translation = parser.add_argument_group("translation with a run")
    translation.add_argument(
        "--beam", metavar="N", type=positive, help=f"beam size; 1: greedy (default: {BEAM})"
    )
    translation.add_argument(
        "--batch-tokens",
        metavar="N",
        type=positive,
        help=f"tokens a batch (default: {BATCH_TOKENS})",
    )
    translation.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda", "mps"),
        help="where to translate (default: auto)",
    )
    translation.add_argument(
        "--threads", metavar="N", type=positive, help="CPU threads (default: all cores)"
    )

    output = parser.add_argument_group("output")
    output.add_argument("--json", metavar="FILE", help="write all figures as JSON too")
    output.add_argument(
        "--write-files",
        metavar="DIR",
        help="write sources.txt, hypotheses.txt and references.txt, for other metrics such as COMET",
    )
    return parser


def positive(text: str) -> int:
    """A number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def edges(text: str) -> list[int]:
    """Comma-separated numbers."""
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    main()
