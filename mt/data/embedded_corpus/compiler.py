"""Compilation of rules (`mt.data.embedded_corpus.rules`) to Python functions.

A rule becomes the source text of a function, as in `collections.namedtuple`. For millions of
sentences that is much faster than interpreting the rules.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Callable, Collection
from itertools import accumulate
from typing import Any, Protocol

from mt.data.embedded_corpus.rules import Rule

Features = dict[str, Any]  # inherited by a constituent
# An expanded constituent: fields such as "en", "de" and "de mid" hold tokens, all others are
# features.
Node = dict[str, Any]
Expansion = Callable[[Features], Node]

SET_FEATURES = ("sorts",)
CONDITION = re.compile(r"(?P<name>[\w.-]+)(?P<operator>!=|=|~|>|<)(?P<value>[\w|.-]+)")


class State(Protocol):
    """The state of a derivation, as compiled rules use it."""

    left: float
    random: Callable[[], float]

    def has_antecedent(self, features: Features) -> bool: ...

    def tag(self, name: str) -> None: ...

    def open_scope(self) -> None: ...

    def close_scope(self) -> None: ...

    def linked_words(self, english: str, german: str) -> Node: ...


class Compiler:
    """Compile rules to one expanding function for each category, in `categories`.

    `leaves` are the categories that the lexicon provides. Raises ValueError with the rule for an
    invalid rule.
    """

    def __init__(self, rules: list[Rule], state: State, leaves: dict[str, Expansion]) -> None:
        self.state = state
        self.categories: dict[str, Expansion] = dict(leaves)
        by_category: dict[str, list[Rule]] = {}
        for rule in rules:
            by_category.setdefault(rule.category, []).append(rule)
        for rule in rules:
            _check(rule, leaves.keys(), by_category.keys() | leaves.keys())
        namespace: dict[str, Any] = {
            "state": state,
            "categories": self.categories,
            "as_set": as_set,
            "EMPTY": [],
        }
        for category, alternatives in by_category.items():
            functions = []
            for rule in alternatives:
                code = compile(
                    function_source(rule), f"<rule {rule.category} {rule.label}>", "exec"
                )
                exec(code, namespace)
                functions.append(namespace.pop("expand"))
            if len(functions) == 1 and not alternatives[0].conditions:
                self.categories[category] = functions[0]
            else:
                self.categories[category] = self._draw_rule(alternatives, functions)

    def _draw_rule(self, rules: list[Rule], functions: list[Expansion]) -> Expansion:
        """Return a function that draws a rule by weight among those whose conditions hold.

        The rules that hold are cached by everything that the conditions depend on.
        """
        conditions = {condition for rule in rules for condition in rule.conditions}
        matches = [match for match in map(CONDITION.fullmatch, conditions) if match]
        names = sorted({match["name"] for match in matches} - {"left"})
        limits = sorted({float(match["value"]) for match in matches if match["name"] == "left"})
        uses_it = "it" in conditions
        tests = [_compile_conditions(rule.conditions) for rule in rules]
        cache: dict[tuple[Any, ...], tuple[list[float], list[Expansion]]] = {}
        state, random = self.state, self.state.random

        def expand(features: Features) -> Node:
            values = [features.get(name) for name in names]
            key = (
                bisect(limits, state.left),
                uses_it and state.has_antecedent(features),
                *values,
            )
            if key not in cache:
                fitting = [i for i, test in enumerate(tests) if test(features, state)]
                if not fitting:
                    raise ValueError(
                        f"no rule for {rules[0].category} fits "
                        f"{dict(zip(names, values, strict=True))}"
                    )
                weights = list(accumulate(rules[i].weight for i in fitting))
                cache[key] = weights, [functions[i] for i in fitting]
            weights, options = cache[key]
            return options[bisect(weights, random() * weights[-1])](features)

        return expand


def _check(rule: Rule, leaves: Collection[str], known: Collection[str]) -> None:
    """Raise ValueError for an error in a rule that would show only in use, or not at all."""

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
                fail(f"has an invalid condition: {text}")

    names: set[str] = set()
    if rule.category in leaves:
        raise ValueError(f"{rule.place}: {rule.category} is a category of the lexicon")
    check_conditions(rule.conditions)
    for constituent in rule.constituents:
        if constituent.category not in known and not constituent.is_literal:
            fail(f"uses the unknown category {constituent.category}")
        for value in constituent.features.values():
            check_value(value)
        names.add(constituent.name)
    for value in rule.lets.values():
        check_value(value)
    for lines in rule.fields.values():
        for line in lines:
            check_conditions(line.conditions)
            for part in line.parts:
                if not part.startswith('"') and part.partition(".")[0] not in names:
                    fail(f"has no constituent {part.partition('.')[0]}")


def _compile_conditions(conditions: list[str]) -> Callable[[Features, Any], bool]:
    return eval(f"lambda features, state: {_conditions_source(conditions)}")


def _conditions_source(conditions: list[str]) -> str:
    """Return a Python expression that is true if all conditions hold.

    The expression uses the inherited `features`, the `state` and, for `s.name`, the variable `s_`.
    """
    return " and ".join(map(_condition_source, conditions)) or "True"


def _condition_source(text: str) -> str:
    if text == "it":
        return "state.has_antecedent(features)"
    match = CONDITION.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a condition")
    name, operator, value = match["name"], match["operator"], match["value"]
    if operator == "<":
        return f"state.left < {float(value)}"
    if operator == ">":
        return f"state.left >= {float(value)}"
    left = _value_source(name if "." in name else f"${name}")
    if operator == "~":
        return f"{value!r} in {left}"
    return f"{left} {'not in' if operator == '!=' else 'in'} {tuple(value.split('|'))!r}"


def _value_source(text: str, is_set: bool = False) -> str:
    """Return a Python expression for a value."""
    name, dot, feature = text.partition(".")
    if text.startswith("$") or dot:
        value = f"{name}_.get({feature!r})" if dot else f"features.get({text[1:]!r})"
        return f"as_set({value})" if is_set else value
    return f"frozenset({text.split(',')!r})" if is_set else repr(text)


def as_set(value: Any) -> frozenset[str]:
    """Return a set as it is, and any other value as a set of one element."""
    return value if isinstance(value, frozenset) else frozenset((value,))


def _part_source(text: str, language: str) -> str:
    """Return a Python expression for one part of a field: a list of tokens."""
    if text.startswith('"'):
        return repr([(word, ()) for word in text.strip('"').split()])
    name, _, field = text.partition(".")
    if not field:
        return f"{name}_[{language!r}]"
    return f"{name}_.get({f'{language} {field}'!r}, EMPTY)"


def function_source(rule: Rule) -> str:
    """Return the source of a function that expands a rule: inherited features to a node.

    Constituent `x` becomes the variable `x_`.
    """
    lines = ["def expand(features):"]
    if rule.scope:
        lines.append("    state.open_scope()")
    lines += [f"    state.tag({tag!r})" for tag in rule.tags]
    for constituent in rule.constituents:
        if constituent.is_literal:
            english, german = constituent.category.strip('"').split(" / ")
            value = f"state.linked_words({english!r}, {german!r})"
        else:
            added = ", ".join(
                f"{feature!r}: {_value_source(value, feature in SET_FEATURES)}"
                for feature, value in constituent.features.items()
            )
            features = f"{{**features, {added}}}" if added else "features"
            value = f"categories[{constituent.category!r}]({features})"
        lines.append(f"    {constituent.name}_ = {value}")
    if rule.scope:
        lines.append("    state.close_scope()")
    items = [f"{name!r}: {_value_source(value)}" for name, value in rule.lets.items()]
    for name in dict.fromkeys(("en", "de", *rule.fields)):
        value = "EMPTY"
        for line in reversed(rule.fields.get(name, [])):
            tokens = " + ".join(_part_source(part, name[:2]) for part in line.parts) or "EMPTY"
            if line.conditions:
                value = f"{tokens} if {_conditions_source(line.conditions)} else {value}"
            else:
                value = tokens
        items.append(f"{name!r}: {value}")
    return "\n".join([*lines, f"    return {{{', '.join(items)}}}"])
