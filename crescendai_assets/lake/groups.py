"""What hangs together through others: sets that share a member, joined.

Used wherever splits must not tear something apart; what is a reason to join is the caller's to say.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

Member = TypeVar("Member", str, int)


def joined(sets: Iterable[Iterable[Member]]) -> dict[Member, Member]:
    """Member -> the first member of all that are connected with it through any of the sets; members in order."""
    parent: dict[Member, Member] = {}

    def root(member: Member) -> Member:
        while (above := parent.setdefault(member, member)) != member:
            parent[member] = parent[above]  # halves the way for the next who asks
            member = above
        return member

    for members in sets:
        roots = sorted({root(member) for member in members})
        for other in roots[1:]:
            parent[other] = roots[0]
    return {member: root(member) for member in sorted(parent)}
