"""The test after training: translate the test set with the best model and score the outputs."""

from __future__ import annotations

import time

from mt.config.schema import Config
from mt.data.links import parse_lines
from mt.data.prepare import PreparedData
from mt.decoding.load import load
from mt.decoding.options import SearchOptions
from mt.decoding.tagged_lines import translate_tagged
from mt.decoding.translator import Translator
from mt.evaluation.evaluation import Evaluation, evaluate_translations
from mt.evaluation.metrics import fast_metrics
from mt.evaluation.tables import text_table, to_dict
from mt.files import write_lines
from mt.inspection.alignment_error import read_and_score_attention
from mt.inspection.inspector import Inspector
from mt.progress_display import Progress
from mt.run_folder import RunFolder
from mt.training.run_log import RunLog
from mt.training.untrained import PROBE_PAIRS, is_untrained


def test_model(
    config: Config, data: PreparedData, folder: RunFolder, log: RunLog
) -> tuple[Evaluation, float]:
    """Translate and score the test set with the best model of a run, and print the scores.

    Writes sources, references, outputs and scores to the run directory. Returns the scores, and the
    seconds that translation took.
    """
    translator = load(
        folder.path,
        config.trainer.device,
        config.trainer.precision,
        workers=0,
        options=SearchOptions(beam=config.trainer.test_beam),
        tag=data.test_tags[0],
    )
    count = choose_test_size(translator, [source for source, _ in data.test_pairs], log)
    test_pairs, annotations = data.test_pairs[:count], data.test_annotations[:count]
    tags = data.test_tags[:count]
    log.say(f"testing on {len(test_pairs):,} pairs with beam {config.trainer.test_beam}")
    sources, references = (list(side) for side in zip(*test_pairs, strict=True))
    start = time.monotonic()
    with Progress("testing", len(sources)) as progress:
        hypotheses = translate_tagged(translator, sources, tags, progress.add)
    seconds = time.monotonic() - start
    log.say(f"translated in {seconds:.1f} s; scoring")
    for line in translator.report():
        log.say(line)
    columns = {"sources": sources, "references": references, "hypotheses": hypotheses}
    if any(tags):
        columns["tags"] = tags
    constructions, alignment = None, None
    if annotations:
        links, names, deciders = (list(column) for column in zip(*annotations, strict=True))
        if any(links):
            columns["links"] = links
            gold_links = parse_lines(links, folder.test_file("links").name)
            inspector = Inspector(translator)
            if inspector.attends:
                log.say("aligning the references")
                alignment = read_and_score_attention(inspector, test_pairs, gold_links, tags)
        if any(names):
            columns["constructions"] = names
            constructions = [line.split() for line in names]
        if any(deciders):
            columns["deciders"] = deciders
    evaluation = evaluate_translations(
        sources,
        hypotheses,
        [references],
        tgt_lang=config.data.languages()[1],
        metrics=fast_metrics(),
        constructions=constructions,
        tags=tags,
        alignment=alignment,
    )
    with folder.checksums.update(folder.scores, *map(folder.test_file, columns)):
        for name, lines in columns.items():
            write_lines(folder.test_file(name), lines)
        folder.write_scores(to_dict(evaluation))
    print(text_table(evaluation), flush=True)
    return evaluation, seconds


def choose_test_size(translator: Translator, sources: list[str], log: RunLog) -> int:
    """Return the number of pairs to test on: all, or the first if the model is not trained.

    That shows in a few greedy translations, spread over the test set, most of which do not end.
    """
    if len(sources) <= PROBE_PAIRS:
        return len(sources)
    size = PROBE_PAIRS // 8
    probe = [sources[len(sources) * i // size] for i in range(size)]
    translator.translate(probe, beam=1)
    endless = translator.counts["cut off"]
    translator.counts.clear()
    if not is_untrained(endless, size):
        return len(sources)
    log.say(
        f"warning: the model is not trained, most of its outputs do not end: testing on the first "
        f"{PROBE_PAIRS} of {len(sources):,} pairs only"
    )
    return PROBE_PAIRS
