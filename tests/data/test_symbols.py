"""Symbols that stay whole, and placeholders that are numbered and restored."""

from __future__ import annotations

import gzip
import itertools
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.tiny_models import sentences
from mt.config.compose import load_config
from mt.config.placeholders import placeholder_patterns
from mt.config.schema import TokenizerConfig
from mt.data.normalisation import normalise
from mt.data.segmenter import Segmenter
from mt.data.symbols import NUMBERS, Symbols
from mt.data.tags import add_tag
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_settings import cached_settings
from mt.errors import MTError, UsageError
from mt.run_files import SYMBOLS

LITERALS = ["C++", "C", "<br>", '"a,b"', "naïve", "⟨0⟩"]
MATCHES = {
    "url": ["https://de.wikipedia.org/wiki/Köln_(Stadt)?x={id}&y=1#z", "http://a.b/c", "www.x.org"],
    "email": ["a.b+c@d-e.co.uk"],
    "tag": ["<b>", "</b>", "<hr/>", '<a href="x y">', "<!-- a -- b -->"],
    "braces": ["{}", "{0}", "{name!r:>10}", "${x}", "%{n}", "{{ user.name }}"],
    "printf": ["%s", "%1$d", "%(name)s", "%-5.2f", "%%", "%@", "%lld"],
    "role": [":ref:", ":py:func:"],
    "dunder": ["__name__", "__my_name__"],
}
ORDINARY = [
    "a < b and c > d",
    "{a b}",
    "5%ige Lösung",
    "100 % of it",
    "at 12:30:45",
    "a:b:c",
    "snake__case__name",
    "x__y__",
    "me@home",
    "@name",
    "<3",
    "http:",
    "see www. now",
]
ALL_MATCHES = [match for matches in MATCHES.values() for match in matches]
# Words, spaces, symbols, placeholders, and characters that are taken for something by somebody.
PART = st.one_of(
    st.sampled_from(ALL_MATCHES),
    st.sampled_from([*LITERALS, "xC++y", "Cat", " ", "  ", "cat", ". ", "Dogs. ", "▁", "<unk>"]),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=4),
    st.text("\U00100000\U00100001\U0010fffd\ue000\x01\x02\x030", max_size=3),
)
TEXTS = st.lists(PART, max_size=12).map(lambda parts: normalise("".join(parts)))


def train(kind: str, joint: bool) -> Tokenizer:
    config = TokenizerConfig(
        type=kind, max_vocab_size=500, joint=joint, symbols=LITERALS, placeholders=["all"]
    )
    lines = [f"{line} {match}" for line in sentences(300) for match in ("C++", "{0}", "x+y Cat")]
    return Tokenizer.train(lambda: lines, lambda: lines, config)


@pytest.fixture(scope="module", params=[("unigram", True), ("bpe", False)])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return train(*request.param)


@pytest.mark.parametrize("kind", MATCHES)
def test_each_kind_matches_its_examples_whole_and_nothing_else(kind: str) -> None:
    symbols = Symbols(patterns=placeholder_patterns([kind]))
    for match in MATCHES[kind]:
        for text in (match, f"See {match}.", f"({match}), then", f"Über {match} hier"):
            assert symbols.placeholders(text) == [match], text
    for text in ORDINARY:
        assert symbols.placeholders(text) == []


def test_urls_end_before_scripts_without_spaces() -> None:
    symbols = Symbols(patterns=placeholder_patterns(["url"]))
    assert symbols.placeholders("请访问http://a.b/c查看，再见") == ["http://a.b/c"]


def test_matching_takes_linear_time() -> None:
    symbols = Symbols(LITERALS, placeholder_patterns(["all"]))
    for part in ("{", "<a ", "%", "a@", "http://", "__a", ":a", "{{", "<!--", "www.a(", "a.b@c."):
        start = time.process_time()
        symbols.placeholders(part * 10_000)
        assert time.process_time() - start < 5, part


@settings(max_examples=300)
@given(source=TEXTS, target=TEXTS, seed=st.integers(0, 2**40))
def test_any_pair_is_restored_exactly(
    tokenizer: Tokenizer, source: str, target: str, seed: int
) -> None:
    symbols = tokenizer.symbols
    [pair] = tokenizer.encode_pairs([(source, target)])
    contents = symbols.contents(source)
    assert pair.contents == contents
    for text, ids, side in ((source, pair.source, "src"), (target, pair.target, "tgt")):
        # SentencePiece writes U+2581 for a space, except inside of what is copied.
        decoded = tokenizer.decode(ids, side, contents)
        assert decoded.replace("▁", " ") == text.replace("▁", " ")
        marked = symbols.mark_pair(source, target)[side == "tgt"]
        sampled = tokenizer.sample_marked(marked, side, 0.3, seed)
        assert tokenizer.decode(sampled, side, contents) == decoded
    assert tokenizer.encode_many([source, source], "src") == [pair.source, pair.source]
    if "▁" not in source:
        assert tokenizer.decode(tokenizer.encode(source), "src", contents) == source


