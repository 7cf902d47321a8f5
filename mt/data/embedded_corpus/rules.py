"""The rule language of the embedded corpus: a synchronous grammar, written as text.

A rule rewrites a category as constituents and says how each language orders them. An example, with
explanations on the right:

    relative of-object [rel=yes left>6] 8 #relative  category, label, conditions, weight, tags
        scope                                        a new clause: later tags belong to it
        t = tense when:now                           a constituent, with features added to it
        s = np sorts:person case:nom
        v = verb object:$sort agr:s.agr tense:t.tense
        let heavy: yes                               a feature shown to the constituents above
        en: "that" s v.first v.rest                  literals, constituents, their fields
        de [sort=person]: "," s v.last ","           the first line whose conditions hold counts
        de mid: s                                    a field of a discontinuous constituent

Features are inherited: a constituent sees all features of the constituents above it. A value is a
word, `$name` (an inherited feature), `s.name` (a feature of an earlier constituent) or, for
`sorts`, a set such as `person,animal`.

All conditions of a rule must hold: `name=a|b`, `name!=a`, `name~a` (the set contains a), `left>6`
(at least 6 words are left), `left<6` (fewer than 6 are left), `it` (a pronoun has an antecedent);
in field lines also `s.name=a`. `x = "and / und"` is a constituent of one word in each language,
linked to each other. Other literals are not linked. A category is rewritten by one of its rules,
drawn by weight.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

HEAD = re.compile(
    r"(?P<category>[\w-]+) (?P<label>[\w-]+)(?: \[(?P<conditions>[^]]*)\])?"
    r"(?: (?P<weight>[\d.]+))?(?P<tags>(?: #[\w-]+)*)"
)
FIELD = re.compile(r"(?P<name>(?:en|de)(?: [\w-]+)?)(?: \[(?P<conditions>[^]]*)\])?:(?P<parts>.*)")


@dataclass
class FieldLine:
    """One alternative of a field."""

    conditions: list[str]
    parts: list[str]  # literals in quotation marks, constituents, their fields


@dataclass
class Constituent:
    """A constituent of a rule: a category, or a pair of literals in quotation marks."""

    name: str
    category: str
    features: dict[str, str]

    @property
    def is_literal(self) -> bool:
        """True for a pair of literals."""
        return self.category.startswith('"')


@dataclass
class Rule:
    """A parsed rule."""

    category: str
    label: str
    conditions: list[str]
    weight: float
    tags: list[str]
    place: str  # file and line
    scope: bool = False
    constituents: list[Constituent] = field(default_factory=list)
    lets: dict[str, str] = field(default_factory=dict)
    fields: dict[str, list[FieldLine]] = field(default_factory=dict)


def parse_rules(text: str, file: str = "rules") -> list[Rule]:
    """Parse rules. Raises ValueError with file and line for a line that is not understood."""
    rules: list[Rule] = []
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.rstrip()
        if not content or content.lstrip().startswith("#"):
            continue
        place = f"{file}, line {number}"
        try:
            if content[0] != " ":
                rules.append(_parse_head(content, place))
            elif rules:
                _parse_body_line(rules[-1], content.strip())
            else:
                raise ValueError("it belongs to no rule")
        except ValueError as error:
            raise ValueError(f"{place}: cannot parse {content.strip()!r}: {error}") from error
    return rules


def _parse_head(content: str, place: str) -> Rule:
    match = HEAD.fullmatch(content)
    if not match:
        raise ValueError("expected category label [conditions] weight #tags")
    return Rule(
        category=match["category"],
        label=match["label"],
        conditions=(match["conditions"] or "").split(),
        weight=float(match["weight"] or 1),
        tags=match["tags"].replace("#", "").split(),
        place=place,
    )


def _parse_body_line(rule: Rule, content: str) -> None:
    if content == "scope":
        rule.scope = True
    elif content.startswith("let "):
        name, value = content.removeprefix("let ").split(":")
        rule.lets[name] = value.strip()
    elif match := FIELD.fullmatch(content):
        conditions = (match["conditions"] or "").split()
        parts = re.findall(r'"[^"]*"|[^\s"]+', match["parts"])
        rule.fields.setdefault(match["name"], []).append(FieldLine(conditions, parts))
    else:
        name, _, right = content.partition(" = ")
        if not right:
            raise ValueError(
                "expected `name = category feature:value`, `let feature: value`, "
                "`en: parts` or `de: parts`"
            )
        category, *features = [right] if right.startswith('"') else right.split()
        pairs = dict(feature.split(":") for feature in features)
        rule.constituents.append(Constituent(name, category, pairs))
