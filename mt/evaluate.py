"""mt-evaluate: score translations of a run or of any system, or alignments of any aligner."""

from __future__ import annotations

if __name__ == "__main__":  # signals must be caught before the imports below, which take seconds
    from mt.cli import run_module

    run_module("mt.evaluate")

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mt.arguments.evaluate import chosen_metrics, parse_arguments
from mt.arguments.search import search_options
from mt.arguments.translate import split_sentences
from mt.cli import run_command, say
from mt.config.schema import Config
from mt.data.links import read_links
from mt.decoding.options import BATCH_TOKENS
from mt.errors import UsageError
from mt.evaluation.alignment import AlignmentScore, AttentionAlignmentScores, score_alignments
from mt.evaluation.evaluation import Evaluation, check_settings, evaluate_translations
from mt.evaluation.evaluation_set import (
    EvaluationSet,
    load_corpus_split,
    read_parallel,
    read_stored_test_set,
)
from mt.evaluation.metrics import build_metrics
from mt.evaluation.placeholders import PlaceholderCounts, count_placeholders
from mt.evaluation.robustness import (
    METRIC_NAMES,
    TITLES,
    RobustnessRow,
    measure_robustness,
    robustness_dict,
    robustness_table,
)
from mt.evaluation.tables import FORMAT_VERSION, alignment_text, text_table, to_dict
from mt.evaluation.text_form import first_references
from mt.files import write_lines, write_text
from mt.inspection.diagnostics.summary import Diagnostics
from mt.inspection.diagnostics.tables import diagnostics_dict, diagnostics_table
from mt.progress_display import Progress
from mt.run_folder import RunFolder

if TYPE_CHECKING:
    from mt.decoding.translator import Translator


