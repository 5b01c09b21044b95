"""What hangs together through others."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from crescendai_assets.lake.groups import joined


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=3), max_size=8))
def test_joining_finds_what_a_walk_from_neighbour_to_neighbour_finds(sets):
    near: dict[str, set[str]] = {}
    for members in sets:
        for one, other in itertools.product(members, members):
            near.setdefault(one, set()).add(other)

    def reached(start: str) -> set[str]:
        found, todo = {start}, [start]
        while todo:
            fresh = near[todo.pop()] - found
            found |= fresh
            todo += fresh
        return found

    assert joined(sets) == {member: min(reached(member)) for member in sorted(near)}
