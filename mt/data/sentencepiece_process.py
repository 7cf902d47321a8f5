"""A program that trains SentencePiece, from pickled lines and settings to a pickled model or error.

The training runs for minutes without returning to Python, which could not handle a signal in that
time: the process that needs the model waits for this one instead. It imports nothing of mt, so that
it starts fast, and ends when its standard input is closed, as when the other process is killed.
"""

from __future__ import annotations

import io
import os
import pickle
import signal
import sys
import threading

import sentencepiece


def main() -> None:
    """Read lines and settings from standard input, train, and write the result."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the other process as well
    lines, settings = pickle.load(sys.stdin.buffer)
    threading.Thread(target=end_with_input, daemon=True).start()
    model = io.BytesIO()
    result: bytes | str
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=model, **settings
        )
        result = model.getvalue()
    except RuntimeError as error:
        result = str(error)
    pickle.dump(result, sys.stdout.buffer)
    sys.stdout.buffer.flush()
    os._exit(0)  # the thread still waits


def end_with_input() -> None:
    """End this process when standard input ends."""
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main()
