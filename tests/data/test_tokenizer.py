"""Lossless tokenization, reproducible training and sampling, and errors."""

from __future__ import annotations

import gzip
import io
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mt.config.schema import TokenizerConfig
from mt.data.normalisation import normalise
from mt.data.sampling import SPACE
from mt.data.segmenter import Segmenter
from mt.data.sentencepiece_model import threads
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_training import VocabularyTooLarge, reservoir_sample, train_sentencepiece
from mt.data.vocabulary import BOS, EOS, PAD, UNK
from mt.errors import MTError

STEMS = [
    "see",
    "hear",
    "find",
    "lose",
    "read",
    "write",
    "open",
    "close",
    "carry",
    "bring",
    "watch",
    "follow",
    "answer",
    "question",
    "letter",
    "garden",
]
LINES = [
    f"we {a}{suffix} the {b}s, and  they {b}ed {a}ing"
    for a in STEMS
    for b in STEMS
    for suffix in ("", "er", "able")
]
TARGET = [line.upper().replace("E", "É") for line in LINES]
KINDS = ("unigram", "bpe")
# SentencePiece writes U+2581 for a space; surrogates are not text.
TEXT = st.text(st.characters(exclude_characters=SPACE, exclude_categories=("Cs",)))


def config(kind: str = "unigram", **changes: object) -> TokenizerConfig:
    return TokenizerConfig(**{"type": kind, "vocab_size": 320, **changes})


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return Tokenizer(train_sentencepiece(LINES, config(request.param)))


@settings(max_examples=300)
@given(text=TEXT, seed=st.integers(0, 2**64))
@example(text="\x030\x03", seed=0)  # looks like a placeholder, see mt/data/symbols.py
def test_any_text_round_trips(tokenizer: Tokenizer, text: str, seed: int) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.decode(tokenizer.sample(text, "src", 0.3, seed)) == text


DIFFICULT = [
    "",
    " ",
    "  a  b  ",
    "a\0b",
    "a\nb\r\n",
    "\t",
    "\u3000ﬁ\u00a0",
    "👩\u200d👧 😀",
    "<s></s><unk><pad><0x41>",
    "⁇",
    "\u2585",
]


