"""Groups of systems that cannot be told apart, against all subsets."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from mt.comparison.statistics.groups import indistinguishable_groups

NAMES = "abcdef"
PAIRS = [frozenset(pair) for pair in combinations(NAMES, 2)]


@given(st.sets(st.sampled_from(PAIRS)))
def test_groups_are_the_largest_subsets_without_a_distinguishable_pair(
    distinguishable: set[frozenset[str]],
) -> None:
    alike = [
        set(subset)
        for size in range(1, len(NAMES) + 1)
        for subset in combinations(NAMES, size)
        if not any(pair <= set(subset) for pair in distinguishable)
    ]
    largest = [subset for subset in alike if not any(subset < other for other in alike)]
    groups = indistinguishable_groups(NAMES, distinguishable)
    assert sorted(map(sorted, largest)) == sorted(groups)
    assert all(group == sorted(group) for group in groups)


def test_groups_may_overlap() -> None:
    assert indistinguishable_groups("cba", {frozenset("ca")}) == [["c", "b"], ["b", "a"]]
