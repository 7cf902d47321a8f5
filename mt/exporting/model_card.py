"""The model card: README.md of an exported model, filled in from its run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from mt.config.schema import Config, SplitConfig
from mt.data.language_codes import UNKNOWN, language_code
from mt.decoding.load import TrainedModel
from mt.errors import MTError
from mt.evaluation.metrics import METRICS
from mt.exporting.tags import mark_for_hub, needed_tag
from mt.files import write_text

NO_LICENCE = "other"  # until somebody fills it in
FILL_IN = "To be filled in"
USE_WITH_TRANSFORMERS = """\
```python
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("FOLDER-OR-REPOSITORY")
model = AutoModelForSeq2SeqLM.from_pretrained("FOLDER-OR-REPOSITORY")
batch = tokenizer([{example!r}], return_tensors="pt", padding=True)
print(tokenizer.batch_decode(model.generate(**batch), skip_special_tokens=True))
```

With mt: `mt-import FOLDER --out runs/model`, then `mt-translate runs/model < in.txt`."""
USE_WITH_MT = "With mt: `mt-translate FOLDER < in.txt`."


def write_card(folder: Path, run: TrainedModel, layout: str, licence: str) -> None:
    """Write README.md. `layout` is the model_type of transformers, or mt."""
    write_text(folder / "README.md", "\n".join(card_lines(run, layout, licence)) + "\n")


def card_licence(run: TrainedModel, given: str) -> str:
    """Return the licence that is given, or that of weights that were imported and not trained."""
    if run.config.trainer.init_from:
        return given or NO_LICENCE
    return given or run.folder.read_origin().get("license") or NO_LICENCE


def card_lines(run: TrainedModel, layout: str, licence: str) -> Iterator[str]:
    """Yield the lines of the card."""
    config = run.config
    source, target = config.data.languages()
    stated = card_licence(run, licence)
    yield from ("---", *front_matter(run, layout, stated), "---", "")
    yield from (f"# {config.name}: {source} to {target}", "")
    (example,) = mark_for_hub(["A sentence."], [needed_tag(run)], run.tokenizer)
    transformers = USE_WITH_TRANSFORMERS.format(example=example)
    yield from ("## Use", "", USE_WITH_MT if layout == "mt" else transformers, "")
    yield from ("## Licence", "")
    yield f"{stated}." if stated != NO_LICENCE else f"{FILL_IN}: `license` above, and here."
    yield from ("", "## Training text", "", *training_text(run), "")
    yield from ("## Quality", "", *quality(run), "")
    yield from ("## Model and training", "", *settings(run, layout), "")
    yield from ("## Intended use and limits", "")
    yield f"{FILL_IN}: for which text the model is meant, and by whom it was checked."
    yield from ("", *limits(config))


def front_matter(run: TrainedModel, layout: str, licence: str) -> list[str]:
    """Return the lines of the metadata, in YAML: the hub knows languages without script and region.

    Languages that are not known are left out.
    """
    known = [code for code in run.config.data.languages() if code not in UNKNOWN]
    content: dict[str, Any] = {"language": list(dict.fromkeys(map(language_code, known)))}
    content |= {"license": licence, "library_name": "mt" if layout == "mt" else "transformers"}
    content |= {"pipeline_tag": "translation", "tags": ["translation", "mt"]}
    given = {key: value for key, value in content.items() if value}
    text = yaml.safe_dump(given, sort_keys=False, default_flow_style=None, allow_unicode=True)
    return text.splitlines()


def training_text(run: TrainedModel) -> Iterator[str]:
    """Yield what the model was trained on, without the paths of this machine."""
    origin, start = run.folder.read_origin(), run.config.trainer.init_from
    if origin and not start:
        yield f"The weights were imported from {Path(origin['from']).name}; see the card there."
        return
    data = run.config.data
    sources = {data.name: data.train} | dict(data.mix)
    for name, split in sources.items():
        yield f"- {name}: {describe_source(split)}"
    if start:
        yield f"- Training began with the weights of `{Path(start).name}`."
    if origin:
        licence = origin["license"] or "that its card names"
        yield (
            f"- These were imported from {Path(origin['from']).name}, whose licence also holds for "
            f"what is trained from them: {licence}."
        )
    yield ""
    yield f"{FILL_IN}: origin and licence of the text."


def describe_source(split: SplitConfig) -> str:
    """Return the names of the files, data set or generated corpus of a source."""
    if split.hub:
        return f"data set {Path(split.hub).name if Path(split.hub).exists() else split.hub}"
    if split.demo:
        return f"{split.demo:,} pairs of the corpus that comes with mt"
    values = [split.file, split.src, split.tgt]
    files = [each for value in values for each in (value if isinstance(value, list) else [value])]
    return ", ".join(f"`{Path(str(file)).name}`" for file in files if file)


def quality(run: TrainedModel) -> Iterator[str]:
    """Yield the scores on the test set, with intervals and signatures, overall and by length."""
    try:
        scores = run.folder.read_scores()
    except MTError:
        yield f"{FILL_IN}: the model has not been tested."
        return
    yield f"On the run's test set of {scores['sentences']:,} sentences; 95 % bootstrap intervals."
    yield from ("", "| metric | score | interval | signature |", "|---|---|---|---|")
    for score in scores["scores"].values():
        yield (
            f"| {score['name']} | {score['value']:.2f} | {interval(score)} | "
            f"`{score['short_signature']}` |"
        )
    titles = [METRICS[name].title for name in scores["scores"] if name in METRICS]
    unit = f"{scores['length_by']} length in {scores['unit']}"
    yield from (
        "",
        f"| {unit} | sentences | {' | '.join(titles)} |",
        "|---" * (2 + len(titles)) + "|",
    )
    for bucket in scores["buckets"]:
        if bucket["scores"]:
            values = [f"{s['value']:.1f} ({interval(s, 1)})" for s in bucket["scores"].values()]
            yield f"| {bucket['label']} | {bucket['count']:,} | {' | '.join(values)} |"


def interval(score: dict[str, Any], digits: int = 2) -> str:
    """Return the interval of a score as text."""
    low, high = score["ci"] or ("", "")
    return f"{low:.{digits}f} to {high:.{digits}f}" if score["ci"] else "none"


def settings(run: TrainedModel, layout: str) -> Iterator[str]:
    """Yield the size of the model, and how it was trained."""
    config = run.config
    parameters = sum(parameter.numel() for parameter in run.model.parameters())
    families = f"{config.model.encoder} encoder, {config.model.decoder} decoder"
    yield f"- {parameters:,} parameters, {families}, width {config.model.dim}"
    yield f"- Vocabulary: {run.tokenizer.vocab_size():,} {run.tokenizer.kind} pieces"
    yield f"- Format: {'a run directory of mt' if layout == 'mt' else layout + ' of transformers'}"
    cost = run.folder.read_cost() or {}
    if cost.get("steps"):
        optim = config.optim
        yield f"- Training: {cost['steps']:,} steps, {cost['target_tokens']:,} target tokens, "
        yield f"  {optim.optimizer} with learning rate {optim.lr:g}, seed {config.seed}"


def limits(config: Config) -> Iterator[str]:
    """Yield limits that every model has."""
    longest = config.data.max_pieces
    yield "Known limits:"
    yield from ("", f"- Sources of over {longest} pieces must be split, as mt does.")
    yield "- Scores hold for text like that of the test set. On other text they are lower."
    yield "- Translations can be fluent and wrong. Have them checked where errors matter."
