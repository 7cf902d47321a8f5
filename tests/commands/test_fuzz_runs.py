"""Any damage to any file of a run gives the undamaged result or an error of one line."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import mt
from helpers.fuzzing import fuzz, outcome
from helpers.tiny_models import save_run, sentences
from helpers.training_runs import run_training, write_tiny_run
from mt import compare, evaluate
from mt.arguments.evaluate import parse_arguments
from mt.cli import describe_error
from mt.config.schema import TokenizerConfig
from mt.data.tokenizer import Tokenizer
from mt.errors import MTError
from mt.evaluation.tables import to_dict
from mt.run_folder import RunFolder

MODEL = [
    "model.dim=16", "model.transformer.heads=2", "model.transformer.ff_dim=16",
    "model.transformer.encoder_layers=1", "model.transformer.decoder_layers=1",
    "trainer.val_beam=1", "data.tokenizer.vocab_size=320",
    "data.val.limit=4", "data.test.limit=4",
]  # fmt: skip

OTHER_LINES = sentences(300, seed=1)


@dataclass(repr=False)
class Runs:
    """A finished run, another one of another seed, and the results of the first."""

    run: Path
    other: Path
    overrides: list[str]
    results: dict[str, Any]


def load_and_use(run: Path) -> Any:
    """Translate, and score a pair: scores depend on every weight, and pieces."""
    translator = mt.load(run, device="cpu", precision="fp32")
    return translator.translate(["The cat."], beam=1), translator.score(
        [("The cat.", "Die Katze.")]
    )


def continue_run(run: Path, overrides: list[str]) -> tuple[Any, list[str]]:
    """Train for another step, with errors as mt-train has them; return scores and outputs."""
    try:
        evaluation = run_training([*overrides, f"runs_dir={run.parent}", "trainer.max_steps=2"])
    except OSError as error:
        raise MTError(describe_error(error)) from error
    assert evaluation is not None
    return to_dict(evaluation), RunFolder(run).test_file("hypotheses").read_text().splitlines()


def compare_run(run: Path) -> Any:
    request = compare.parse_arguments([f"runs=[{run}]", f"out={run}.report", "bootstrap=100"])
    results = compare.run(request)
    assert results is not None
    return results.tests


def evaluate_run(run: Path, split: str) -> Any:
    flags = [str(run), "--beam", "1", "--device", "cpu", "--bootstrap", "0", "--split", split]
    return to_dict(evaluate.evaluate(parse_arguments(flags)))


ACTIONS: dict[str, Callable[[Path, list[str]], Any]] = {
    "load": lambda run, _: load_and_use(run),
    "evaluate": lambda run, _: evaluate_run(run, "test"),
    "evaluate, validation set": lambda run, _: evaluate_run(run, "val"),
    "compare": lambda run, _: compare_run(run),
    "continue": continue_run,
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("fuzz")
    overrides = [*write_tiny_run(folder, 60), *MODEL]
    run_training([*overrides, "trainer.max_steps=1"])
    run_training([*overrides, "trainer.max_steps=1", "seed=2", "name=other"])
    run, other = (folder / "runs" / name for name in ("tiny", "other"))
    compare_run(run)  # stores alignments in the run
    results = {}
    for name, action in ACTIONS.items():
        copied = Path(shutil.copytree(run, folder / "copy" / run.name))
        results[name] = action(copied, overrides)
        shutil.rmtree(copied.parent)
    return Runs(run, other, overrides, results)


@dataclass(frozen=True)
class Damage:
    """A damage to the file with a number, modulo the number of files."""

    kind: str
    file: int
    other: int
    positions: tuple[int, ...]
    content: bytes

    def apply(self, run: Path, other: Path, names: list[str]) -> str:
        """Damage a file; return its name."""
        name = names[self.file % len(names)]
        path, second = run / name, run / names[self.other % len(names)]
        content = bytearray(path.read_bytes()) if path.is_file() else bytearray()
        places = [place % max(1, len(content)) for place in self.positions]
        if not os.path.lexists(path):
            return name
        if self.kind == "flip":
            for number, place in enumerate(places[: len(content)]):
                content[place] ^= 1 << number % 8
            new = bytes(content)
        elif self.kind == "truncate":
            new = bytes(content[: places[0]])
        elif self.kind == "insert":
            new = bytes(content[: places[0]]) + self.content + bytes(content[places[0] :])
        elif self.kind == "of the other run" and (other / name).is_file():
            new = (other / name).read_bytes()
        elif self.kind == "another file" and second.is_file():
            new = second.read_bytes()
        else:
            new = self.content
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        if self.kind == "folder":
            path.mkdir()
        elif self.kind == "link":
            path.symlink_to(path.parent / "nowhere")
        elif self.kind == "circular link":
            path.symlink_to(path)
        elif self.kind != "delete":
            path.write_bytes(new)
        return name


KINDS = ["flip", "flip", "truncate", "insert", "of the other run", "another file", "content",
         "folder", "link", "circular link", "delete"]  # fmt: skip
CONTENTS = [b"", b"\0", b"[]", b"{}", b"null", b"a: [", b"\xff\xfe", b"[" * 9999, b"{a: " * 999,
            b'{"starts": 3, "kind": "val", "step": 1}', b"x\n" * 12, b"seed: 3\n"]  # fmt: skip
damages = st.builds(
    Damage,
    st.sampled_from(KINDS),
    st.integers(0, 999),
    st.integers(0, 999),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=4).map(tuple),
    st.one_of(st.sampled_from(CONTENTS), st.binary(max_size=50)),
)


def damaged_copy(run: Path, other: Path, folder: Path, damages: list[Damage]) -> Path:
    """Return a copy of a run in a folder, with damaged files."""
    shutil.rmtree(folder, ignore_errors=True)
    run = Path(shutil.copytree(run, folder / run.name))
    names = sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())
    if any(names[damage.file % len(names)] == "checksums.txt" for damage in damages):
        damages = damages[:1]  # what has no checksum is not known to be damaged
    for damage in damages:
        damage.apply(run, other, names)
    return run


@pytest.mark.slow
@fuzz(15)
@given(st.lists(damages, min_size=1, max_size=2), st.sampled_from(sorted(ACTIONS)))
def test_fuzz_commands_on_damaged_runs_give_the_same_result_or_one_line(
    runs: Runs, damages: list[Damage], action: str
) -> None:
    run = damaged_copy(runs.run, runs.other, runs.run.parent.parent / "damaged", damages)
    messages = io.StringIO()
    with contextlib.redirect_stderr(messages):
        result = outcome(lambda: ACTIONS[action](run, runs.overrides))
    if isinstance(result, MTError):
        assert "Traceback" not in messages.getvalue()
    elif "take their place" not in messages.getvalue():  # a lost model, replaced with a warning
        assert result == runs.results[action]


@pytest.fixture(scope="module")
def models(
    run: Path, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, Any]:
    """Return a run, one with other weights and other pieces, and what the first gives."""
    folder = tmp_path_factory.mktemp("models")
    settings = TokenizerConfig(type="bpe", vocab_size=tokenizer.vocab_size())
    other = Tokenizer.train(lambda: OTHER_LINES, lambda: OTHER_LINES, settings)
    return run, save_run(folder / "other", other, seed=1), load_and_use(run)


def exchange(file: int) -> Damage:
    """Return the damage that only a checksum shows: the file of another run."""
    return Damage("of the other run", file, 0, (0,), b"")


@pytest.mark.medium
@fuzz(40)
@given(st.lists(damages, min_size=1, max_size=2))
@example([exchange(0)])
@example([exchange(1)])
@example([exchange(2)])
@example([exchange(3)])
def test_fuzz_a_damaged_model_gives_the_same_result_or_one_line(
    models: tuple[Path, Path, Any], damages: list[Damage]
) -> None:
    original, other, result = models
    run = damaged_copy(original, other, other.parent / "damaged", damages)
    actual = outcome(lambda: load_and_use(run))
    assert isinstance(actual, MTError) or actual == result
