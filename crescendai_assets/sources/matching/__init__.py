"""Which performer, round and piece a recording's title names, by the results and rules of one edition.

Only titles are looked at; what cannot be told for sure is left unmatched with the reason, never guessed. `Matcher`
reads a title in three steps: the performer's name (`names`, which looks for the `readings` of those listed), then the
round in what is left (`rounds`), then the piece in what is left of that (`piece`). Not here: fetching results and
titles, and which work a piece is (`sources.works`).
"""

from crescendai_assets.sources.matching.answers import Excluded, Match, Unmatched
from crescendai_assets.sources.matching.matcher import Matcher, MatchRules, match

__all__ = ["Excluded", "Match", "MatchRules", "Matcher", "Unmatched", "match"]