@pytest.mark.parametrize("text", DIFFICULT)
def test_difficult_text_round_trips(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert not {PAD, UNK, BOS, EOS} & set(tokenizer.encode(text))


def test_u2581_becomes_a_space_and_surrogates_are_errors(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("a▁b")) == "a b"
    with pytest.raises((RuntimeError, TypeError)):
        tokenizer.encode("a\ud800b")
    assert tokenizer.decode(tokenizer.encode(normalise("a\ud800b"))) == "a\ufffdb"


def test_batch_encoding_equals_single_encoding_and_specials_have_no_text(
    tokenizer: Tokenizer,
) -> None:
    texts = ["", *LINES[:20], " ¿? "]
    many = tokenizer.encode_many(texts)
    assert many == [tokenizer.encode(text) for text in texts]
    assert tokenizer.decode_many([[BOS, *ids, EOS, PAD] for ids in many]) == texts
    assert tokenizer.encode_many([]) == tokenizer.decode_many([]) == []
    assert "".join(tokenizer.pieces(tokenizer.encode("we see"))) == "▁we▁see"


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_reproducible(kind: str) -> None:
    first = train_sentencepiece(LINES, config(kind))
    assert train_sentencepiece(LINES, config(kind)) == first
    assert train_sentencepiece(LINES[1:], config(kind)) != first
    assert Tokenizer(first).kind == kind


def test_actors_of_ray_and_single_texts_get_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert (threads(["a"]), threads(["a", "b"])) == (1, -1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as Ray does for an actor with one core
    assert threads(["a", "b"]) == 1


def test_joint_or_separate_saved_and_loaded(tmp_path: Path) -> None:
    for joint, names in (
        (True, ["tokenizer.model"]),
        (False, ["tokenizer.src.model", "tokenizer.tgt.model"]),
    ):
        folder = tmp_path / str(joint)
        folder.mkdir()
        trained = Tokenizer.train(lambda: LINES, lambda: TARGET, config(joint=joint))
        trained.save(folder)
        assert sorted(path.name for path in folder.iterdir()) == names
        loaded = Tokenizer.load(folder)
        assert loaded.joint == joint and loaded.serialized() == trained.serialized()
        assert loaded.vocab_size("src") == loaded.vocab_size("tgt") == 320
        assert (loaded.encode(LINES[0], "src") == loaded.encode(LINES[0], "tgt")) == joint
        assert loaded.decode(loaded.encode(TARGET[0], "tgt"), "tgt") == TARGET[0]
        # A vocabulary trained on the text needs few pieces for it.
        assert len(loaded.encode(TARGET[0], "tgt")) < len(TARGET[0])


def test_the_tokenizer_saved_last_is_loaded(tmp_path: Path) -> None:
    for joint in (True, False, True):
        Tokenizer.train(lambda: LINES, lambda: TARGET, config(joint=joint)).save(tmp_path)
        assert Tokenizer.load(tmp_path).joint == joint


def test_a_missing_foreign_or_damaged_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MTError, match="no tokenizer.model"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(b"nonsense")
    with pytest.raises(MTError, match="not a SentencePiece model"):
        Tokenizer.load(tmp_path)
    foreign = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES), model_writer=foreign, vocab_size=40, minloglevel=2
    )
    (tmp_path / "tokenizer.model").write_bytes(foreign.getvalue())
    with pytest.raises(MTError, match="ids of pad, unk, bos and eos must be"):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_impossible_vocabulary_says_what_is_possible(kind: str) -> None:
    with pytest.raises(VocabularyTooLarge, match=r"=8000: it supports at most \d+ pieces") as error:
        train_sentencepiece(LINES, config(kind, vocab_size=8000))
    largest = error.value.largest
    assert (
        Tokenizer(train_sentencepiece(LINES, config(kind, vocab_size=largest))).vocab_size()
        == largest
    )
    for size in (1, 4, 200, 259):
        with pytest.raises(MTError, match=f"vocabulary of {size} pieces has no room .* or more"):
            train_sentencepiece(LINES, config(kind, vocab_size=size))
    with pytest.raises(MTError, match="no text"):
        train_sentencepiece(["", ""], config(kind))


def test_long_lines_are_not_dropped_from_training() -> None:
    """Letters that occur only in a line over the default limit (4,192 bytes) must get pieces."""
    tokenizer = Tokenizer(
        train_sentencepiece([*LINES, "ωμέγα " * 500], config(character_coverage=1.0))
    )
    assert all(
        piece.startswith(SPACE) or len(piece) < 6
        for piece in tokenizer.pieces(tokenizer.encode("ωμέγα"))
    )
    assert not any(piece.startswith("<0x") for piece in tokenizer.pieces(tokenizer.encode("ωμέγα")))


def test_reservoir_is_a_uniform_sample() -> None:
    assert reservoir_sample(map(str, range(5)), 10, seed=1) == list("01234")
    counts = Counter(
        line for seed in range(3000) for line in reservoir_sample(map(str, range(10)), 3, seed)
    )
    assert (
        all(abs(count - 900) < 5 * math.sqrt(900 * 0.7) for count in counts.values())
        and len(counts) == 10
    )


def segmentations(vocabulary: dict[str, float], word: str) -> list[tuple[list[str], float]]:
    """Enumerate all segmentations of a word with their log probabilities."""
    if not word:
        return [([], 0.0)]
    return [
        ([word[:end], *rest], vocabulary[word[:end]] + score)
        for end in range(1, len(word) + 1)
        if word[:end] in vocabulary
        for rest, score in segmentations(vocabulary, word[end:])
    ]


