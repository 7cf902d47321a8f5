"""Results of a comparison made up for tests of reports: planted numbers, of the form of results.json version 2."""

from __future__ import annotations

import random
from typing import Any

LABELS = (("1-10", 210), ("11-20", 320), ("21-30", 180), ("31-40", 61), ("41-50", 14))
SOURCES = (
    "The cat that slept saw the old dog .",
    "We bought bread because it was late .",
    "I know that she reads .",
)
REFERENCES = (
    "Die Katze , die schlief , sah den alten Hund .",
    "Wir kauften Brot , weil es spät war .",
    "Ich weiß , dass sie liest .",
)
EVIL = "</script><script>alert(1)</script>"


SYSTEMS = ("none", "bahdanau", "luong", "transformer")


def results(
    systems: tuple[str, ...] = SYSTEMS, seeds: int = 3, tests: tuple[str, ...] = ("test", "long")
) -> dict[str, Any]:
    """Each system 6 BLEU above the one before it, the first the baseline, all of them worse on long sentences."""
    return {
        "version": 2,
        "title": "Which attention?",
        "question": "Does attention help, and most on long sentences?",
        "made": {
            "command": ["mt-compare", "compare=default", "runs_dir=my runs"],
            "date": "2026-01-02 03:04 UTC",
            "versions": {"mt": "0.1.0", "torch": "2.11.0", "python": "3.12.1"},
            "commit": "0123abc",
            "hardware": {"device": "cpu", "cpus": 2, "platform": "Linux"},
            "budget": "4 minutes a run",
            "match_parameters": ["bahdanau: model.rnn.hidden=256, -0.8 %"],
        },
        "baseline": systems[0],
        "lang": "de",
        "bootstrap": 1000,
        "notes": ["BLEU tokenises by 13a"],
        "signatures": {
            "bleu": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.5.1",
            "chrf": "nrefs:1|case:mixed|eff:yes|nc:6",
        },
        "systems": [_system(name, at, seeds) for at, name in enumerate(systems)],
        "failed": [
            {
                "system": systems[-1],
                "seed": 9,
                "path": "runs/compare/x-9",
                "reason": "the loss is not a number",
            }
        ],
        "tests": [_test(name, systems, seeds) for name in tests],
        "words": [_words(name, at) for at, name in enumerate(systems)],
        "attention": [_attention(name, at) for at, name in enumerate(systems)],
        "sentences": [_sentence(at, systems) for at in range(9)],
    }


def _system(name: str, at: int, seeds: int) -> dict[str, Any]:
    def run(seed: int) -> dict[str, Any]:
        curve = [
            {
                "step": 50 * i,
                "minutes": 0.2 * i,
                "target_tokens": 40_000 * i,
                "bleu": (20 + 6 * at) * i / (i + 4) + seed * 0.3,
            }
            for i in range(1, 21)
        ]
        reaches = {
            goal: next((c["minutes"] for c in curve if c["bleu"] >= float(goal)), None)
            for goal in ("10", "20", "30")
        }
        cost = {
            "parameters": 1_000_000 * (at + 1),
            "minutes": 4.0,
            "steps": 1000,
            "target_tokens": 800_000,
            "device": "cpu",
        }
        path = f"runs/compare/{name}-{seed}-0a1b2c"
        return {
            "path": path,
            "seed": seed,
            "unfinished": at == 3,
            "cost": cost,
            "curve": curve,
            "reaches": reaches,
        }

    return {
        "name": name,
        "unfinished": at == 3,
        "floor": False,
        "parameters": 1_000_000 * (at + 1),
        "settings": {
            "model.decoder": "transformer" if at == 3 else "rnn",
            "model.rnn.attention": name,
        },
        "runs": [run(seed) for seed in range(1, seeds + 1)],
        "cost": {
            "parameters": 1_000_000 * (at + 1),
            "steps": 1000,
            "target_tokens": 800_000,
            "minutes": 4.0,
            "training_minutes": 3.6,
            "tokens_per_second": 3700.0 - 200 * at,
            "flops": 4.2e15 * (at + 1),
            "peak_memory": 700 * 2**20,
            "memory_of": "process",
            "test_sentences": 785,
            "test_seconds": 12.0 + at,
            "sentences_per_second": 785 / (12.0 + at),
            "test_beam": 4,
            "device": "cpu",
        },
    }


