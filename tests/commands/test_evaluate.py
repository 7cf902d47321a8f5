"""mt-evaluate: its output, its files and its error messages."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from sacrebleu.metrics import BLEU

from mt.config.schema import Config
from mt.data.noise import MODIFICATIONS
from mt.data.normalisation import Normaliser
from mt.data.symbols import Symbols
from mt.decoding.options import BATCH_TOKENS, SearchOptions
from mt.decoding.text_settings import TextSettings
from mt.evaluate import main
from mt.evaluation.robustness import TITLES
from mt.run_folder import RunFolder

SOURCES = [
    "a small dog runs",
    "the cat sleeps on the old red chair today",
    "no",
    "we see the house near the river",
] * 5
REFERENCES = [
    "ein kleiner Hund läuft",
    "die Katze schläft heute auf dem alten roten Stuhl",
    "nein",
    "wir sehen das Haus am Fluss",
] * 5
HYPOTHESES = [
    "ein kleiner Hund rennt",
    "die Katze schläft auf dem alten Stuhl",
    "nein",
    "wir sehen ein Haus am Fluss",
] * 5


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    texts = {"src": SOURCES, "hyp": HYPOTHESES, "ref": REFERENCES}
    for name, lines in {**texts, "short": REFERENCES[:-1], "empty": []}.items():
        (tmp_path / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    (tmp_path / "ref.gz").write_bytes(gzip.compress((tmp_path / "ref").read_bytes()))
    (tmp_path / "latin").write_bytes("läuft\n".encode("latin-1"))
    return tmp_path


class FakeTranslator:
    """A translator that looks translations up."""

    tokenizer, normaliser, tag = SimpleNamespace(symbols=Symbols()), Normaliser(), ""

    def __init__(self, config: Config) -> None:
        self.counts = Counter[str]()
        self.text_settings = TextSettings(*config.data.languages())

    def with_tag(self, tag: str) -> FakeTranslator:
        assert tag == ""
        return self

    def translate(
        self, lines: list[str], seed: int | None, progress: Callable[[int], None]
    ) -> list[str]:
        known = dict(zip(SOURCES, HYPOTHESES, strict=True))
        progress(len(lines))
        self.counts["some kind"] += len(lines)
        return [known.get(line, line) for line in lines]

    def report(self) -> list[str]:
        return [f"lines of some kind: {self.counts['some kind']}"]


@pytest.fixture
def calls(files: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """A run whose data are the files; the fixture records how its translator is loaded."""
    config, seen = Config(), []
    config.data.tgt_lang = "de"
    config.data.train.src = config.data.val.src = config.data.test.src = "src"
    config.data.train.tgt = config.data.val.tgt = config.data.test.tgt = "ref"
    config.data.val.limit = 3
    monkeypatch.setattr("mt.run_folder.RunFolder.read_config", lambda folder: config)
    monkeypatch.setattr(
        "mt.decoding.load.load",
        lambda *args, **named: (
            seen.append((args, named)) or FakeTranslator(RunFolder.at(args[0]).read_config())
        ),
    )
    return seen


def run(flags: str) -> None:
    main(flags.split())


def error_of(capsys: pytest.CaptureFixture[str], code: int, flags: str) -> str:
    """Run a call that must fail with one line on standard error, and return that line."""
    with pytest.raises(SystemExit) as stopped:
        run(flags)
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert (stopped.value.code, out, len(lines)) == (code, "", 1), err
    assert err.endswith(lines[0] + "\n") and "Traceback" not in err
    return lines[0]


def test_files_of_any_system_are_scored(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = "--bootstrap 200 --edges 2,5 --threshold 5 --json out.json"
    run(f"--hyp hyp --src src --ref ref.gz {flags}")
    out, err = capsys.readouterr()
    expected = BLEU().corpus_score(HYPOTHESES, [REFERENCES]).score
    assert f"BLEU    {expected:7.2f}" in out
    assert "20 sentences" in out and "by source length in words" in out
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line[:1].isdigit()}
    counts = {label: int(rows[label][1]) for label in ("1-2", "3-5", "6+")}
    assert counts == {"1-2": 5, "3-5": 5, "6+": 10}
    assert "scoring" in err and "scoring" not in out
    data = json.loads((files / "out.json").read_text("utf-8"))
    assert data["scores"]["bleu"]["value"] == pytest.approx(expected)
    assert "bs:200" in data["scores"]["bleu"]["signature"]
    assert data["threshold"] == 5 and data["short"]["count"] == 10


def test_lengths_are_by_reference_without_sources_or_on_request(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--hyp hyp --ref ref")
    assert "by reference length" in capsys.readouterr().out
    run("--hyp hyp --src src --ref ref --length-by reference --edges 8")
    out = capsys.readouterr().out
    assert "by reference length" in out
    assert next(line for line in out.splitlines() if line.startswith("9+")).split()[1] == "5"


def test_several_references_and_metric_options_are_applied(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--hyp hyp --ref ref --ref hyp --lowercase --tokenize intl --no-ter --bootstrap 0")
    out = capsys.readouterr().out
    assert "BLEU     100.00" in out and "lower-cased" in out
    assert "BLEU  #:2|c:lc|e:no|tok:intl|s:exp" in out
    assert "tercom" not in out and "interval" not in out


def test_the_target_language_selects_the_tokenizer(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "zh").write_text("我喜欢大猫狗\n", encoding="utf-8")
    run("--hyp zh --ref zh --lang zh")
    assert "tok:zh" in capsys.readouterr().out


def test_a_run_is_scored_on_its_own_test_set(
    calls: list, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("runs/x --bootstrap 0 --write-files out/deep")
    out, err = capsys.readouterr()
    assert f"{BLEU().corpus_score(HYPOTHESES, [REFERENCES]).score:.2f}" in out
    assert (
        "translating 20 sentences" in err
        and "lines of some kind: 20" in err
        and "translat" not in out
    )
    for name, lines in {
        "sources": SOURCES,
        "hypotheses": HYPOTHESES,
        "references": REFERENCES,
    }.items():
        assert (files / "out" / "deep" / f"{name}.txt").read_text("utf-8").split("\n") == [
            *lines,
            "",
        ]
    (arguments, named) = calls[0]
    assert (
        arguments == ("runs/x", "auto")
        and named["options"].beam == 5
        and named["batch_tokens"] == BATCH_TOKENS
        and named["split_sentences"] is None
        and named["src_lang"] == named["tgt_lang"] == ""
    )


def test_a_run_is_scored_on_its_validation_set_with_other_settings(
    calls: list, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    monkeypatch.setattr("torch.set_num_threads", threads.append)
    run(
        "runs/x --split val --beam 2 --no-repeat-ngram 3 --batch-tokens 500 --device cpu "
        "--threads 1 --bootstrap 0 --split-sentences no",
    )
    assert capsys.readouterr().out.startswith("3 sentences")
    (arguments, named) = calls[0]
    assert (
        arguments == ("runs/x", "cpu")
        and named["options"] == SearchOptions(beam=2, no_repeat_ngram=3)
        and named["batch_tokens"] == 500
        and named["split_sentences"] is False
    )
    assert threads == [1]


def test_a_run_is_scored_on_files(
    calls: list, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "two").write_text("a small dog runs\nno\n", encoding="utf-8")
    (files / "zwei").write_text("ein kleiner Hund rennt\nnein\n", encoding="utf-8")
    run("runs/x --src two --ref zwei --bootstrap 0")
    out = capsys.readouterr().out
    assert out.startswith("2 sentences") and "BLEU     100.00" in out


def test_a_reversed_run_is_scored_in_its_own_target_language(
    calls: list, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = Config()
    config.data.src_lang, config.data.tgt_lang, config.data.reverse = "zh", "en", True
    monkeypatch.setattr("mt.run_folder.RunFolder.read_config", lambda folder: config)
    run("runs/x --src src --ref ref --bootstrap 0")
    assert "tok:zh" in capsys.readouterr().out


def test_counts_of_modified_text_are_its_own(
    calls: list[tuple], capsys: pytest.CaptureFixture[str]
) -> None:
    run("run --src src --ref ref --robustness --bootstrap 0")
    out, err = capsys.readouterr()
    assert "robustness: the same text, modified" in out
    assert err.count("lines of some kind: 20\n") == err.count("lines of some kind") == 6
    titles = [line for line in err.splitlines() if line.startswith("robustness: ")]
    assert titles == [f"robustness: {TITLES[name]}" for name in MODIFICATIONS]


def test_files_for_other_metrics_have_one_sentence_per_line(files: Path) -> None:
    (files / "odd").write_text("one\u2028two\x0bthree\nfour\n", encoding="utf-8")
    run("--hyp odd --ref odd --ref odd --bootstrap 0 --write-files out")
    for name in ("hypotheses.txt", "references.txt", "references.2.txt"):
        assert (files / "out" / name).read_text("utf-8").splitlines() == ["one two three", "four"]
    assert not (files / "out" / "sources.txt").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("", "either a run directory or --hyp FILE or --alignments FILE"),
        ("--alignments a --hyp hyp", "either a run directory or --hyp"),
        ("--alignments a", "--alignments needs --links"),
        ("--alignments a --links b --src src", "--src has no use with --alignments"),
        ("--alignments a --links b --beam 2", "--beam has no use with --alignments"),
        ("--alignments a --links b --bootstrap 5", "must be >= 100"),
        ("runs/x --hyp hyp --ref ref", "either a run directory or --hyp"),
        ("--hyp hyp", "--hyp needs --ref"),
        ("--hyp hyp --ref ref --links ref", "--links needs a run"),
        ("runs/x --links ref", "--links needs --src and --ref"),
        ("--hyp hyp --ref ref --diagnostics", "--diagnostics needs a run"),
        ("--hyp hyp --ref ref --beam 3", "--beam needs a run"),
        ("--hyp hyp --ref ref --batch-tokens 3", "--batch-tokens needs a run"),
        ("--hyp hyp --ref ref --length-by source", "needs --src"),
        ("runs/x --src src", "go together"),
        ("runs/x --ref ref", "go together"),
        ("runs/x --src src --ref ref --split val", "--split"),
        ("--hyp hyp --ref ref --mbr 4", "--mbr needs a run"),
        ("--hyp hyp --ref ref --tgt-lang de", "--tgt-lang needs a run"),
        ("runs/x --src-lang fr", "--src-lang and --tgt-lang need --src and --ref"),
        ("runs/x --epsilon 0.02", "only used for sampling"),
        ("runs/x --beam 0", "must be >= 1, got 0"),
        ("--hyp hyp --ref ref --edges 10,x", "--edges"),
        ("--hyp hyp --ref ref --edges 20,10", "ascending, such as 10,20,30, got 20,10"),
        ("--hyp hyp --ref ref --bootstrap 5", "must be >= 100"),
        ("--hyp hyp --ref ref --tokenize moses", "unknown BLEU tokenizer 'moses'"),
        ("--hyp hyp --ref ref --speed", "unrecognized arguments: --speed"),
        ("--hyp hyp --ref short --ref ref --json ./ref", "--json ./ref is the file of --ref"),
    ],
)
def test_contradictory_or_invalid_flags_exit_with_2(
    files: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    assert message in error_of(capsys, 2, arguments)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("--hyp hyp --ref short", "hyp has 20 lines but short has 19"),
        ("--hyp hyp --src short --ref ref", "hyp has 20 lines but short has 19"),
        ("--hyp nowhere --ref ref", "no such file: nowhere"),
        ("--hyp . --ref ref", "folder"),
        ("--hyp latin --ref latin", "latin, line 1: not UTF-8"),
        ("--hyp empty --ref empty", "empty: no lines"),
        ("--hyp hyp --ref ref --json no/such/folder.json", "its folder does not exist"),
        ("--hyp hyp --ref ref --write-files hyp/below", "cannot create the folder hyp/below"),
        ("runs/none", "runs/none"),
    ],
)
def test_unusable_files_exit_with_1(
    files: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    assert message in error_of(capsys, 1, arguments)


def test_source_and_reference_files_must_have_the_same_length(
    calls: list, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "src has 20 lines but short has 19" in error_of(
        capsys, 1, "runs/x --src src --ref short"
    )


def test_an_invalid_setting_is_reported_before_the_translation(
    calls: list, capsys: pytest.CaptureFixture[str]
) -> None:
    error_of(capsys, 2, "runs/x --edges 9,3")
    error_of(capsys, 2, "runs/x --tokenize moses")
    assert not calls


def test_the_table_is_printed_even_if_the_json_file_cannot_be_written(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(f"--hyp hyp --ref ref --bootstrap 0 --json {files}")
    out, err = capsys.readouterr()
    assert stopped.value.code == 1 and "could not save" in err and "BLEU" in out


def test_help_is_printed_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run("--help")
    out, err = capsys.readouterr()
    assert (stopped.value.code, err) == (0, "") and "--threshold" in out
