"""Models, runs, references and results that several test files share."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