def _test(name: str, systems: tuple[str, ...], seeds: int) -> dict[str, Any]:
    drop = 6 if name == "test" else 12

    def group(label: str, sentences: int, position: float) -> dict[str, Any]:
        scores, differences = [], []
        for at, system in enumerate(systems):
            for metric, base in (("bleu", 20.0), ("chrf", 45.0)):
                mean = max(0.6, base + 6 * at - drop * position / (1 + at))
                width = 0.8 + 30 / sentences**0.5
                scores.append(
                    {
                        "system": system,
                        "metric": metric,
                        "mean": mean,
                        "interval": [max(0.0, mean - width), mean + width],
                        "values": [mean + 0.3 * (i - (seeds - 1) / 2) for i in range(seeds)],
                        "deviation": 0.3 if seeds > 1 else None,
                        "sentences": sentences,
                        "seeds_tested": seeds > 1,
                        "small": sentences < 100,
                    }
                    | (
                        {
                            "precision": mean + 2,
                            "brevity_penalty": 1 - 0.08 * position / (1 + at),
                            "length_ratio": 0.97,
                        }
                        if metric == "bleu"
                        else {}
                    )
                )
                if at:
                    effect = mean - scores[0 if metric == "bleu" else 1]["mean"] if at > 1 else 0.2
                    word = "better" if at > 1 else "not distinguishable"
                    differences.append(
                        {
                            "system": system,
                            "metric": metric,
                            "effect": effect,
                            "interval": [effect - width, effect + width],
                            "p": 0.0002 if at > 1 else 0.4,
                            "p_holm": 0.0006 if at > 1 else 0.4,
                            "p_randomisation": 0.001 if label == "all" else None,
                            "seeds_tested": seeds > 1,
                            "small": sentences < 100,
                            "verdict": word,
                            "text": f"{word} ({effect:+.1f}, 95 % interval {effect - width:+.1f} to {effect + width:+.1f}, p < 0.001)",
                            "needed": None
                            if at > 1
                            else {"seeds": 14, "sentences": None, "seeds_tested": True},
                        }
                    )
        return {
            "label": label,
            "sentences": sentences,
            "scores": scores,
            "differences": differences,
        }

    return {
        "name": name,
        "length": {"by": "source", "unit": "words", "threshold": 20},
        "overall": group("all", 785, 1.0),
        "short": group("short 1-20", 530, 0.5),
        "long": group("long 21+", 255, 2.0),
        "buckets": [
            *(group(label, count, at) for at, (label, count) in enumerate(LABELS)),
            {"label": "51+", "sentences": 0, "scores": [], "differences": []},
        ],
    }


def _words(name: str, at: int) -> dict[str, Any]:
    def figure(value: float, cases: int) -> dict[str, Any]:
        difference = {
            "effect": 2.0 * at,
            "interval": [2.0 * at - 1, 2.0 * at + 1],
            "p_holm": 0.01,
            "verdict": "better",
            "text": "better",
        }
        made = {
            "value": value,
            "values": [value] * 3,
            "interval": [value - 1, value + 1],
            "cases": cases,
            "small": cases < 100,
        }
        return made | {"difference": difference if at else None}

    bands = []
    for place, (label, words) in enumerate(
        (("0", 40), ("1", 120), ("2-9", 480), ("10-99", 1800), ("100+", 5200))
    ):
        f1 = min(95.0, 10 + 14 * place + 6 * at)
        figures = {
            part: figure(f1 + by, words)
            for part, by in (("precision", 2), ("recall", -2), ("f1", 0))
        }
        bands.append({"label": label, "low": place, "high": None, "words": words, **figures})
    measures = {
        "repeated": 4.0 / (1 + at),
        "immediate": 0.5,
        "missing": 30.0,
        "dropped": 5.0,
        "untranslated": 1.0,
        "numbers": 90.0,
    }
    return {
        "system": name,
        "bands": bands,
        "names": None,
        **{key: figure(value, 400) for key, value in measures.items()},
    }


