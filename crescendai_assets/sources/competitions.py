"""Editions of piano competitions: who took part, how each came out, and where recordings are, from the catalogue.

Here: what an edition is, the order of outcomes, and reading the catalogue's folders. Not here: the form of an
edition's file and its checks (`edition_file`), reading results off a page (`results_page`), which title is whose
(`matching`), fetching.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.sources.catalogue_words import did_you_mean
from crescendai_assets.sources.catalogue_yaml import Document, Fault, read_document, yaml_files
from crescendai_assets.sources.catalogue_yaml import catalogue_folders as catalogue_folders
from crescendai_assets.sources.edition_file import EditionFile, RecordingsEntry, known_performers, problems
from crescendai_assets.sources.matching import Matcher, MatchRules
from crescendai_assets.sources.performers import performer_id

FOLDER = "competitions"

_OTHER_FILES = {"channels", "sources", "taxonomy"}


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
    model = document.read_as(EditionFile)
    if found := list(problems(model, path.stem)):
        raise document.refusal(found)
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


def _edition(model: EditionFile, document: Document) -> Edition:
    known = known_performers(model)
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


def _where(model: RecordingsEntry, known: Mapping[str, str], path: Path) -> Addresses | Listing | LocalFolder | NoneYet:
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


def _page(model: EditionFile) -> ResultsPage | None:
    page = model.results_page
    if page is None:
        return None
    columns = page.columns.model_dump(exclude_none=True)
    return ResultsPage(page.url, columns, page.table, dict(page.rounds), tuple(model.rounds))
