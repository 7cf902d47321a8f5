"""SentencePiece is trained in a process of its own, which ends with the process that waits."""

from __future__ import annotations

import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mt.config.schema import TokenizerConfig
from mt.data import sentencepiece_process
from mt.data.tokenizer_training import train_sentencepiece
from mt.errors import MTError
from mt.signals import StopSignal, interrupt_on_signals

PROGRAM = sentencepiece_process.__file__


def replace_program(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> None:
    program = folder / "program.py"
    program.write_text(text)
    monkeypatch.setattr(sentencepiece_process, "__file__", str(program))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_the_training(monkeypatch, tmp_path, number):
    waits = f"import time; open({str(tmp_path / 'started')!r}, 'w'); time.sleep(60)"
    replace_program(monkeypatch, tmp_path, waits)

    def interrupt() -> None:
        while not (tmp_path / "started").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    before = time.monotonic()
    # More text than a pipe holds: the program does not read it.
    with pytest.raises(StopSignal), interrupt_on_signals():
        threading.Thread(target=interrupt).start()
        train_sentencepiece(["a" * 1000] * 1000, TokenizerConfig())
    assert time.monotonic() - before < 20


def test_a_killed_training_is_an_error_in_one_line(monkeypatch, tmp_path):
    replace_program(monkeypatch, tmp_path, "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(MTError, match=r"ended with exit code -9 \(out of memory\?\)"):
        train_sentencepiece(["a" * 1000] * 1000, TokenizerConfig())


def test_the_training_ends_when_the_other_process_is_gone():
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdefghijkl", k=draw.randint(2, 9))) for _ in range(30_000)]
    lines = [" ".join(draw.choices(words, k=10)) for _ in range(50_000)]
    with subprocess.Popen(
        [sys.executable, "-P", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        settings = {"model_type": "unigram", "vocab_size": 8000, "minloglevel": 2}
        pickle.dump((lines, settings), process.stdin)
        process.stdin.close()
        assert process.wait(timeout=100) == 1
        assert process.stdout.read() == b""
