"""The display of progress on a terminal, and the plain lines elsewhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from helpers.forks import command
from helpers.terminals import Terminal, terminal
from mt import progress_display
from mt.comparison.planning.progress import RunProgress
from mt.progress_display import LiveLine, Progress, display
from mt.run_folder import RunFolder

BAR = "━"
LINES = 10


def follow(name: str) -> None:
    """Follow a run as mt-compare does."""
    folder = RunFolder.at(Path(name))
    folder.path.mkdir()
    progress = RunProgress(folder, f"[{name}] a model with a name of many words")
    with display.show(progress.line), folder.metrics.open("w") as metrics:
        for step in range(1, 8):
            record = {"kind": "train", "step": step, "loss": 4.5, "tokens_per_second": 1234.5}
            record |= {"minutes": step / 10, "minutes_left": 1.0, "may_end_earlier": True}
            print(json.dumps(record), file=metrics)
            if step == 4:
                validation = {"kind": "val", "step": 4, "bleu": 12.3, "loss": 4.0}
                print(json.dumps(validation), file=metrics)
            metrics.flush()
            progress.update()
            time.sleep(0.15)
        progress.say("finished")


def follow_two() -> None:
    threads = [threading.Thread(target=follow, args=[str(number)]) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def rendered(line: LiveLine, columns: int) -> str:
    console = Console(width=columns, no_color=True)
    with console.capture() as capture:
        console.print(line)
    return capture.get().rstrip()


def bar(done: int, columns: int) -> str:
    """Return a bar as it is without colours, which show the rest of it."""
    return f"{done * BAR:{columns}}"


def shows(*words: str) -> Callable[[list[str]], bool]:
    """Return whether the live lines, which are the last on the screen, hold all these words."""
    return lambda lines: all(word in "\n".join(lines[-3:]) for word in words)


def check_clean(opened: Terminal) -> None:
    """Check that nothing of the live lines is left on the screen, and that the cursor is there."""
    assert not [line for line in opened.lines if BAR in line]
    assert opened.screen.cursor.x == 0 and not opened.screen.cursor.hidden


def test_a_line_shows_what_fits_the_most_important_first() -> None:
    line = LiveLine("translating")
    line.fields = ["10 of 100", "1:30 left", "2.5 per second"]
    assert rendered(line, 80) == "translating  10 of 100  1:30 left  2.5 per second"
    assert rendered(line, 40) == "translating  10 of 100  1:30 left"
    line.share = 0.25
    wide, narrow = rendered(line, 120), rendered(line, 40)
    assert wide == f"translating  {bar(10, 40)}   25%  10 of 100  1:30 left  2.5 per second"
    assert narrow == f"translating  {bar(2, 9)}   25%  10 of 100"
    assert len(rendered(line, 20)) < 20
    line.label = "x" * 100
    assert len(rendered(line, 40)) < 40


@pytest.mark.medium
def test_training_on_a_terminal(tiny_run: Callable[..., list[str]], tmp_path: Path) -> None:
    steps = ["trainer.max_steps=12", "trainer.val_every=6", "trainer.log_every=3"]
    run = [*tiny_run(60), "model/size=tiny", "name=shown", "trainer.test=false", *steps]
    with terminal(command("mt.train", *run), tmp_path) as opened:
        assert opened.finish() == 0
    check_clean(opened)
    live = [screen[-2:] for screen in opened.screens if shows("training", BAR)(screen)]
    assert any("%" in bar and "left" in bar for bar, _ in live)
    assert any(
        details.startswith("step ") and all(name in details for name in ("loss", "tok/s", "epoch"))
        for _, details in live
    )
    assert any("BLEU" in details for _, details in live), "that of the last validation"
    assert any(line.startswith("validation at step 12: BLEU") for line in opened.lines)
    assert not any(line.startswith("step 6 ") for line in opened.lines), "the live line has it"
    log = (tmp_path / "runs" / "shown" / "train.log").read_text(encoding="utf-8")
    assert " step 6  epoch " in log
    assert BAR not in log and "\x1b" not in log


@pytest.mark.medium
def test_a_signal_leaves_the_terminal_clean(
    tiny_run: Callable[..., list[str]], tmp_path: Path
) -> None:
    run = [*tiny_run(60), "model/size=tiny", "trainer.max_steps=100000", "trainer.threads=1"]
    with terminal(command("mt.train", *run), tmp_path) as opened:
        assert opened.read(shows("training", "step ", BAR))
        opened.process.send_signal(signal.SIGINT)
        assert opened.finish() == 128 + signal.SIGINT
    check_clean(opened)
    assert any(line.startswith("stopped by a signal and saved after") for line in opened.lines)


def test_several_runs_have_a_line_each(tmp_path: Path) -> None:
    with terminal(follow_two, tmp_path, columns=60) as opened:
        assert opened.finish() == 0
    check_clean(opened)
    both = [screen[-2:] for screen in opened.screens if shows("[1]", "[2]", BAR)(screen)]
    assert any(all("<" in line or "at most" in line or "%" in line for line in two) for two in both)
    assert all(len(line) < 60 for two in both for line in two if BAR in line)
    messages = [line for line in opened.lines if "validation at step 4" in line]
    assert len(messages) == 2


@pytest.mark.medium
def test_translation_on_a_narrow_terminal(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its output is in the file only, and the line is cut to the width."""
    monkeypatch.setattr(progress_display, "SHOW_SECONDS", 0.0)
    text = tmp_path / "in.txt"
    text.write_text("the cat sees a dog\n" * LINES, encoding="utf-8")
    flags = ["--input", str(text), "--batch-tokens", "64", "--threads", "1"]
    with (
        (tmp_path / "out.txt").open("w") as out,
        terminal(
            command("mt.translate", str(run), *flags), tmp_path, columns=40, stdout=out.fileno()
        ) as opened,
    ):
        assert opened.finish() == 0
    check_clean(opened)
    live = [line for screen in opened.screens for line in screen if line.startswith("translating")]
    assert any("sentences" in line for line in live) and all(len(line) < 40 for line in live)
    assert len((tmp_path / "out.txt").read_text().splitlines()) == LINES


def test_without_a_terminal_rich_is_not_imported(capsys: pytest.CaptureFixture[str]) -> None:
    program = (
        "import sys, mt.progress_display as d\n"
        "with d.Progress('counting', 2) as progress, d.display.show(progress.line):\n"
        "    progress.add()\n"
        "sys.exit('rich' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 0


def test_a_forked_process_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = sys.stderr
    monkeypatch.setattr(display, "stream", stream)
    monkeypatch.setattr(display, "live", object())
    monkeypatch.setattr(sys, "stderr", object())
    child = os.fork()
    if not child:
        os._exit(0 if display.live is None and sys.stderr is stream else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_plain_lines_name_what_is_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Progress("aligning", 100, "pairs aligned") as progress:
        for _ in range(3):
            now[0] += 40
            progress.add(10)
            progress.add(0)
    assert capsys.readouterr().err == "20 pairs aligned, 0.2 per second\n"
