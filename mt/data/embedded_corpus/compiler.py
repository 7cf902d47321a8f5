"""The rule language of the embedded corpus: a synchronous grammar, written as text, compiled to Python functions.

A rule rewrites a category into constituents and says how both languages put them together:

    relative of-object [rel=yes left>6] 8 #relative        category, label, conditions, weight, tags
        scope                                              tags from here down belong to a clause of their own
        t = tense when:now                                 a constituent; features that it gets beside the inherited ones
        s = np sorts:person case:nom
        v = verb object:$sort agr:s.agr tense:t.tense
        let heavy: yes                                     a feature that this constituent shows to what stands above
        en: "that" s v.first v.rest                        what it looks like in English: literals, constituents, their fields
        de [sort=person]: "," s v.last ","                 in German; the first line whose condition holds counts
        de mid: s                                          a further field, for constituents that are not in one piece

Features are inherited: a constituent sees all features of what stands above it. A value is a word,
`$name` (the inherited feature), `s.name` (a feature of an earlier constituent) or, for `sorts`, a
set such as `person,animal`. Conditions, all of which must hold: `name=a|b`, `name!=a`, `name~a`
(the set contains a), `left>6`, `left<6` (so many words may still come, or fewer), `it` (a pronoun
could mean something); in field lines also `s.name=a`. `x = "and / und"` is a constituent of one
word in each language, linked to each other; other literals are linked to nothing. A category is
chosen among its rules by weight.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

Features = dict[str, Any]  # what a constituent inherits
Node = dict[
    str, Any
]  # a constituent: fields such as "en", "de", "de mid" hold tokens, all else are features
Expansion = Callable[[Features], Node]

SETS = ("sorts",)  # features whose value is a set
HEAD = re.compile(
    r"(?P<category>[\w-]+) (?P<label>[\w-]+)(?: \[(?P<conditions>[^]]*)\])?(?: (?P<weight>[\d.]+))?(?P<tags>(?: #[\w-]+)*)"
)
FIELD = re.compile(r"(?P<name>(?:en|de)(?: [\w-]+)?)(?: \[(?P<conditions>[^]]*)\])?:(?P<parts>.*)")
CONDITION = re.compile(r"(?P<name>[\w.-]+)(?P<operator>!=|=|~|>|<)(?P<value>[\w|.-]+)")


@dataclass
class Rule:
    """One rule as it was written."""

    category: str
    label: str
    conditions: list[str]
    weight: float
    tags: list[str]
    place: str  # file and line
    scope: bool = False
    constituents: list[tuple[str, str, dict[str, str]]] = field(
        default_factory=list
    )  # name, category (or literal pair), features
    lets: dict[str, str] = field(default_factory=dict)
    fields: dict[str, list[tuple[list[str], list[str]]]] = field(
        default_factory=dict
    )  # name -> alternatives: conditions, parts


def parse(text: str, file: str = "rules") -> list[Rule]:
    """Read rules. ValueError names the line that is not understood."""
    rules: list[Rule] = []
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.rstrip()
        if not content or content.lstrip().startswith("#"):
            continue
        place = f"{file}, line {number}"
        try:
            if content[0] != " ":
                rules.append(_head(content, place))
            elif rules:
                _body(rules[-1], content.strip())
            else:
                raise ValueError("it belongs to no rule")
        except ValueError as error:
            raise ValueError(f"{place}: {content.strip()!r} is not understood: {error}") from error
    return rules


def _head(content: str, place: str) -> Rule:
    found = HEAD.fullmatch(content)
    if not found:
        raise ValueError("expected category label [conditions] weight #tags")
    conditions = (found["conditions"] or "").split()
    return Rule(
        found["category"],
        found["label"],
        conditions,
        float(found["weight"] or 1),
        found["tags"].replace("#", "").split(),
        place,
    )


def _body(rule: Rule, content: str) -> None:
    if content == "scope":
        rule.scope = True
    elif content.startswith("let "):
        name, value = content.removeprefix("let ").split(":")
        rule.lets[name] = value.strip()
    elif found := FIELD.fullmatch(content):
        parts = re.findall(r'"[^"]*"|[^\s"]+', found["parts"])
        rule.fields.setdefault(found["name"], []).append(
            ((found["conditions"] or "").split(), parts)
        )
    else:
        name, _, right = content.partition(" = ")
        if not right:
            raise ValueError(
                "expected `name = category feature:value`, `let feature: value`, `en: parts` or `de: parts`"
            )
        category, *features = [right] if right.startswith('"') else right.split()
        rule.constituents.append((name, category, dict(feature.split(":") for feature in features)))


class Compiler:
    """Turns rules into one expanding function a category.

    A rule becomes the source text of a Python function, as a named tuple does: for millions of
    sentences that is worth it. `state` gives `left`, `it(features)`, `random`, `tag`, `open_scope`,
    `close_scope` and `pair`; `leaves` are the categories that the lexicon provides. ValueError
    names the rule that is wrong.
    """

    def __init__(self, rules: list[Rule], state: Any, leaves: dict[str, Expansion]) -> None:
        self.state = state
        self.categories: dict[str, Expansion] = dict(leaves)
        by_category: dict[str, list[Rule]] = {}
        for rule in rules:
            by_category.setdefault(rule.category, []).append(rule)
        for rule in rules:
            _check(rule, leaves.keys(), by_category.keys() | leaves.keys())
        names = {"g": state, "c": self.categories, "as_set": as_set, "NOTHING": []}
        for category, alternatives in by_category.items():
            functions = []
            for rule in alternatives:
                exec(compile(source(rule), f"<rule {rule.category} {rule.label}>", "exec"), names)
                functions.append(names.pop("expand"))
            single = len(functions) == 1 and not alternatives[0].conditions
            self.categories[category] = (
                functions[0] if single else self._choice(alternatives, functions)
            )

    def _choice(self, rules: list[Rule], functions: list[Expansion]) -> Expansion:
        """Draw a rule by weight among those whose conditions hold; what holds is remembered by the features that matter."""
        conditions = {condition for rule in rules for condition in rule.conditions}
        found = [match for match in map(CONDITION.fullmatch, conditions) if match]
        names = sorted({match["name"] for match in found} - {"left"})
        limits = sorted({float(match["value"]) for match in found if match["name"] == "left"})
        asks_it = "it" in conditions
        tests = [_test(rule.conditions) for rule in rules]
        known: dict[tuple[Any, ...], tuple[list[float], list[Expansion]]] = {}
        state, random = self.state, self.state.random

        def expand(e: Features) -> Node:
            key = (
                bisect(limits, state.left),
                asks_it and state.it(e),
                *[e.get(name) for name in names],
            )
            if key not in known:
                fitting = [i for i, test in enumerate(tests) if test(e, state)]
                if not fitting:
                    raise ValueError(
                        f"no rule for {rules[0].category} fits {dict(zip(names, key[2:], strict=True))}"
                    )
                known[key] = (
                    list(accumulate(rules[i].weight for i in fitting)),
                    [functions[i] for i in fitting],
                )
            sums, options = known[key]
            return options[bisect(sums, random() * sums[-1])](e)

        return expand


def _check(rule: Rule, leaves: Collection[str], known: Collection[str]) -> None:
    """Raise ValueError for what would fail, or be taken for something else, when the rule is used."""

    def fail(reason: str) -> None:
        raise ValueError(f"{rule.place}: {rule.category} {rule.label} {reason}")

    def check_value(text: str) -> None:
        if "." in text and text.partition(".")[0] not in names:
            fail(f"has no constituent {text.partition('.')[0]}")

    def check_conditions(conditions: Collection[str]) -> None:
        for text in conditions:
            match = CONDITION.fullmatch(text)
            if match:
                check_value(match["name"])
            elif text != "it":
                fail(f"has a condition that is none: {text}")

    names: set[str] = set()
    if rule.category in leaves:
        raise ValueError(f"{rule.place}: {rule.category} is a category of the lexicon")
    check_conditions(rule.conditions)
    for name, category, features in rule.constituents:
        if category not in known and not category.startswith('"'):
            fail(f"uses the unknown category {category}")
        for value in features.values():
            check_value(value)
        names.add(name)
    for value in rule.lets.values():
        check_value(value)
    for alternatives in rule.fields.values():
        for conditions, parts in alternatives:
            check_conditions(conditions)
            for part in parts:
                if not part.startswith('"') and part.partition(".")[0] not in names:
                    fail(f"has no constituent {part.partition('.')[0]}")


def _test(conditions: list[str]) -> Callable[[Features, Any], bool]:
    return eval(f"lambda e, g: {' and '.join(_condition(c) for c in conditions) or 'True'}")


def _condition(text: str) -> str:
    """Python source of a condition over features `e`, state `g` and, for `s.name`, constituent `s`."""
    if text == "it":
        return "g.it(e)"
    found = CONDITION.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no condition")
    name, operator, value = found["name"], found["operator"], found["value"]
    if operator in "<>":
        return f"g.left {operator}{'=' * (operator == '>')} {float(value)}"
    left = _value(name if "." in name else f"${name}")
    if operator == "~":
        return f"{value!r} in {left}"
    return f"{left} {'not in' if operator == '!=' else 'in'} {tuple(value.split('|'))!r}"


def _value(text: str, is_set: bool = False) -> str:
    """Python source of a value."""
    name, dot, feature = text.partition(".")
    if text.startswith("$") or dot:
        found = f"{name}_.get({feature!r})" if dot else f"e.get({text[1:]!r})"
        return f"as_set({found})" if is_set else found
    return f"frozenset({text.split(',')!r})" if is_set else repr(text)


def as_set(value: Any) -> frozenset[str]:
    return value if isinstance(value, frozenset) else frozenset((value,))


def _part(text: str, language: str) -> str:
    """Python source of one part of a field: a list of tokens."""
    if text.startswith('"'):
        return repr([(word, ()) for word in text.strip('"').split()])
    name, _, piece = text.partition(".")
    return (
        f"{name}_[{language!r}]"
        if not piece
        else f"{name}_.get({f'{language} {piece}'!r}, NOTHING)"
    )


def source(rule: Rule) -> str:
    """The rule as the text of a Python function from inherited features `e` to a constituent; `x = ...` becomes the variable `x_`."""
    lines = ["def expand(e):"]
    if rule.scope:
        lines.append("    g.open_scope()")
    lines += [f"    g.tag({tag!r})" for tag in rule.tags]
    for name, category, features in rule.constituents:
        if category.startswith('"'):
            english, german = category.strip('"').split(" / ")
            lines.append(f"    {name}_ = g.pair({english!r}, {german!r})")
        else:
            given = ", ".join(
                f"{feature!r}: {_value(value, feature in SETS)}"
                for feature, value in features.items()
            )
            lines.append(
                f"    {name}_ = c[{category!r}]({{**e, {given}}})"
                if given
                else f"    {name}_ = c[{category!r}](e)"
            )
    if rule.scope:
        lines.append("    g.close_scope()")
    items = [f"{name!r}: {_value(value)}" for name, value in rule.lets.items()]
    for name in ["en", "de", *(name for name in rule.fields if name not in ("en", "de"))]:
        text = "NOTHING"
        for conditions, parts in reversed(rule.fields.get(name, [])):
            tokens = " + ".join(_part(part, name[:2]) for part in parts) or "NOTHING"
            text = (
                f"{tokens} if {' and '.join(map(_condition, conditions))} else {text}"
                if conditions
                else tokens
            )
        items.append(f"{name!r}: {text}")
    return "\n".join([*lines, f"    return {{{', '.join(items)}}}"])
