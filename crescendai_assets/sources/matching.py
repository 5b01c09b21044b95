"""Which performer, round and piece a recording's title names, by the results and rules of one edition.

Only titles are looked at; what cannot be told for sure is left unmatched with the reason, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class MatchRules:
    """What an edition's file says about titles.

    Attributes:
        rounds: Round -> spellings of it in titles ("first stage", "stage I"); its own name counts always.
        aliases: Performer, as in the results -> other spellings of the name in titles.
        exclude: Titles that hold one of these words or phrases are no performances (interviews, announcements).
        default_round: Round of titles that name none, for a playlist of one round; empty: such titles stay unmatched.
    """

    rounds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    default_round: str = ""


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
    """A title that names no performance for sure, and why."""

    reason: str
