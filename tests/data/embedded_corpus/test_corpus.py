"""The embedded corpus: reproducible, disjoint splits and one reference for every source."""

from __future__ import annotations

import hashlib
import itertools
import random
import re
import runpy
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest
import sacrebleu

from helpers import ROOT
from helpers.corpus_pairs import SIZES, pairs, short_pairs, split_words
from mt.data import embedded_corpus
from mt.data.annotations import format_deciders
from mt.data.embedded_corpus import LONG_BUCKETS, SPLITS, TEST_BUCKETS, fingerprint, generate
from mt.data.embedded_corpus.grammar import Grammar, Pair
from mt.data.embedded_corpus.lexicon import Lexicon
from mt.data.embedded_corpus.rules import parse_rules
from mt.data.embedded_corpus.tables import FOLDER
from mt.errors import UsageError

# If the corpus is meant to change, replace both by the values in the failed assertion. If only code
# has changed it, raise CODE_VERSION first, so that caches of the old pairs are not used.
DIGEST = "e7f4a83e8d95cc14"
FINGERPRINT = "239a213a3371f960d2808880e945bbc0"


def length(pair: Pair) -> int:
    return len(pair.source.split())


# Reproducibility


def test_the_corpus_is_the_same_everywhere() -> None:
    lines = (
        f"{p.source}\t{p.target}\t{p.pharaoh}\t{' '.join(sorted(p.constructions))}\n"
        for p in generate("train", 1000)
    )
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()[:16]
    assert (digest, fingerprint()) == (DIGEST, FINGERPRINT)


def test_the_fingerprint_follows_words_rules_and_the_version_of_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_corpus, "FOLDER", tmp_path)
    found = set()
    for name, text in (("a.txt", "x"), ("a.txt", "y"), ("a.rules", "x"), ("a.py", "x")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        found.add(fingerprint())
    assert len(found) == 3  # not of code, but of its version
    monkeypatch.setattr(embedded_corpus, "CODE_VERSION", embedded_corpus.CODE_VERSION + 1)
    assert fingerprint() not in found


@pytest.mark.slow
def test_larger_sizes_continue_smaller_ones_and_seeds_differ() -> None:
    for split in SPLITS:
        few = list(generate(split, 8))
        assert few == list(pairs(split)[:8]), split
        assert not {pair.source for pair in few} & {
            pair.source for pair in generate(split, 8, seed=1)
        }, split
    assert list(generate("val", 0)) == []


@pytest.mark.medium
def test_the_core_uses_part_of_the_words() -> None:
    whole, core = (
        {w for pair in found for w in split_words(pair.source)}
        for found in (pairs("train")[:800], generate("train", 800, 0, "core"))
    )
    assert 300 < len(core) < 0.75 * len(whole), (len(core), len(whole))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("dev", 5), "no split 'dev': choose one of train, val, test, long, compose"),
        (("train", -1), "must be >= 0, got -1"),
        (("train", 5, 0, "tiny"), "no subset 'tiny': choose one of full, core"),
    ],
)
def test_bad_calls_say_what_to_do_at_once(arguments: tuple, reason: str) -> None:
    with pytest.raises(UsageError, match=f"embedded corpus .*{reason}"):
        generate(*arguments)


# Splits


def disjoint(splits: dict[tuple[str, int], set[str]]) -> None:
    for (one, first), (other, second) in itertools.combinations(splits.items(), 2):
        if one[0] != other[0]:
            assert not first & second, (one, other, min(first & second))


@pytest.mark.medium
def test_splits_share_no_source_whatever_the_seed() -> None:
    found = {(split, 0): [pair.source for pair in pairs(split)] for split in SPLITS}
    for key, sources in found.items():
        assert len(set(sources)) == len(sources) == SIZES[key[0]], "repeated source"
    found |= {
        (split, 1): [pair.source for pair in pairs(split, 1, 150)]
        for split in ("train", "val", "test")
    }
    disjoint({key: set(sources) for key, sources in found.items()})


@pytest.mark.slow
def test_large_splits_share_no_source() -> None:
    sizes = {"train": 100_000, "val": 4000, "test": 4000, "long": 4000, "compose": 4000}
    disjoint(
        {
            (split, seed): {pair.source for pair in generate(split, size, seed)}
            for split, size in sizes.items()
            for seed in (0, 1)
        }
    )


