"""The names of the files of a run directory, which no other module knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# SentencePiece models: one for both sides, or one for each.
TOKENIZERS = (("tokenizer.model",), ("tokenizer.src.model", "tokenizer.tgt.model"))
# Vocabularies of a pretrained model, whose ids are not those of its SentencePiece models.
VOCABULARIES = (("vocabulary.json",), ("vocabulary.src.json", "vocabulary.tgt.json"))
SYMBOLS = "tokenizer.symbols.json"  # only if there are symbols or placeholders
LANGUAGES = "tokenizer.languages.json"  # only of a multilingual vocabulary
# Names of the text files of the test after training, which have the same number of lines.
TEST_FILES = ("sources", "references", "hypotheses", "links", "constructions", "deciders", "tags")
TRAINING_TEXT = "training_text.json"  # see `mt.data.training_text`
PARTS = "parts"  # fact of a checkpoint: the folder beside it with the rows of each rank
WORD_COUNTS = {"src": "words.src.json", "tgt": "words.tgt.json"}


@dataclass(frozen=True)
class RunFiles:
    """Paths of the files of a run."""

    path: Path

    @property
    def config(self) -> Path:
        """All settings, with interpolations resolved."""
        return self.path / "config.yaml"

    @property
    def model(self) -> Path:
        """The weights of the best validation (their moving average, unless optim.ema=0)."""
        return self.path / "model.safetensors"

    def kept_model(self, step: int) -> Path:
        """Return the path of the model of a validation, which trainer.keep keeps."""
        return self.path / "kept" / f"step-{step}.safetensors"

    def kept_models(self) -> dict[int, Path]:
        """Return the kept models by their step."""
        paths = (self.path / "kept").glob("step-*.safetensors")
        steps = {path.stem.removeprefix("step-"): path for path in paths}
        return {int(step): path for step, path in steps.items() if step.isdecimal()}

    @property
    def checkpoint(self) -> Path:
        """The last checkpoint, from which training resumes."""
        return self.path / "last" / "checkpoint.safetensors"

    @property
    def checkpoint_parts(self) -> tuple[Path, Path]:
        """Two folders for the rows of sharded training; the last checkpoint names one."""
        folder = self.checkpoint.parent
        return folder / "parts-0", folder / "parts-1"

    @property
    def metrics(self) -> Path:
        """Metrics as JSON lines, one object for each progress line and validation."""
        return self.path / "metrics.jsonl"

    @property
    def log(self) -> Path:
        """The messages of mt-train, with the time."""
        return self.path / "train.log"

    @property
    def tensorboard(self) -> Path:
        """The directory of TensorBoard events."""
        return self.path / "tensorboard"

    @property
    def trackers(self) -> Path:
        """The identity of the run at each service of trainer.report_to."""
        return self.path / "trackers.json"

    @property
    def environment(self) -> Path:
        """Software versions, hardware and command of each start."""
        return self.path / "environment.json"

    @property
    def lock(self) -> Path:
        """The lock file that a process holds while it trains the run."""
        return self.path / ".lock"

    @property
    def cost(self) -> Path:
        """The cost of training and test, the last file that mt-train writes."""
        return self.path / "cost.json"

    @property
    def origin(self) -> Path:
        """The origin of the weights of an imported model, with their licence."""
        return self.path / "origin.json"

    @property
    def languages(self) -> Path:
        """The languages of a multilingual vocabulary; other runs do not have this file."""
        return self.path / LANGUAGES

    @property
    def scores(self) -> Path:
        """The test scores after training."""
        return self.path / "test.json"

    @property
    def extra_tests(self) -> Path:
        """The directory of translations and alignments of additional test sets (mt-compare)."""
        return self.path / "tests"

    @property
    def exports(self) -> Path:
        """The default output directory of mt-export."""
        return self.path / "export"

    def test_file(self, name: str) -> Path:
        """Return the path of a text file of the test, line by line.

        `name` is one of TEST_FILES.
        """
        return self.path / f"test.{name}.txt"
