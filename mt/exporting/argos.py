"""Export to a package of Argos Translate: a zip archive with a CTranslate2 model.

The format is that of https://github.com/argosopentech/argos-translate (argostranslate/package.py):
one folder with metadata.json, sentencepiece.model and model/.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path

from mt.data.language_names import language_name
from mt.decoding.load import TrainedModel
from mt.errors import MTError, UsageError
from mt.exporting import ctranslate2
from mt.exporting.folders import locked
from mt.exporting.tags import needed_tag
from mt.files import atomic_write

PACKAGE_VERSION = "1.0"
ARGOS_VERSION = "1.9"  # of Argos Translate, the least that reads the package
# Argos Translate lets CTranslate2 cut longer sentences off; a table of positions must reach so far.
MAX_TOKENS = 1024
README = """\
{from_name} to {to_name}, trained with mt.

    argospm install {file}
    argos-translate --from-lang {from_code} --to-lang {to_code} "A sentence."
"""


def package_name(run: TrainedModel) -> str:
    """Return the name of a package as Argos Translate writes it, such as translate-en_de-1_0."""
    source, target = run.config.data.languages()
    return f"translate-{source}_{target}-{PACKAGE_VERSION.replace('.', '_')}"


def package_obstacles(run: TrainedModel) -> list[str]:
    """Return what a package of Argos Translate cannot hold."""
    obstacles = []
    if len(run.tokenizer.contents) > 1:
        obstacles.append(
            "a package has one SentencePiece model for both languages, but this run has two "
            "(data.tokenizer.joint=false)"
        )
    if run.tokenizer.languages:
        obstacles.append("a package cannot put the language of a multilingual model before sources")
    if needed_tag(run):
        obstacles.append(
            "a package cannot put a tag before sources, but all training text of this run has one "
            "(data.both_directions, data.train.tag)"
        )
    data = run.config.data
    for setting, code in zip(("src_lang", "tgt_lang"), ("src", "tgt"), strict=True):
        if getattr(data, setting) in ("", code):
            obstacles.append(f"a package names its languages, but data.{setting} was not set")
    return obstacles


def write_package(path: Path, run: TrainedModel, quantization: str, longest: int) -> None:
    """Write an .argosmodel file.

    `longest` is the number of rows of position tables, 0 if there are none. Raises UsageError if
    the run cannot be packed, MTError if the file cannot be written or `path` is a folder.
    """
    if path.is_dir():
        raise MTError(f"{path} is a folder: name the file of the package, such as x.argosmodel")
    if obstacles := package_obstacles(run):
        raise UsageError(f"{run.folder} cannot be exported for Argos Translate: {obstacles[0]}")
    codes = run.config.data.languages()
    from_name, to_name = map(language_name, codes)
    metadata = {
        "package_version": PACKAGE_VERSION,
        "argos_version": ARGOS_VERSION,
        "type": "translate",
        "from_code": codes[0],
        "from_name": from_name,
        "to_code": codes[1],
        "to_name": to_name,
    }
    text = README.format(**metadata, file=path.name)
    name = package_name(run)
    with tempfile.TemporaryDirectory() as temporary, locked(path), atomic_write(path) as part:
        model = Path(temporary)
        ctranslate2.write_model(
            model, run.model, run.config.model, run.tokenizer, quantization, longest
        )
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{name}/metadata.json", json.dumps(metadata, indent=1) + "\n")
            archive.writestr(f"{name}/README.md", text)
            archive.writestr(f"{name}/sentencepiece.model", run.tokenizer.contents[0])
            for file in sorted(model.iterdir()):
                archive.write(file, f"{name}/model/{file.name}")
