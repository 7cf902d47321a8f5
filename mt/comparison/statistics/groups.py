"""Groups of systems that cannot be told apart."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def indistinguishable_groups(
    names: Sequence[str], distinguishable: Collection[frozenset[str]]
) -> list[list[str]]:
    """Return all largest groups of which no pair is distinguishable (Piepho 2004).

    `distinguishable` holds pairs of names. Groups may overlap: a and c may differ, and neither from
    b. Every system is in at least one group. Names stay in their order, and so do groups.
    """
    groups = [list(names)]
    for pair in sorted(map(sorted, distinguishable)):
        split = []
        for group in groups:
            if set(pair) <= set(group):
                split += [[name for name in group if name != one] for one in pair]
            else:
                split.append(group)
        distinct = [group for number, group in enumerate(split) if group not in split[:number]]
        groups = [g for g in distinct if not any(set(g) < set(other) for other in distinct)]
    return sorted(groups, key=lambda group: [names.index(name) for name in group])
