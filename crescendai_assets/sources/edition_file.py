"""The form of `competitions/<edition>.yaml`: its keys, and the checks that a file must pass.

The file is explained at the head of `catalog/competitions/chopin2021.yaml`. Not here: reading YAML
(`catalogue_yaml`), what single fields may hold (`catalogue_fields`), and what an edition is to everybody else
(`competitions`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from crescendai_assets.sources.catalogue_fields import (
    Address,
    CatalogueModel,
    ListingAddress,
    Name,
    OptionalText,
    PathText,
    RecordingAddress,
    Text,
    Texts,
)
from crescendai_assets.sources.catalogue_words import Loc, Problem, did_you_mean, not_one_of
from crescendai_assets.sources.download.web_ids import video_id
from crescendai_assets.sources.performers import performer_id

NONE_YET = "none yet"

_KINDS = ("addresses", "playlist", "channel", "folder")
_ROUND = re.compile(r"[a-z][a-z0-9]*")


class ResultEntry(CatalogueModel):
    """One competitor."""

    performer: Name
    country: OptionalText = None
    placement: Annotated[int, Field(ge=1, le=999)] | None = None
    eliminated_in: str | None = None
    withdrew_in: str | None = None


class RecordingEntry(CatalogueModel):
    """One recording, with whose it is."""

    url: RecordingAddress
    performer: Name
    round: str
    piece: OptionalText = None


class RecordingsEntry(CatalogueModel):
    """Where recordings are: one of the first four."""

    addresses: Annotated[list[RecordingEntry], Field(min_length=1)] | None = None
    playlist: ListingAddress | None = None
    channel: ListingAddress | None = None
    folder: PathText | None = None
    max_videos: Annotated[int, Field(ge=1)] | None = None


class MatchingEntry(CatalogueModel):
    """What titles say."""

    rounds: dict[str, Texts] = Field(default_factory=dict)
    aliases: dict[str, Texts] = Field(default_factory=dict)
    exclude: Texts = Field(default_factory=list)
    default_round: str | None = None
    boilerplate: Texts = Field(default_factory=list)


class PageColumns(CatalogueModel):
    """Headings of the columns of a results page."""

    performer: Text
    country: Text | None = None
    placement: Text | None = None
    round: Text | None = None


class PageEntry(CatalogueModel):
    """A page that lists results."""

    url: Address
    table: Annotated[int, Field(ge=0)] | None = None
    columns: PageColumns
    rounds: dict[str, str | None] = Field(default_factory=dict)


def _nothing_yet(value: Any) -> Any:
    return {} if isinstance(value, str) and value.strip().casefold() == NONE_YET else value


class EditionFile(CatalogueModel):
    """The whole file."""

    competition: str
    year: Annotated[int, Field(ge=1800, le=2200)]
    name: Name
    rounds: Annotated[list[str], Field(min_length=1)]
    results: list[ResultEntry]
    recordings: Annotated[RecordingsEntry, BeforeValidator(_nothing_yet)]
    sources: list[Address] = Field(default_factory=list)
    matching: MatchingEntry = Field(default_factory=MatchingEntry)
    results_page: PageEntry | None = None
    notes: str | None = None


# --------------------------------------------------------------------------------------------------------------- checks


def problems(model: EditionFile, stem: str) -> Iterator[Problem]:
    """What a model of single fields cannot see: names that must agree, and what excludes what."""
    yield from _key_problems(model, stem)
    yield from _round_problems(model)
    yield from _result_problems(model)
    yield from _recordings_problems(model)
    yield from _matching_problems(model)
    for text, meant in (model.results_page.rounds if model.results_page else {}).items():
        if meant is not None:
            yield from _round_problem(model, ("results_page", "rounds", text), meant)


def _key_problems(model: EditionFile, stem: str) -> Iterator[Problem]:
    if not _ROUND.fullmatch(model.competition):
        yield ("competition",), f"competition '{model.competition}' must be lower-case letters and digits; rename it"
    elif (key := f"{model.competition}{model.year}") != stem:
        yield ("competition",), f"is edition '{key}', but the file is called '{stem}'; rename one of the two"


def _round_problems(model: EditionFile) -> Iterator[Problem]:
    for number, name in enumerate(model.rounds):
        if not _ROUND.fullmatch(name):
            yield ("rounds", number), f"round '{name}' must be lower-case letters and digits, such as 'stage1'"
        if name in model.rounds[:number]:
            yield ("rounds", number), f"round '{name}' is named twice; drop one"


def _round_problem(model: EditionFile, loc: Loc, name: str) -> Iterator[Problem]:
    if name not in model.rounds:
        yield loc, not_one_of("round", name, model.rounds)


def _result_problems(model: EditionFile) -> Iterator[Problem]:
    if not model.results and model.results_page is None:
        yield ("results",), "no results; list them, or name a results_page to read them from"
    seen: dict[str, str] = {}
    for number, result in enumerate(model.results):
        loc: Loc = ("results", number)
        identity = performer_id(result.performer)
        if identity in seen:
            other = f", as '{seen[identity]}'" if seen[identity] != result.performer else ""
            yield (*loc, "performer"), f"performer '{result.performer}' is listed already{other}; keep one of the two"
        seen.setdefault(identity, result.performer)
        given = [key for key in ("placement", "eliminated_in", "withdrew_in") if getattr(result, key) is not None]
        if len(given) > 1:
            yield loc, f"{' and '.join(given)} for '{result.performer}'; keep the one that holds"
        for key in ("eliminated_in", "withdrew_in"):
            if (name := getattr(result, key)) is not None:
                yield from _round_problem(model, (*loc, key), name)


def _recordings_problems(model: EditionFile) -> Iterator[Problem]:
    recordings = model.recordings
    given = [kind for kind in _KINDS if getattr(recordings, kind) is not None]
    if len(given) > 1:
        yield ("recordings",), f"{' and '.join(given)} are both given; keep one of them"
    if not given and recordings.model_fields_set:
        yield ("recordings",), f"names no recordings; give one of {', '.join(_KINDS)}, or write '{NONE_YET}'"
    if recordings.max_videos is not None and not (recordings.playlist or recordings.channel):
        yield ("recordings", "max_videos"), "max_videos is for a playlist or channel; drop it"
    known = known_performers(model)
    seen: dict[str, Loc] = {}
    for number, recording in enumerate(recordings.addresses or []):
        loc: Loc = ("recordings", "addresses", number)
        yield from _round_problem(model, (*loc, "round"), recording.round)
        yield from _performer_problem(model, known, (*loc, "performer"), recording.performer)
        yield from _too_late_problem(model, known, (*loc, "round"), recording)
        if (identity := video_id(recording.url)) in seen:  # ids are made of it
            first = int(seen[identity][-1]) + 1
            yield (*loc, "url"), f"'{recording.url}' is entry {first} of the addresses already; keep one of the two"
        seen.setdefault(identity, loc)


def _too_late_problem(
    model: EditionFile, known: Mapping[str, str], loc: Loc, recording: RecordingEntry
) -> Iterator[Problem]:
    name = known.get(performer_id(recording.performer))
    out = next((result.eliminated_in for result in model.results if result.performer == name), None)
    rounds = model.rounds
    if out in rounds and recording.round in rounds and rounds.index(recording.round) > rounds.index(out):
        yield loc, f"'{recording.performer}' went out in {out} by the results, and this says {recording.round}"


def known_performers(model: EditionFile) -> dict[str, str]:
    """Id of every name and alias -> the name in the results."""
    known = {performer_id(result.performer): result.performer for result in model.results}
    for performer, aliases in model.matching.aliases.items():
        if listed := known.get(performer_id(performer)):
            known |= {performer_id(alias): listed for alias in aliases if performer_id(alias) not in known}
    return known


def _performer_problem(model: EditionFile, known: Mapping[str, str], loc: Loc, name: str) -> Iterator[Problem]:
    if model.results_page is not None:
        return  # the page may list the performer; `results_page.complete` looks again
    if performer_id(name) not in known:
        hint = did_you_mean(name, [result.performer for result in model.results])
        yield loc, f"performer '{name}' is not in the results.{hint} Add a result, or correct the name"


def _matching_problems(model: EditionFile) -> Iterator[Problem]:
    rules = model.matching
    for name in rules.rounds:
        yield from _round_problem(model, ("matching", "rounds", name), name)
    if rules.default_round is not None:
        yield from _round_problem(model, ("matching", "default_round"), rules.default_round)
    known = {performer_id(result.performer): result.performer for result in model.results}
    meant = dict(known)
    done: set[str] = set()
    for name, aliases in rules.aliases.items():
        loc: Loc = ("matching", "aliases", name)
        yield from _performer_problem(model, known, loc, name)
        listed = known.get(performer_id(name), name)
        if listed in done:
            yield loc, f"'{listed}' has aliases above already; put them together"
        done.add(listed)
        for alias in aliases:
            if (other := meant.setdefault(performer_id(alias), listed)) != listed:
                yield loc, f"alias '{alias}' is '{other}' already; drop it, or spell it out"