def test_unigram_sampling_has_the_distribution_of_the_paper() -> None:
    tokenizer = Tokenizer(train_sentencepiece(LINES, config()))
    model, alpha, draws = tokenizer.models["src"].processor, 0.4, 4000
    vocabulary = {model.id_to_piece(i): model.get_score(i) for i in range(260, len(model))}
    ways = segmentations(vocabulary, "▁letters")
    total = sum(math.exp(alpha * score) for _, score in ways)
    drawn = Counter(
        tuple(tokenizer.pieces(tokenizer.sample("letters", "src", alpha, seed)))
        for seed in range(draws)
    )
    assert len(ways) > 4 and set(drawn) <= {tuple(way) for way, _ in ways}
    for way, score in ways:
        share = math.exp(alpha * score) / total
        assert abs(drawn[tuple(way)] - draws * share) < 5 * math.sqrt(draws * share) + 1


def test_sampling_without_randomness_is_the_usual_segmentation(tokenizer: Tokenizer) -> None:
    certain = 1e9 if tokenizer.kind == "unigram" else 1e-12
    for text in [*LINES[:200], "  Ünïcode  日本語 two  spaces ", "a▁b"]:
        assert tokenizer.sample(text, "src", certain, 1) == tokenizer.encode(text)


def test_bpe_dropout_of_all_merges_leaves_characters() -> None:
    tokenizer = Tokenizer(train_sentencepiece(LINES, config("bpe")))
    assert tokenizer.pieces(tokenizer.sample("we see", "src", 1.0, 1)) == list("▁we▁see")


def test_segmenter_varies_by_epoch_row_and_side_and_keeps_the_limits(tokenizer: Tokenizer) -> None:
    def draw(
        epoch: int,
        row: int = 7,
        side: str = "src",
        seed: int = 1,
        longest: int = 999,
        max_pieces: int = 999,
    ) -> list[int]:
        segment = Segmenter(tokenizer, 0.2, seed, epoch, max_pieces)
        return segment(LINES[0], LINES[0], row, (longest, longest))[side == "tgt"]

    assert draw(0) == draw(0)
    # Some samples may agree by chance, but not most.
    for varied in (
        [draw(e) for e in range(20)],
        [draw(0, row=r) for r in range(20)],
        [draw(0, seed=s) for s in range(20)],
    ):
        assert len({tuple(ids) for ids in varied}) > 5
    assert [draw(e) for e in range(20)] != [draw(e, side="tgt") for e in range(20)]
    usual = tokenizer.encode(LINES[0])
    assert draw(0, longest=len(usual) - 1) == draw(0, max_pieces=len(usual) - 1) == usual


SCRIPT = """
import sys
from mt.data.tokenizer import Tokenizer
tokenizer = Tokenizer(open(sys.argv[1], "rb").read())
text = "we carried the letters over the mountain"
print([tokenizer.sample(text, "src", 0.2, seed) for seed in range(5)])
"""


def test_sampling_is_the_same_in_another_process(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """The sampling of SentencePiece itself does not: its generator is seeded per process."""
    path = tmp_path / "tokenizer.model"
    path.write_bytes(tokenizer.serialized()[0])
    printed = subprocess.run(
        [sys.executable, "-c", SCRIPT, path], capture_output=True, text=True, check=True
    ).stdout
    here = [
        tokenizer.sample("we carried the letters over the mountain", "src", 0.2, seed)
        for seed in range(5)
    ]
    assert printed.strip() == str(here) and len({str(ids) for ids in here}) > 1


@pytest.mark.realdata
def test_real_text_round_trips(realdata: Path) -> None:
    with gzip.open(realdata / "multi30k-ende" / "train.de.gz", "rt", encoding="utf-8") as file:
        lines = [next(file).rstrip("\n") for _ in range(2000)]
    tokenizer = Tokenizer(train_sentencepiece(lines[:1000], config(vocab_size=1000)))
    assert tokenizer.decode_many(tokenizer.encode_many(lines)) == lines
