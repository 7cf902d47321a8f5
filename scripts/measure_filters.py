r"""Plant faults into clean parallel text; count what each cleaning step finds and what it costs.

    D=$MT_REALDATA
    python scripts/measure_filters.py --pairs 10000 \
        --corpus en de $D/multi30k-ende/train.en.gz $D/multi30k-ende/train.de.gz \
        --corpus en de $D/newstest-ende/train.en.gz $D/newstest-ende/train.de.gz \
        --corpus en fr $D/europarl-enfr/train-a.en.gz $D/europarl-enfr/train-a.fr.gz
    python scripts/measure_filters.py --messages my /usr/share/locale/my/LC_MESSAGES/gtk*.mo

Prints two Markdown tables with a column for each corpus. The first has a row for each kind of
fault: the recall of its own step, which is the share of the faulty pairs that it drops, and its
precision, which is the share of faulty pairs among all that it drops from a text in which a tenth
of the pairs have this fault. The second has a row for each step: the share of the pairs as they
are, taken to be good, that it drops. Each kind of fault is planted into a tenth of the pairs, drawn
with a fixed seed; pairs into which it cannot be planted, because they have no number for example,
are left out.
"""

from __future__ import annotations

import argparse
import gettext
import html
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from mt.comparison.table import Table, markdown_table
from mt.config.schema import CleanConfig
from mt.data.cleaning.cleaner import Cleaner
from mt.data.cleaning.corpus_facts import SAMPLE_PAIRS
from mt.data.normalisation import Normaliser, unescape
from mt.data.readers import read_text_pair
from mt.data.scripts import is_unspaced

Pair = tuple[str, str]
SEED = 1
SHARE = 10  # of the pairs, a tenth, that get a fault of one kind
MIN_WORDS = 5  # of a message; shorter ones are labels
GREEK = "αβγδεζηθικλμνξοπρστυφχψω"
OFF = CleanConfig(
    unescape=False,
    max_words=0,
    max_chars=0,
    max_ratio=0,
    max_copied=0,
    max_repeats=0,
    same_markup=False,
    deduplicate=False,
    drop_overlap=False,
)


def plant_other_target(pair: Pair, other: Pair, draw: random.Random) -> Pair | None:
    """Take the target of another pair."""
    return pair[0], other[1]


def parts_of(text: str) -> tuple[list[str], str]:
    """Return the words of a text and a space; in scripts without spaces, characters and ""."""
    return (list(text), "") if is_unspaced(text) else (text.split(), " ")


