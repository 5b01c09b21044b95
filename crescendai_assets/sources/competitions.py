"""Editions of piano competitions: who took part, how each came out, and where recordings are, from the catalogue.

Here: the form of `competitions/<edition>.yaml` (explained at the head of `catalog/competitions/chopin2021.yaml`), its
checks, and the order of outcomes. Not here: reading results off a page (`results_page`), which title is whose
(`matching`), fetching.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.catalogue_yaml import (
    Address,
    CatalogueModel,
    Document,
    Fault,
    ListingAddress,
    Loc,
    Name,
    OptionalText,
    PathText,
    Problem,
    RecordingAddress,
    Text,
    Texts,
    did_you_mean,
    not_one_of,
    read_document,
    yaml_files,
)
from crescendai_assets.sources.catalogue_yaml import catalogue_folders as catalogue_folders
from crescendai_assets.sources.matching import Matcher, MatchRules
from crescendai_assets.sources.performers import performer_id
from crescendai_assets.sources.web_ids import video_id

FOLDER = "competitions"
NONE_YET = "none yet"

_OTHER_FILES = {"channels", "sources", "taxonomy"}
_KINDS = ("addresses", "playlist", "channel", "folder")
_ROUND = re.compile(r"[a-z][a-z0-9]*")


@dataclass(frozen=True)
class Entrant:
    """One competitor; at most one of the last three is set, and none where the outcome is not known.

    Attributes:
        performer: The name as published.
        country: As published; empty when not known.
        placement: The place; entrants who share one have the same number.
        eliminated_in: The last round played, for those without a place; the last round of all for a finalist.
        withdrew_in: The round that the performer had reached and did not play to its end.
    """

    performer: str
    country: str = ""
    placement: int | None = None
    eliminated_in: str | None = None
    withdrew_in: str | None = None

    @property
    def has_outcome(self) -> bool:
        """Whether it is known how the performer came out."""
        return (self.placement, self.eliminated_in, self.withdrew_in) != (None, None, None)


@dataclass(frozen=True)
class Recording:
    """One recording whose address, performer and round the file names; `piece` is empty where it is not known."""

    url: str
    performer: str
    round: str
    piece: str = ""


@dataclass(frozen=True)
class Addresses:
    """Recordings named one by one."""

    recordings: tuple[Recording, ...]

    def __str__(self) -> str:
        return f"{len(self.recordings)} addresses, named one by one"


@dataclass(frozen=True)
class Listing:
    """Recordings found by their titles on a playlist or channel; `max_videos` None: all that it lists."""

    url: str
    kind: Literal["playlist", "channel"]
    max_videos: int | None = None

    def __str__(self) -> str:
        return f"on the {self.kind} {self.url}, found by their titles"


@dataclass(frozen=True)
class LocalFolder:
    """Recordings found by their file names in a folder, which need not be there when the file is read."""

    path: Path

    def __str__(self) -> str:
        return f"in the folder {self.path}, found by their names"


@dataclass(frozen=True)
class NoneYet:
    """Results only; there is nothing to collect so far."""

    def __str__(self) -> str:
        return "none yet: add them to the edition's file"


@dataclass(frozen=True)
class ResultsPage:
    """Where a page on the web lists results, and how to read it.

    Attributes:
        url: The page.
        columns: Field of an entrant (`performer`, `country`, `placement`, `round`) -> heading of its column.
        table: Which of the page's tables, from 0; None: the first that has the columns.
        outcomes: What the page writes -> the round it means, None for what says nothing about the outcome.
        rounds: The edition's rounds in their order.
    """

    url: str
    columns: Mapping[str, str]
    table: int | None = None
    outcomes: Mapping[str, str | None] = field(default_factory=dict)
    rounds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Edition:
    """One edition of one competition, as its file has it.

    Attributes:
        key: Competition and year, such as `chopin2021`; the partition's key and the file's name.
        competition: Short name.
        year: The edition's year.
        name: In full.
        rounds: In their order.
        entrants: In the order of the file.
        recordings: Where they are.
        rules: What titles say, for recordings found by title.
        results_page: A page with further results, if one is named.
        path: The file.
        sources: Pages that the results are from.
        notes: Free text.
    """

    key: str
    competition: str
    year: int
    name: str
    rounds: tuple[str, ...]
    entrants: tuple[Entrant, ...]
    recordings: Addresses | Listing | LocalFolder | NoneYet
    rules: MatchRules
    results_page: ResultsPage | None
    path: Path
    sources: tuple[str, ...] = ()
    notes: str = ""

    def entrant(self, name: str) -> Entrant | None:
        """The entrant of a name or alias; accents, case and the order of its parts do not count."""
        return self._by_id.get(performer_id(name))

    def outcome_rank(self, performer: str) -> int | None:
        """Rank of a performer's outcome among those the file lists: 1 for the best, `1 2 2 4` where two are tied.

        Places come first, then finalists without one, then those who went out earlier, later rounds before earlier;
        all who went out in one round are tied.

        Returns:
            The rank; None for a performer who withdrew, whose outcome is not known, or who is not listed.
        """
        entrant = self.entrant(performer)
        own = self._outcome(entrant) if entrant else None
        if own is None:
            return None
        return 1 + sum(other is not None and other < own for other in map(self._outcome, self.entrants))

    @cached_property
    def _by_id(self) -> dict[str, Entrant]:
        known = {performer_id(entrant.performer): entrant for entrant in self.entrants}
        for performer, aliases in self.rules.aliases.items():
            if entrant := known.get(performer_id(performer)):
                known = {performer_id(alias): entrant for alias in aliases} | known  # a name goes before an alias
        return known

    def _outcome(self, entrant: Entrant) -> tuple[int, int] | None:
        """What orders outcomes: smaller is better."""
        if entrant.placement is not None:
            return 0, entrant.placement
        if entrant.eliminated_in is not None:
            return 1, -self.rounds.index(entrant.eliminated_in)
        return None


@dataclass(frozen=True)
class Competitions:
    """All editions of the catalogue by key, what could not be used, and what replaced what."""

    editions: dict[str, Edition]
    faults: list[Fault]
    notes: list[str]

    def edition(self, key: str) -> Edition:
        """The edition of a key.

        Raises:
            SetupError: There is none; says why its file could not be used, or which there are.
        """
        if found := self.editions.get(key):
            return found
        own = [fault.message for fault in self.faults if fault.path.stem == key]
        if own:
            raise SetupError("\n".join(own))
        raise SetupError(
            f"there is no edition '{key}'.{did_you_mean(key, self.editions)} The catalogue has "
            f"{', '.join(self.editions) or 'none'}; add {FOLDER}/{key}.yaml to it"
        )


def read_competitions(folders: Sequence[Path]) -> Competitions:
    """Read every edition of the catalogue; a bad file is a fault and hides no other.

    Args:
        folders: Catalogue folders, as from `catalogue_folders`. An edition of a later one replaces that of the same
            key of an earlier one, also while it is faulty: nobody who corrects results wants the old ones back
            because of a slip.
    """
    found = Competitions({}, [], [])
    for folder in folders:
        found.faults.extend(_misplaced(folder))
        paths: dict[str, Path] = {}
        for path in yaml_files(folder / FOLDER):
            if first := paths.get(path.stem):
                found.faults.append(Fault(path, f"{path}: {first.name} beside it is the same edition; keep one"))
                continue
            paths[path.stem] = path
            replaced = found.editions.pop(path.stem, None)
            try:
                found.editions[path.stem] = read_edition(path)
            except SetupError as error:
                unused = f"\n{replaced.path} is not used in its place" if replaced else ""
                found.faults.append(Fault(path, f"{error}{unused}"))
            else:
                found.notes.extend([f"{path.stem}: {path} is used, not {replaced.path}"] if replaced else [])
    return Competitions(dict(sorted(found.editions.items())), found.faults, found.notes)


def read_edition(path: Path) -> Edition:
    """Read and check one edition's file.

    Raises:
        SetupError: It is not as it must be; names file and line of every fault, and its cure.
    """
    document = read_document(path)
    model = document.read_as(_EditionModel)
    problems = list(_problems(model, path.stem))
    if problems:
        raise document.refusal(problems)
    edition = _edition(model, document)
    try:  # what two spellings have in common, the matcher knows best
        Matcher([e.performer for e in edition.entrants], edition.rounds, _rules_without_page(edition))
    except SetupError as error:
        raise document.refusal([(("matching",), str(error))]) from None
    return edition


def _rules_without_page(edition: Edition) -> MatchRules:
    """Rules as far as they can be checked: aliases may be of performers whom only the results page lists."""
    return replace(edition.rules, aliases={}) if edition.results_page else edition.rules


def _misplaced(folder: Path) -> Iterator[Fault]:
    """An edition that lies beside the folder of editions would else be overlooked."""
    for path in yaml_files(folder):
        if path.stem not in _OTHER_FILES:
            yield Fault(path, f"{path}: is not read here; if it is an edition, move it to {folder / FOLDER}")


# ------------------------------------------------------------------------------------------------------ the file's form


class _Result(CatalogueModel):
    performer: Name
    country: OptionalText = None
    placement: Annotated[int, Field(ge=1, le=999)] | None = None
    eliminated_in: str | None = None
    withdrew_in: str | None = None


class _Recording(CatalogueModel):
    url: RecordingAddress
    performer: Name
    round: str
    piece: OptionalText = None


class _Recordings(CatalogueModel):
    addresses: Annotated[list[_Recording], Field(min_length=1)] | None = None
    playlist: ListingAddress | None = None
    channel: ListingAddress | None = None
    folder: PathText | None = None
    max_videos: Annotated[int, Field(ge=1)] | None = None


class _Matching(CatalogueModel):
    rounds: dict[str, Texts] = Field(default_factory=dict)
    aliases: dict[str, Texts] = Field(default_factory=dict)
    exclude: Texts = Field(default_factory=list)
    default_round: str | None = None
    boilerplate: Texts = Field(default_factory=list)


class _Columns(CatalogueModel):
    performer: Text
    country: Text | None = None
    placement: Text | None = None
    round: Text | None = None


class _Page(CatalogueModel):
    url: Address
    table: Annotated[int, Field(ge=0)] | None = None
    columns: _Columns
    rounds: dict[str, str | None] = Field(default_factory=dict)


def _nothing_yet(value: Any) -> Any:
    return {} if isinstance(value, str) and value.strip().casefold() == NONE_YET else value


class _EditionModel(CatalogueModel):
    competition: str
    year: Annotated[int, Field(ge=1800, le=2200)]
    name: Name
    rounds: Annotated[list[str], Field(min_length=1)]
    results: list[_Result]
    recordings: Annotated[_Recordings, BeforeValidator(_nothing_yet)]
    sources: list[Address] = Field(default_factory=list)
    matching: _Matching = Field(default_factory=_Matching)
    results_page: _Page | None = None
    notes: str | None = None


# --------------------------------------------------------------------------------------------------------------- checks


def _problems(model: _EditionModel, stem: str) -> Iterator[Problem]:
    """What a model of single fields cannot see: names that must agree, and what excludes what."""
    yield from _key_problems(model, stem)
    yield from _round_problems(model)
    yield from _result_problems(model)
    yield from _recordings_problems(model)
    yield from _matching_problems(model)
    for text, meant in (model.results_page.rounds if model.results_page else {}).items():
        if meant is not None:
            yield from _round_problem(model, ("results_page", "rounds", text), meant)


def _key_problems(model: _EditionModel, stem: str) -> Iterator[Problem]:
    if not _ROUND.fullmatch(model.competition):
        yield ("competition",), f"competition '{model.competition}' must be lower-case letters and digits; rename it"
    elif (key := f"{model.competition}{model.year}") != stem:
        yield ("competition",), f"is edition '{key}', but the file is called '{stem}'; rename one of the two"


def _round_problems(model: _EditionModel) -> Iterator[Problem]:
    for number, name in enumerate(model.rounds):
        if not _ROUND.fullmatch(name):
            yield ("rounds", number), f"round '{name}' must be lower-case letters and digits, such as 'stage1'"
        if name in model.rounds[:number]:
            yield ("rounds", number), f"round '{name}' is named twice; drop one"


def _round_problem(model: _EditionModel, loc: Loc, name: str) -> Iterator[Problem]:
    if name not in model.rounds:
        yield loc, not_one_of("round", name, model.rounds)


def _result_problems(model: _EditionModel) -> Iterator[Problem]:
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


def _recordings_problems(model: _EditionModel) -> Iterator[Problem]:
    recordings = model.recordings
    given = [kind for kind in _KINDS if getattr(recordings, kind) is not None]
    if len(given) > 1:
        yield ("recordings",), f"{' and '.join(given)} are both given; keep one of them"
    if not given and recordings.model_fields_set:
        yield ("recordings",), f"names no recordings; give one of {', '.join(_KINDS)}, or write '{NONE_YET}'"
    if recordings.max_videos is not None and not (recordings.playlist or recordings.channel):
        yield ("recordings", "max_videos"), "max_videos is for a playlist or channel; drop it"
    known = _known_performers(model)
    seen: dict[str, Loc] = {}
    for number, recording in enumerate(recordings.addresses or []):
        loc: Loc = ("recordings", "addresses", number)
        yield from _round_problem(model, (*loc, "round"), recording.round)
        yield from _performer_problem(model, known, (*loc, "performer"), recording.performer)
        if (identity := video_id(recording.url)) in seen:  # ids are made of it
            first = int(seen[identity][-1]) + 1
            yield (*loc, "url"), f"'{recording.url}' is entry {first} of the addresses already; keep one of the two"
        seen.setdefault(identity, loc)


def _known_performers(model: _EditionModel) -> dict[str, str]:
    """Id of every name and alias -> the name in the results."""
    known = {performer_id(result.performer): result.performer for result in model.results}
    for performer, aliases in model.matching.aliases.items():
        if listed := known.get(performer_id(performer)):
            known |= {performer_id(alias): listed for alias in aliases if performer_id(alias) not in known}
    return known


def _performer_problem(model: _EditionModel, known: Mapping[str, str], loc: Loc, name: str) -> Iterator[Problem]:
    if model.results_page is not None:
        return  # the page may list the performer; `results_page.complete` looks again
    if performer_id(name) not in known:
        hint = did_you_mean(name, [result.performer for result in model.results])
        yield loc, f"performer '{name}' is not in the results.{hint} Add a result, or correct the name"


def _matching_problems(model: _EditionModel) -> Iterator[Problem]:
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


# -------------------------------------------------------------------------------------------------------- the dataclass


def _edition(model: _EditionModel, document: Document) -> Edition:
    known = _known_performers(model)
    rules = model.matching
    return Edition(
        key=document.path.stem,
        competition=model.competition,
        year=model.year,
        name=model.name,
        rounds=tuple(model.rounds),
        entrants=tuple(
            Entrant(r.performer, r.country or "", r.placement, r.eliminated_in, r.withdrew_in) for r in model.results
        ),
        recordings=_where(model.recordings, known, document.path),
        rules=MatchRules(
            rounds={name: tuple(spellings) for name, spellings in rules.rounds.items()},
            aliases={known.get(performer_id(name), name): tuple(aliases) for name, aliases in rules.aliases.items()},
            exclude=tuple(rules.exclude),
            default_round=rules.default_round or "",
            boilerplate=tuple(rules.boilerplate),
        ),
        results_page=_page(model),
        path=document.path,
        sources=tuple(model.sources),
        notes=(model.notes or "").strip(),
    )


def _where(model: _Recordings, known: Mapping[str, str], path: Path) -> Addresses | Listing | LocalFolder | NoneYet:
    if model.addresses is not None:
        recordings = (
            Recording(r.url, known.get(performer_id(r.performer), r.performer), r.round, r.piece or "")
            for r in model.addresses
        )
        return Addresses(tuple(recordings))
    if model.playlist is not None:
        return Listing(model.playlist, "playlist", model.max_videos)
    if model.channel is not None:
        return Listing(model.channel, "channel", model.max_videos)
    if model.folder is not None:
        return LocalFolder((path.parent / Path(model.folder).expanduser()).absolute())
    return NoneYet()


def _page(model: _EditionModel) -> ResultsPage | None:
    page = model.results_page
    if page is None:
        return None
    columns = page.columns.model_dump(exclude_none=True)
    return ResultsPage(page.url, columns, page.table, dict(page.rounds), tuple(model.rounds))
