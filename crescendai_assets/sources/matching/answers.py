"""What a title may turn out to be: a performance, one that is not named for sure, or none.

Not here: how it is found out (`matcher`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Match:
    """What a title names.

    Attributes:
        performer: As in the results.
        round: As in the edition's rounds.
        piece: What is left of the title, tidied; empty when it names none.
    """

    performer: str
    round: str
    piece: str


@dataclass(frozen=True)
class Unmatched:
    """A title that names no performance for sure, and why.

    Attributes:
        reason: A phrase that is the same for all titles of the kind, then often a colon and the candidates.
    """

    reason: str


@dataclass(frozen=True)
class Excluded:
    """A title that is no performance, by the rules' `exclude`, and by which of them."""

    reason: str
