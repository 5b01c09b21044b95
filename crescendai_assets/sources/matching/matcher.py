"""Reading a title step by step, by the rules of its edition.

Not here: the steps themselves (`names`, `rounds`, `piece`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.matching.answers import Excluded, Match, Unmatched
from crescendai_assets.sources.matching.names import Names
from crescendai_assets.sources.matching.piece import piece
from crescendai_assets.sources.matching.readings import by_listed_name
from crescendai_assets.sources.matching.rounds import find_round, round_phrases
from crescendai_assets.sources.matching.words import MASK, folded_words, masked, occurrences, texts, words_of


@dataclass(frozen=True)
class MatchRules:
    """What an edition's file says about titles.

    Attributes:
        rounds: Round -> spellings of it in titles ("first stage", "stage I"); its own name counts always.
        aliases: Performer, as in the results -> other spellings of the name in titles.
        exclude: Titles that hold one of these words or phrases are no performances (interviews, announcements).
        default_round: Round of titles that name none, for a playlist of one round; empty: such titles stay unmatched.
        boilerplate: Phrases that are no part of a piece, such as what titles call the competition ("2022 Cliburn").
    """

    rounds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    default_round: str = ""
    boilerplate: tuple[str, ...] = ()


def match(
    title: str, performers: Sequence[str], rounds: Sequence[str], rules: MatchRules
) -> Match | Unmatched | Excluded:
    """Read one title; for many of one edition keep a `Matcher`, which takes the same arguments."""
    return Matcher(performers, rounds, rules).match(title)


class Matcher:
    """Reads the titles of one edition."""

    def __init__(self, performers: Sequence[str], rounds: Sequence[str], rules: MatchRules) -> None:
        """Prepare the names and the spellings of the rounds.

        Args:
            performers: Names as in the results: given names first, or "Surname, Given"; a nickname in brackets.
            rounds: The edition's rounds.
            rules: What its file says about titles.

        Raises:
            SetupError: The rules name a performer or round that the edition has not, or one spelling for two rounds.
        """
        self._names = Names(performers, by_listed_name(rules.aliases, performers))
        self._phrases = round_phrases(rounds, rules.rounds)
        if rules.default_round and rules.default_round not in rounds:
            raise SetupError(f"default_round {rules.default_round!r} is not one of {', '.join(rounds)}.")
        self._default = rules.default_round
        self._exclude = {folded_words(phrase): phrase for phrase in rules.exclude}
        self._boilerplate = {folded_words(phrase): "" for phrase in rules.boilerplate}

    def match(self, title: str) -> Match | Unmatched | Excluded:
        """Read a title.

        Args:
            title: As the site has it.

        Returns:
            The performance it names; or why it names none for sure; or the rule that says it is none.
        """
        text = " ".join(unicodedata.normalize("NFC", title).replace(MASK, " ").split())
        words = words_of(text)
        for start, end in occurrences(text, words, self._exclude, any_gap=True):
            return Excluded(f"holds {self._exclude[texts(words[start:end])]!r}")
        named = self._names.find(text, words)
        if isinstance(named, Unmatched):
            return named
        performer, spans = named
        text = masked(text, spans)
        found = find_round(text, self._phrases, self._default)
        if isinstance(found, Unmatched):
            return found
        round_name, round_spans = found
        return Match(performer, round_name, piece(text, round_spans, self._boilerplate))