def plant_cut(pair: Pair, other: Pair, draw: random.Random) -> Pair | None:
    """Leave only the first fifth of the target's words."""
    parts, space = parts_of(pair[1])
    return (pair[0], space.join(parts[: len(parts) // 5])) if len(parts) >= 10 else None


def plant_copy(pair: Pair, other: Pair, draw: random.Random) -> Pair | None:
    """Copy the source."""
    return pair[0], pair[0]


def plant_near_copy(pair: Pair, other: Pair, draw: random.Random) -> Pair | None:
    """Copy the source in capitals and without its last word, but with other punctuation."""
    words = pair[0].upper().rstrip(".!?").split()
    return (pair[0], " ".join(words[:-1]) + " ;") if len(words) >= 10 else None


def plant_loop(pair: Pair, other: Pair, draw: random.Random) -> Pair | None:
    """Repeat one to three words of the target eight times; without spaces, 2 to 20 characters."""
    parts, space = parts_of(pair[1])
    length = draw.randint(1, 3) if space else draw.randint(2, 20)
    if len(parts) < length:
        return None
    start = draw.randrange(len(parts) - length + 1)
    loop = parts[start : start + length] * 8
    return pair[0], space.join([*parts[:start], *loop, *parts[start + length :]])


def plant_tags(pair: Pair, other: Pair, draw: random.Random) -> Pair | None:
    """Put the target into tags."""
    return pair[0], f'<p class="text">{pair[1]}</p>'


def plant_address(pair: Pair, other: Pair, draw: random.Random) -> Pair | None:
    """Add a web address to the source."""
    return f"{pair[0]} http://www.example.com/{draw.randrange(1000)}", pair[1]


def plant_number(pair: Pair, other: Pair, draw: random.Random) -> Pair | None:
    """Replace the last number of at least two digits in the target by another."""
    words = pair[1].split()
    for index in range(len(words) - 1, -1, -1):
        if words[index].isdecimal() and len(words[index]) >= 2:
            length = len(words[index])
            words[index] = str(draw.randrange(10 ** (length - 1), 10**length))
            return pair[0], " ".join(words)
    return None


def plant_script(pair: Pair, other: Pair, draw: random.Random) -> Pair | None:
    """Write the target in Greek letters."""
    letters = (GREEK[ord(each) % len(GREEK)] if each.isalpha() else each for each in pair[1])
    return pair[0], "".join(letters)


def plant_language(pair: Pair, other: Pair, draw: random.Random) -> Pair | None:
    """Take the source of another pair as the target: the wrong language."""
    return pair[0], other[0]


def plant_long(pair: Pair, other: Pair, draw: random.Random) -> Pair | None:
    """Join both sides with themselves, as if a document were a sentence."""
    return " ".join([pair[0]] * 100), " ".join([pair[1]] * 100)


def plant_duplicate(pair: Pair, other: Pair, draw: random.Random) -> Pair | None:
    """Repeat a pair as it is."""
    return pair


def plant_near_duplicate(pair: Pair, other: Pair, draw: random.Random) -> Pair | None:
    """Repeat a pair with other case and punctuation."""
    return pair[0].upper().rstrip(".") + "!", pair[1].rstrip(".") + " !"


Plant = Callable[[Pair, Pair, random.Random], Pair | None]
# Fault -> how to plant it, and the step that should find it
FAULTS: dict[str, tuple[Plant, str]] = {
    "far too long": (plant_long, "too long"),
    "target of another pair": (plant_other_target, "ratio"),
    "target cut to a fifth": (plant_cut, "ratio"),
    "source copied": (plant_copy, "copy"),
    "source nearly copied": (plant_near_copy, "copy"),
    "loop in the target": (plant_loop, "repetition"),
    "tags in the target": (plant_tags, "mark-up"),
    "web address in the source": (plant_address, "mark-up"),
    "another number": (plant_number, "numbers"),
    "target in another script": (plant_script, "script"),
    "target in the source language": (plant_language, "language"),
    "pair repeated": (plant_duplicate, "duplicate"),
    "pair repeated with other case": (plant_near_duplicate, "near-duplicate"),
}
# Step -> the settings that switch it on, as by default or as docs/cleaning.md recommends
STEPS: dict[str, dict[str, Any]] = {
    "too long": {"max_words": 250, "max_chars": 2500},
    "ratio": {"max_ratio": 4.0},
    "copy": {"max_copied": 0.9},
    "repetition": {"max_repeats": 4},
    "mark-up": {"same_markup": True},
    "script": {"min_script": 0.4},
    "numbers": {"min_numbers": 0.9},
    "language": {"max_foreign": 10},
    "duplicate": {"deduplicate": True},
    "near-duplicate": {"near_duplicates": True},
}


class Measurement:
    """Cleaners with one step each and one with the default settings, on one corpus.

    Each has read the pairs as they are.
    """

    def __init__(self, languages: tuple[str, str], pairs: Sequence[Pair]) -> None:
        self.pairs = pairs
        settings = {step: replace(OFF, **values) for step, values in STEPS.items()}
        settings["all defaults"] = CleanConfig()
        sample = pairs[:SAMPLE_PAIRS]
        self.cleaners = {
            name: Cleaner(config, sample=sample, languages=languages)
            for name, config in settings.items()
        }
        self.costs = {name: self._dropped(name, pairs) for name in settings}

    def _dropped(self, name: str, pairs: Sequence[Pair]) -> float:
        """Return the share of the pairs that a cleaner drops, in percent."""
        return 100 * (1 - sum(1 for _ in self.cleaners[name](pairs)) / max(1, len(pairs)))

    def faulty_pairs(self, plant: Plant) -> list[Pair]:
        """Plant a fault into a tenth of the pairs."""
        draw = random.Random(SEED)
        rows = draw.sample(range(len(self.pairs)), len(self.pairs) // SHARE)
        planted = (plant(self.pairs[row], self.pairs[row - 1], draw) for row in rows)
        return [pair for pair in planted if pair]

    def found(self, plant: Plant, step: str) -> str:
        """Return the recall and the precision of a step for a kind of fault, in percent."""
        faulty = self.faulty_pairs(plant)
        if not faulty:
            return "none"
        recall = self._dropped(step, faulty)
        dropped = recall + (SHARE - 1) * self.costs[step]
        precision = f"{100 * recall / dropped:.0f}" if dropped else "-"
        return f"{recall:.0f} / {precision}"

    def restored(self) -> str:
        """Return the percentage of twice escaped texts that normalisation restores."""
        normalise = Normaliser(unescapes=True)
        texts = [normalise(text) for pair in self.pairs for text in pair]
        texts = [text for text in texts if set(text) & set("&<>'\"")]
        equal = sum(normalise(html.escape(html.escape(text))) == text for text in texts)
        return f"{100 * equal / len(texts):.0f} of {len(texts):,}" if texts else "none"

    def changed(self) -> str:
        """Return the percentage of the pairs as they are that `unescape` changes."""
        changed = sum(unescape(text) != text for pair in self.pairs for text in pair)
        return f"{50 * changed / len(self.pairs):.2f}"


def read_messages(catalogues: Sequence[str]) -> list[Pair]:
    """Read English messages and their translations from compiled catalogues of gettext (.mo).

    Labels, messages of several lines, and those whose translation is the message are left out.
    """
    pairs: dict[Pair, None] = {}
    for path in catalogues:
        with open(path, "rb") as stream:
            messages = vars(gettext.GNUTranslations(stream))["_catalog"]
        for key, translation in messages.items():
            if isinstance(key, str):  # else it is a plural
                message = key.rpartition("\x04")[2]  # what precedes is its context
                if len(message.split()) >= MIN_WORDS and "\n" not in message + translation:
                    pairs[message, translation] = None
    return [pair for pair in sorted(pairs) if pair[0].strip() != pair[1].strip()]


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = partial(parser.add_argument, action="append", default=[])
    add("--corpus", nargs=4, metavar=("SRC_LANG", "TGT_LANG", "SRC", "TGT"))
    add(
        "--messages",
        nargs="+",
        metavar=("TGT_LANG", "CATALOGUE"),
        help="translations of the English messages of a program (.mo)",
    )
    parser.add_argument("--pairs", type=int, default=30_000, help="of each corpus, from its start")
    given = parser.parse_args(arguments)
    if not given.corpus and not given.messages:
        parser.error("give text by --corpus or --messages")
    return given


def main(arguments: Sequence[str]) -> None:
    """Measure all corpora and print the tables."""
    given = parse(arguments)
    corpora: list[tuple[str, tuple[str, str], Iterable[Pair]]] = [
        (Path(source).parent.name, (src_lang, tgt_lang), read_text_pair(Path(source), Path(target)))
        for src_lang, tgt_lang, source, target in given.corpus
    ]
    corpora += [
        (f"messages en-{language}", ("en", language), read_messages(catalogues))
        for language, *catalogues in given.messages
    ]
    names, measurements = [], []
    for name, languages, stream in corpora:
        pairs = [pair for pair in islice(stream, given.pairs) if all(map(str.strip, pair))]
        names.append(f"{name}, {len(pairs):,} pairs")
        measurements.append(Measurement(languages, pairs))
        print(f"measured {names[-1]}", file=sys.stderr)
    found = [
        [fault, step, *(each.found(plant, step) for each in measurements)]
        for fault, (plant, step) in FAULTS.items()
    ]
    found.append(["escaped twice: restored", "", *(each.restored() for each in measurements)])
    costs = [
        [step, *(f"{each.costs[step]:.2f}" for each in measurements)]
        for step in measurements[0].costs
    ]
    costs.append(["sides changed by unescape", *(each.changed() for each in measurements)])
    print(markdown_table(Table(["fault planted", "step", *names], found, text_columns=2)))
    print()
    print(markdown_table(Table(["step", *names], costs)))


if __name__ == "__main__":
    main(sys.argv[1:])