def _attention(name: str, at: int) -> dict[str, Any]:
    """The first system does not attend; the fourth has two layers."""
    if not at:
        return {"system": name, "attends": False, "aer": None, "diagnostics": None}
    layers = 2 if at == 3 else 1
    aer = {
        "value": 40.0 - at,
        "values": [40.0 - at],
        "interval": [39.0 - at, 41.0 - at],
        "cases": 900,
        "small": False,
        "difference": None,
    }

    def figure(value: float) -> dict[str, Any]:
        summary = {
            part: [value + by] * layers
            for part, by in (("mean", 0.0), ("short", -0.1), ("long", 0.1))
        }
        return {"heads": summary, "layer": summary, "mean_map": summary, "even": 1.0}

    figures = {
        key: figure(value)
        for key, value in (
            ("evenness", 0.5),
            ("distance", 0.2),
            ("special", 0.3),
            ("under", 0.1),
            ("over", 0.0),
        )
    }
    by_length = [
        {
            "label": label,
            "sentences": count,
            "kinds": {
                "cross": {
                    "evenness": [0.2 + 0.1 * place] * layers,
                    "under": [0.05 * place] * layers,
                }
            },
        }
        for place, (label, count) in enumerate(LABELS)
    ]
    by_length.append({"label": "51+", "sentences": 0, "kinds": {}})
    diagnostics = {
        "kinds": {"cross": {"layers": layers, "heads": 2, "special": "EOS", "figures": figures}},
        "findings": ["cross layer 1 is close to uniform (0.96 evenness)"] if at == 1 else [],
        "by_length": by_length,
        "run": "runs/x",
    }
    return {
        "system": name,
        "attends": True,
        "aer": {"overall": aer, "short": aer, "long": None},
        "diagnostics": diagnostics,
    }


def _sentence(at: int, systems: tuple[str, ...]) -> dict[str, Any]:
    source, reference = SOURCES[at % 3], REFERENCES[at % 3]
    words = reference.split()
    outputs = {
        name: " ".join([*words[:2], "Wort" if i < 2 else words[2], *words[3 : 5 + i]])
        for i, name in enumerate(systems)
    }
    scores = {name: 20.0 + 15 * i + at for i, name in enumerate(systems)}
    diff = {}
    for name, output in outputs.items():
        own = output.split()
        middle = [own[2] == words[2], f"{own[2]} ", f"{words[2]} "]
        diff[name] = [
            [True, " ".join(own[:2]) + " ", " ".join(words[:2]) + " "],
            middle,
            [True, " ".join(own[3:]), " ".join(own[3:])],
        ]
        diff[name] += [[False, "", " ".join(words[len(own) :])]] if len(words) > len(own) else []
    maps = {
        name: _map(source.split(), outputs[name].split(), 2 if i == 3 else 1, at)
        for i, name in enumerate(systems)
        if i
    }
    return {
        "index": 7 * at,
        "source": EVIL if at == 8 else source,
        "reference": reference,
        "outputs": outputs,
        "scores": scores,
        "spread": 45.0 - at,
        "diff": diff,
        "attention": maps if at < 4 and maps else None,
    }


def _map(source: list[str], target: list[str], layers: int, seed: int) -> dict[str, Any]:
    """The first word of a translation looks at the first of the source with 0.9 in every layer and head."""
    numbers, percent, heads = random.Random(seed), [], 2 if layers > 1 else 1
    for _ in range(layers * heads):
        for row in range(len(target)):
            weights = [
                0.05 + numbers.random() ** 2 + (6 if column == row else 0)
                for column in range(len(source))
            ]
            total = sum(weights)
            shares = [round(95 * weight / total) for weight in weights]
            percent += [90, *[1] * (len(source) - 1)] if row == 0 else shares
    return {
        "name": "x",
        "source": source,
        "target": target,
        "weights": {
            "cross": {"shape": [layers, heads, len(target), len(source)], "percent": percent}
        },
        "gold": [],
    }