@settings(max_examples=200)
@given(text=TEXTS)
def test_symbols_are_never_split(tokenizer: Tokenizer, text: str) -> None:
    marked = Symbols(LITERALS).mark(text)
    for pieces in (
        tokenizer.encode_marked([marked], "src")[0],
        tokenizer.sample_marked(marked, "src", 0.2, 1),
    ):
        found = [p for p in tokenizer.pieces(pieces, "src") if p.startswith("\x03")]
        assert [piece.strip("\x03") for piece in found] == marked.split("\x03")[1::2]


def test_pieces_never_cross_a_symbol(tokenizer: Tokenizer) -> None:
    pieces = tokenizer.shown_pieces(tokenizer.encode("xC++yC Cat {0}cat"), "src", ["{0}"])
    assert [p for p in pieces if p in ("C++", "C", "{0}")] == ["C++", "C", "C", "{0}"]
    assert "".join(pieces) == "▁xC++yC▁Cat▁{0}cat"


def test_the_model_cannot_forge_a_placeholder_from_bytes(tokenizer: Tokenizer) -> None:
    bytes_of_mark = [
        tokenizer.models["tgt"].processor.piece_to_id(piece)
        for piece in ("<0x02>", "<0x30>", "<0x02>")
    ]
    [pair] = tokenizer.encode_pairs([("{a}", "{a}")])
    text = tokenizer.decode([*bytes_of_mark, *pair.target], "tgt", ["{a}"])
    assert text == "\x020\x02 {a}" and normalise(text, "none") == "0  {a}"


def test_numbers_without_a_match_in_the_source_are_left_out_and_counted(
    tokenizer: Tokenizer,
) -> None:
    [pair] = tokenizer.encode_pairs([("{a} {b}", "x {b} {a}")])
    assert tokenizer.decode(pair.target, "tgt", ["1"]) == "x  1"
    assert tokenizer.count_unknown(pair.target, ["1"]) == 1
    assert tokenizer.count_unknown(pair.target, ["1", "2"]) == 0


def test_equal_placeholders_share_a_number_and_translations_do_not_depend_on_the_content(
    tokenizer: Tokenizer,
) -> None:
    assert tokenizer.encode("see {a} and {b}") == tokenizer.encode("see {c} and <b>")
    assert tokenizer.encode("see {a} and {b}") != tokenizer.encode("see {a} and {a}")


def test_more_placeholders_than_numbers_stay_text(tokenizer: Tokenizer) -> None:
    text = " ".join(f"{{{i}}}" for i in range(NUMBERS + 5))
    pieces = tokenizer.pieces(tokenizer.encode(text), "src")
    assert sum("\x02" in piece for piece in pieces) == NUMBERS
    contents = tokenizer.symbols.contents(text)
    assert tokenizer.decode(tokenizer.encode(text), "src", contents) == text


def test_training_pairs_number_what_both_sides_have_with_all_numbers_equally() -> None:
    symbols = Symbols(patterns=placeholder_patterns(["braces"]))
    source, target = symbols.mark_training_pair("see {a} {b} {a} {c}", "{c} {a} {d}")
    assert "{b}" in source and "{d}" in target
    numbers = {content: source.split()[place] for content, place in (("a", 1), ("c", 4))}
    assert (
        target.split() == [numbers["c"], numbers["a"], "{d}"]
        and source.split()[3] == (numbers["a"])
    )
    used = Counter(
        symbols.mark_training_pair(f"{line} {{x}}", "{x}")[1] for line in sentences(4000)
    )
    assert len(used) == NUMBERS and min(used.values()) > 0.5 * max(used.values())
    # The content has no influence.
    marked = [symbols.mark_training_pair(f"see {{{x}}}", f"{{{x}}}") for x in "ab"]
    assert marked[0] == marked[1]


def test_subword_sampling_keeps_the_numbers_of_a_pair_together(tokenizer: Tokenizer) -> None:
    segment = Segmenter(tokenizer, 0.2, 1, 0, 200)
    marked = tokenizer.symbols.mark_training_pair("the cat {a} sees C++ <b>", "cat <b> C++")
    for row in range(20):
        pair = segment("the cat {a} sees C++ <b>", "cat <b> C++", row, (100, 100))
        assert tuple(map(tokenizer.decode, pair, ("src", "tgt"))) == marked


@settings(max_examples=300)
@given(text=TEXTS, shares=st.lists(st.floats(0, 1), max_size=5))
def test_hidden_text_can_be_cut_anywhere(
    tokenizer: Tokenizer, text: str, shares: list[float]
) -> None:
    hidden, restore = tokenizer.symbols.hide(text)
    cuts = [0, *sorted(int(share * len(hidden)) for share in shares), len(hidden)]
    parts = [restore(hidden[start:end]) for start, end in itertools.pairwise(cuts)]
    assert "".join(parts) == text
    for match in tokenizer.symbols.placeholders(text):
        assert any(match in part for part in parts)