def test_training_sentences_have_3_to_40_words_and_most_are_short() -> None:
    for split in ("train", "val", "compose"):
        lengths = [length(pair) for pair in pairs(split)]
        assert min(lengths) >= 3 and max(lengths) <= 40
    lengths = [length(pair) for pair in pairs("train")]
    assert (min(lengths), max(lengths)) == (3, 40)
    assert 8 < sum(lengths) / len(lengths) < 13
    buckets = Counter((number - 1) // 10 for number in lengths)
    assert buckets[0] > buckets[1] > buckets[2] > buckets[3] > 0.02 * len(lengths), buckets


@pytest.mark.parametrize(
    ("split", "buckets"),
    [("test", ((3, 10), (11, 20), (21, 30), (31, 40))), ("long", ((41, 60), (61, 80), (81, 120)))],
)
def test_test_splits_have_equally_many_sentences_in_each_length_bucket(
    split: str, buckets: tuple[tuple[int, int], ...]
) -> None:
    assert {"test": TEST_BUCKETS, "long": LONG_BUCKETS}[split] == buckets
    lengths = Counter(length(pair) for pair in pairs(split))
    for low, high in buckets:
        inside = [number for number in lengths.elements() if low <= number <= high]
        assert len(inside) == SIZES[split] / len(buckets)
        # Lengths must not cluster at one end of the bucket.
        assert low + 0.35 * (high - low) < sum(inside) / len(inside) < low + 0.65 * (high - low)


def test_held_out_combinations_are_in_their_own_split() -> None:
    lines = (FOLDER / "rules" / "held-out.txt").read_text("utf-8").splitlines()
    combined = [set(line.split()) for line in lines if line.strip() and not line.startswith("#")]
    assert len(combined) >= 5 and all(len(tags) == 2 for tags in combined)

    def held_out(pair: Pair) -> list[set[str]]:
        return [tags for tags in combined if any(tags <= clause for clause in pair.clauses)]

    assert all(held_out(pair) for pair in pairs("compose"))
    assert not any(
        held_out(pair) for split in ("train", "val", "test", "long") for pair in pairs(split)
    )
    for tags in combined:
        assert sum(tags in held_out(pair) for pair in pairs("compose")) > 0.02 * SIZES["compose"], (
            f"{tags} is not tested"
        )
        for tag in tags:
            assert any(tag in clause for pair in pairs("train") for clause in pair.clauses), (
                f"{tag} alone is not learned"
            )


def test_held_out_combinations_by_their_words() -> None:
    """Surface patterns for two combinations: imperative of give, and question in the passive."""
    patterns = {
        "give!": r"(Give|Show|Lend) (me|us|him|her|them|the|my|our|his|this|these) ",
        "passive?": (
            r"(Am|Is|Are|Was|Were) "
            r"(I|he|she|it|we|they|((the|a|my|our|his|her|their) )?\w+) "
            r"(washed|praised|found|sold|seen)\b"
        ),
    }
    for name, pattern in patterns.items():
        assert not [
            p.source
            for split in ("train", "val", "test", "long")
            for p in pairs(split)
            if re.match(pattern, p.source)
        ], name
    assert any(re.match(patterns["give!"], pair.source) for pair in pairs("compose"))


# One reference


def find_several_references(
    verbs: Iterable[str], seed: int, number: int, longest: float = 5
) -> tuple[int, dict[str, set[str]]]:
    """Return the number of repeated sources, and the sources with several translations."""
    targets_by_source: dict[str, set[str]] = defaultdict(set)
    count = 0
    for pair in short_pairs(verbs, seed, number, longest):
        targets_by_source[pair.source].add(pair.target)
        count += 1
    assert count > 0.7 * number
    several = {source: targets for source, targets in targets_by_source.items() if len(targets) > 1}
    return count - len(targets_by_source), several


# Groups of verbs that take several kinds of complements.
VERSATILE = (
    "cook buy",
    "write send",
    "serve leave",
    "teach pass",
    "play know",
    "ask look",
    "get throw",
    "run return follow",
)


@pytest.mark.parametrize("verbs", VERSATILE)
def test_a_source_has_one_reference(verbs: str) -> None:
    again, different = find_several_references(verbs.split(), seed=0, number=2000)
    assert not different
    assert again > 100, "too few repeated sources for a meaningful test"


@pytest.mark.medium
def test_a_source_has_one_reference_across_splits_and_seeds() -> None:
    known: dict[str, str] = {}
    grammar, rng = Grammar(random.Random(7), Lexicon()), random.Random(8)
    short = (grammar.draw_sentence(3 + 3 * rng.random()) for _ in range(5000))
    for pair in itertools.chain(short, pairs("train"), pairs("train", 1, 150)):
        assert known.setdefault(pair.source, pair.target) == pair.target, pair.source


@pytest.mark.slow
def test_a_source_has_one_reference_in_half_a_million() -> None:
    verbs = sorted({verb.en[0] for verb in Lexicon().verbs})
    random.Random(0).shuffle(verbs)
    groups = [verbs[start : start + 3] for start in range(0, len(verbs), 3)]
    for number, group in enumerate(groups):
        for longest in (5, 8):
            _, different = find_several_references(group, number, 250_000 // len(groups), longest)
            assert not different


# Constructions


def test_every_construction_is_in_one_sentence_of_a_hundred() -> None:
    rules = [
        rule
        for path in (FOLDER / "rules").glob("*.rules")
        for rule in parse_rules(path.read_text("utf-8"))
    ]
    count = Counter(tag for pair in pairs("train") for tag in pair.constructions)
    names = {tag for rule in rules for tag in rule.tags} | {
        tag for split in SPLITS for pair in pairs(split) for tag in pair.constructions
    }
    assert len(names) > 25
    assert not {name: count[name] for name in names if count[name] < 0.01 * SIZES["train"]}


def test_word_by_word_is_not_enough() -> None:
    """Translate each word by its most frequent link, in the order of the source."""
    partners: dict[str, Counter[str]] = defaultdict(Counter)
    for pair in pairs("train"):
        source, target = split_words(pair.source), split_words(pair.target)
        for i, j, _ in pair.links:
            partners[source[i]][target[j]] += 1
    output = [
        " ".join(partners[w].most_common(1)[0][0] for w in split_words(pair.source) if partners[w])
        for pair in pairs("test")
    ]
    reference = [" ".join(split_words(pair.target)) for pair in pairs("test")]
    bleu = sacrebleu.corpus_bleu(output, [reference], lowercase=True).score
    assert 3 < bleu < 30, "below 3 the lookup itself is broken"


# Files


def test_the_script_writes_files_of_text_links_and_constructions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(*arguments: str) -> None:
        monkeypatch.setattr(
            sys, "argv", ["write_embedded_corpus.py", str(tmp_path / "new" / "corpus"), *arguments]
        )
        runpy.run_path(str(ROOT / "scripts" / "write_embedded_corpus.py"), run_name="__main__")

    write("--splits", "val,long", "--size", "20", "--seed", "3", "--subset", "core")
    folder = tmp_path / "new" / "corpus"
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        f"{split}.{kind}"
        for split in ("val", "long")
        for kind in ("en", "de", "links", "labels.tsv")
    )
    for split in ("val", "long"):
        expected = list(generate(split, 20, 3, "core"))
        kinds = [
            (folder / f"{split}.{kind}").read_text("utf-8").splitlines()
            for kind in ("en", "de", "links", "labels.tsv")
        ]
        assert kinds[0] == [pair.source for pair in expected] and kinds[1] == [
            pair.target for pair in expected
        ]
        for pair, links, labels in zip(expected, kinds[2], kinds[3], strict=True):
            sure = [tuple(map(int, link.split("-"))) for link in links.split() if "-" in link]
            possible = [tuple(map(int, link.split("p"))) for link in links.split() if "p" in link]
            assert sorted(
                [(*link, True) for link in sure] + [(*link, False) for link in possible]
            ) == sorted(pair.links)
            number, names, deciders = labels.split("\t")
            assert int(number) == length(pair) and set(names.split()) == pair.constructions
            assert deciders == format_deciders(pair.deciders)
    for wrong in (["--splits", "train,val", "--size", "5"], ["--splits", "dev"], ["--size", "-1"]):
        with pytest.raises(SystemExit):
            write(*wrong)
    assert len(list(folder.iterdir())) == 8, "something was written"
    error = capsys.readouterr().err
    assert "val.en exists" in error and "no split 'dev'" in error and "got -1" in error