class Translations(NamedTuple):
    """The text to score; line i of each list belongs together."""

    sources: list[str] | None
    hypotheses: list[str]
    references: list[list[str]]  # one list for each reference translation
    tgt_lang: str
    constructions: list[list[str]] | None = None
    tags: list[str] | None = None
    alignment: AttentionAlignmentScores | None = None
    diagnostics: Diagnostics | None = None
    placeholders: PlaceholderCounts | None = None
    robustness: list[RobustnessRow] | None = None


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of the command."""

    def run() -> None:
        arguments = parse_arguments(argv)
        (score_alignment_file if arguments.alignments else evaluate)(arguments)

    run_command(run)


def score_alignment_file(arguments: argparse.Namespace) -> AlignmentScore:
    """Score the alignments of any aligner by gold alignments, and print and write the scores."""
    check_settings(None, None, arguments.bootstrap)
    hypotheses, golds = (read_links(Path(path)) for path in (arguments.alignments, arguments.links))
    score = score_alignments(hypotheses, golds, arguments.bootstrap)
    print(alignment_text(score), flush=True)
    if arguments.json:
        values = {"format": FORMAT_VERSION, **asdict(score)}
        write_text(Path(arguments.json), json.dumps(values, indent=1) + "\n")
    return score


def evaluate(arguments: argparse.Namespace) -> Evaluation:
    """Get the translations, score them, print the table and write the files."""
    # Wrong settings must be reported before the translation, which takes longer.
    check_settings(arguments.edges, arguments.threshold, arguments.bootstrap)
    metrics = chosen_metrics(arguments)
    build_metrics(arguments.lang or "", arguments.tokenize, arguments.lowercase, metrics)
    translations = read_files(arguments) if arguments.hyp else translate_with_run(arguments)
    if arguments.write_files:
        write_files(Path(arguments.write_files), translations)
    say(f"scoring {len(translations.hypotheses):,} translations")
    side = "reference" if translations.sources is None else "source"
    evaluation = evaluate_translations(
        translations.sources,
        translations.hypotheses,
        translations.references,
        tgt_lang=translations.tgt_lang,
        length_by=arguments.length_by or side,
        edges=arguments.edges,
        threshold=arguments.threshold,
        tokenize=arguments.tokenize,
        lowercase=arguments.lowercase,
        bootstrap=arguments.bootstrap,
        metrics=metrics,
        constructions=translations.constructions,
        tags=translations.tags,
        alignment=translations.alignment,
    )
    print(text_table(evaluation), flush=True)
    values = to_dict(evaluation)
    if translations.placeholders:
        print(translations.placeholders.text(), flush=True)
        values["placeholders"] = asdict(translations.placeholders)
    if translations.robustness:
        print("\n" + robustness_table(translations.robustness), flush=True)
        values["robustness"] = robustness_dict(translations.robustness)
    if translations.diagnostics:
        print("\n" + diagnostics_table(translations.diagnostics), flush=True)
        values["diagnostics"] = diagnostics_dict(translations.diagnostics)
    if arguments.json:
        write_text(Path(arguments.json), json.dumps(values, ensure_ascii=False, indent=1) + "\n")
    return evaluation


def read_files(arguments: argparse.Namespace) -> Translations:
    """Read the output of any system from files."""
    paths = [arguments.hyp, *arguments.ref, *([arguments.src] if arguments.src else [])]
    hypotheses, *others = read_parallel(paths)
    sources = others.pop() if arguments.src else None
    return Translations(sources, hypotheses, others, arguments.lang or "")


def translate_with_run(arguments: argparse.Namespace) -> Translations:
    """Translate files, or the validation or test set of the run, with its model."""
    # Imported here because scoring files does not need PyTorch.
    from mt.decoding.load import load
    from mt.device import set_threads
    from mt.inspection.alignment_error import read_and_score_attention
    from mt.inspection.diagnostics.measure import diagnose
    from mt.inspection.inspector import Inspector

    set_threads(arguments.threads or 0)
    test_set = find_evaluation_set(arguments, RunFolder.at(arguments.run).read_config())
    # A given tag is that of all sources.
    tags = test_set.tags if arguments.tag is None else None
    translator = load(
        arguments.run,
        arguments.device or "auto",
        workers=0,
        batch_tokens=arguments.batch_tokens or BATCH_TOKENS,
        options=search_options(arguments),
        split_sentences=split_sentences(arguments),
        tag=tags[0] if tags else arguments.tag,
        src_lang=arguments.src_lang or "",
        tgt_lang=arguments.tgt_lang or "",
    )
    inspector = Inspector(translator)
    sources, references = test_set.sources, test_set.references[0]
    # These come before the translation, which takes longer, because they can fail.
    golds = None
    if test_set.links:
        name = arguments.links or RunFolder.at(arguments.run).test_file("links").name
        golds = test_set.gold_links(name, translator.normaliser)
    if arguments.links and not inspector.attends:
        raise UsageError(
            f"{arguments.run} has no attention to the source to compare {arguments.links} with"
        )
    diagnostics = None
    if arguments.diagnostics:
        say("measuring the attention")
        diagnostics = diagnose(translator, sources, references, arguments.threshold, tags)
    hypotheses = translate(translator, sources, tags, arguments)
    alignment = None
    if golds and inspector.attends:
        say("aligning the references")
        pairs = list(zip(sources, references, strict=True))
        alignment = read_and_score_attention(inspector, pairs, golds, tags)
    constructions = test_set.constructions
    language = arguments.lang or translator.text_settings.target_language
    return Translations(
        sources,
        hypotheses,
        test_set.references,
        language,
        [line.split() for line in constructions] if constructions else None,
        tags,
        alignment,
        diagnostics,
        count_placeholders(
            translator.tokenizer.symbols, sources, hypotheses, references, translator.normaliser
        ),
        translate_modified(translator, test_set, tags, hypotheses, language, arguments)
        if arguments.robustness
        else None,
    )


def translate_modified(
    translator: Translator,
    test_set: EvaluationSet,
    tags: list[str] | None,
    hypotheses: list[str],
    language: str,
    arguments: argparse.Namespace,
) -> list[RobustnessRow]:
    """Translate and score the test set with each modification; `hypotheses` are without."""
    metrics, _ = build_metrics(
        language,
        arguments.tokenize,
        arguments.lowercase,
        METRIC_NAMES,
        first_references(test_set.references),
    )

    def translate_one(name: str, lines: list[str]) -> list[str]:
        say(f"robustness: {TITLES[name]}")
        return translate(translator, lines, tags, arguments)

    return measure_robustness(
        translate_one,
        test_set.sources,
        hypotheses,
        test_set.references,
        metrics,
        translator.tokenizer.symbols,
        translator.normaliser,
        arguments.bootstrap,
    )


def find_evaluation_set(arguments: argparse.Namespace, config: Config) -> EvaluationSet:
    """Return the text to translate.

    It is the text that the arguments name; else the test set that mt-train stored in the run, which
    stays with a run that is moved; else the corpus of the configuration.
    """
    run = RunFolder.at(arguments.run)
    if arguments.src:
        link_files = [arguments.links] if arguments.links else []
        sources, *others = read_parallel([arguments.src, *arguments.ref, *link_files])
        references = others[: len(arguments.ref)]
        return EvaluationSet(sources, references, others[-1] if link_files else None, None)
    split = arguments.split or "test"
    stored = read_stored_test_set(run) if split == "test" else None
    return stored or load_corpus_split(config, split, str(run))


def translate(
    translator: Translator,
    sources: list[str],
    tags: list[str] | None,
    arguments: argparse.Namespace,
) -> list[str]:
    """Translate, with progress and speed on standard error."""
    from mt.decoding.tagged_lines import translate_tagged

    options = search_options(arguments)
    search = "sampling" if options.sample else f"beam {options.width}"
    risk = f", minimum Bayes risk by {options.mbr_metric}" if options.mbr else ""
    say(f"translating {len(sources):,} sentences with {arguments.run}, {search}{risk}")
    translator.counts.clear()  # the report below is on these lines alone
    started = time.perf_counter()
    tags = tags or [translator.tag] * len(sources)
    with Progress("translating", len(sources)) as progress:
        hypotheses = translate_tagged(translator, sources, tags, progress.add, arguments.seed)
    seconds = time.perf_counter() - started
    say(f"translated in {seconds:.1f} s, {len(sources) / seconds:.1f} sentences per second")
    for line in translator.report():
        say(line)
    return hypotheses


def write_files(folder: Path, translations: Translations) -> None:
    """Write sources.txt, hypotheses.txt and references.txt (references.2.txt, ...)."""
    files = {"hypotheses.txt": translations.hypotheses}
    if translations.sources is not None:
        files["sources.txt"] = translations.sources
    for number, lines in enumerate(translations.references, start=1):
        files["references.txt" if number == 1 else f"references.{number}.txt"] = lines
    for name, lines in files.items():
        write_lines(folder / name, lines)