def test_a_tag_in_front_is_no_placeholder(tokenizer: Tokenizer) -> None:
    text = add_tag("see <news>", "<news>")
    assert tokenizer.symbols.contents(text) == ["<news>"]
    assert tokenizer.symbols.mark(text) == add_tag("see \x020\x02", "<news>")
    assert tokenizer.symbols.mark_pair(text, "<news>")[1] == "\x020\x02"


def test_placeholders_are_counted_by_content() -> None:
    symbols = Symbols(patterns=placeholder_patterns(["braces"]))
    assert symbols.compare("{a} {a} {b}", "{a} {c} x") == (2, 1)
    assert symbols.compare("{a}", "{a}") == (0, 0)


def test_a_pattern_of_the_users_own_comes_first() -> None:
    patterns = placeholder_patterns(["braces", "re:(?i)<[a-z]{3}>|\\d+ mm", "tag"])
    assert Symbols(patterns=patterns).placeholders("<ABC> 12 mm 3 MM {x} <b>") == [
        "<ABC>",
        "12 mm",
        "3 MM",
        "{x}",
        "<b>",
    ]


def test_saved_loaded_and_checked(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    loaded = Tokenizer.load(tmp_path)
    assert loaded.serialized() == tokenizer.serialized()
    assert loaded.encode("C++ {0} x") == tokenizer.encode("C++ {0} x")
    (tmp_path / SYMBOLS).unlink()
    with pytest.raises(MTError, match="its symbols are not those of tokenizer.symbols.json"):
        Tokenizer.load(tmp_path)
    for damage in (
        "",
        "[]",
        '{"symbols": [1], "patterns": []}',
        '{"symbols": [], "patterns": ["("]}',
    ):
        (tmp_path / SYMBOLS).write_text(damage)
        with pytest.raises(MTError, match="cannot use the tokenizer"):
            Tokenizer.load(tmp_path)


def test_a_tokenizer_without_symbols_has_no_other_files_and_the_same_cache_key(
    tmp_path: Path,
) -> None:
    plain = TokenizerConfig(max_vocab_size=300)
    lines = sentences(300)
    tokenizer = Tokenizer.train(lambda: lines, lambda: lines, plain)
    tokenizer.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.model"]
    assert asdict(plain).keys() - cached_settings(plain).keys() == {
        "symbols",
        "placeholders",
        "tags",
        "extend",
    }
    some = TokenizerConfig(placeholders=["url"])
    assert cached_settings(some)["placeholders"] == placeholder_patterns(["url"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("symbols=[a b]", "must have visible characters and no spaces"),
        ("symbols=['']", "must have visible characters and no spaces"),
        ('symbols=["a▁"]', "U\\+2581"),
        ('symbols=["e\u0301"]', "data.clean.unicode=NFC"),
        ("placeholders=[urls]", "did you mean url"),
        ("placeholders=['re:(']", "is no regular expression"),
        ("placeholders=['re:a*']", "must not match an empty text"),
        ("placeholders=['re:(a)\\1']", "name the groups"),
    ],
)
def test_settings_that_cannot_be_are_errors(override: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_config(["data=demo", f"data.tokenizer.{override}"])


@pytest.mark.realdata
def test_placeholders_of_real_text_are_restored(realdata: Path) -> None:
    """Real sentences with real addresses and tags set in come back, whatever the segmentation."""
    sides = []
    for side in ("en", "de"):
        with gzip.open(
            realdata / "multi30k-ende" / f"train.{side}.gz", "rt", encoding="utf-8"
        ) as f:
            lines = [next(f).rstrip("\n") for _ in range(300)]
        words = (line.split(" ") for line in lines)
        sides.append(
            [
                " ".join(
                    [*line[:2], ALL_MATCHES[i % len(ALL_MATCHES)], *line[2:], ALL_MATCHES[-i % 7]]
                )
                for i, line in enumerate(words)
            ]
        )
    config = TokenizerConfig(max_vocab_size=1000, placeholders=["all"], symbols=["C++"])
    tokenizer = Tokenizer.train(lambda: sides[0], lambda: sides[1], config)
    pairs = list(zip(*sides, strict=True))
    for pair, encoded in zip(pairs, tokenizer.encode_pairs(pairs), strict=True):
        for text, ids, side in zip(pair, encoded, ("src", "tgt"), strict=False):
            assert tokenizer.decode(ids, side, encoded.contents) == text
        assert "{" not in "".join(tokenizer.pieces(encoded.target))
        for number in range(2):
            segment = Segmenter(tokenizer, 0.2, 1, number, 300)
            ids = segment(*pair, number, (300, 300))
            assert tuple(map(tokenizer.decode, ids, ("src", "tgt"))) == (
                tokenizer.symbols.mark_training_pair(*pair)
            )
