"""Results of an edition read off a page on the web, beside those that its file lists.

Here: the table picked out of the page, outcomes out of its cells, and the rule by which page and file are joined. Not
here: the request (`results_page_fetch`) and the file's form (`competitions`).
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.text import folded
from crescendai_assets.sources.catalogue_fields import clean_name, clean_text
from crescendai_assets.sources.catalogue_words import did_you_mean
from crescendai_assets.sources.competitions import Addresses, Edition, Entrant, ResultsPage
from crescendai_assets.sources.matching import Matcher
from crescendai_assets.sources.performers import performer_id
from crescendai_assets.sources.results_page_fetch import CURE, fetch_page

if TYPE_CHECKING:
    import pandas as pd

MAX_CELLS = 1_000_000  # a cell may say that it spans a billion columns, and pandas would write them all out

_FOOTNOTE = re.compile(r"\[[^\[\]]{1,4}\]|[*†‡]+$")
_NOTHING = {"", "none", "no prize", "not placed", "n a", "na"}
_FILLERS = {"no", "nr", "t", "the", "ex", "aequo", "tie", "tied", "joint", "shared", "equal", "winner", "laureate"}
_FILLERS |= {
    "place",
    "placed",
    "prize",
    "award",
    "medal",
    "medalist",
    "medallist",
    "prix",
    "preis",
    "nagroda",
    "premio",
}
_ORDINAL = re.compile(r"t?(\d{1,3})(?:st|nd|rd|th|er|ere|e|eme|o|a)?")
_LED_BY_PRIZE = re.compile(r"(\d{1,3})(?:st|nd|rd|th) (?:prize|place|medal)\b")
_WORDS = {
    word: number
    for number, words in enumerate(
        ("first i gold", "second ii silver", "third iii bronze", "fourth iv", "fifth v", "sixth vi", "seventh vii"),
        start=1,
    )
    for word in words.split()
}

Fetch = Callable[[str], bytes]
"""Address -> the body of the page."""


def complete(edition: Edition, fetch: Fetch | None = None) -> Edition:
    """The edition with the results of its page, when it names one, beside its own.

    Raises:
        SetupError: The page cannot be read, or an address or alias is of a performer whom neither file nor page lists.
    """
    if edition.results_page is None:
        return edition
    page = read_results_page(edition.results_page, fetch)
    whole = replace(edition, entrants=tuple(merge_results(edition.entrants, page)))
    try:
        Matcher([e.performer for e in whole.entrants], whole.rounds, whole.rules)
    except SetupError as error:
        raise SetupError(f"{edition.path}: matching: {error}") from None
    if not isinstance(whole.recordings, Addresses):
        return whole
    recordings = []
    for recording in whole.recordings.recordings:
        entrant = whole.entrant(recording.performer)
        if entrant is None:
            hint = did_you_mean(recording.performer, [e.performer for e in whole.entrants])
            raise SetupError(
                f"{edition.path}: performer '{recording.performer}' of {recording.url} is neither in its results nor "
                f"on {edition.results_page.url}.{hint} Add a result, or correct the name"
            )
        recordings.append(replace(recording, performer=entrant.performer))
    return replace(whole, recordings=Addresses(tuple(recordings)))


def merge_results(own: Iterable[Entrant], page: Iterable[Entrant]) -> list[Entrant]:
    """Join the results of a file with those of a page; the file's entries win.

    A performer whom the file lists stands as the file has it, and only what the file leaves open (the country, or the
    outcome where it gives none) is taken from the page. Whom only the page lists follow in the page's order.
    """
    others = {performer_id(entrant.performer): entrant for entrant in page}
    merged = []
    for entrant in own:
        other = others.pop(performer_id(entrant.performer), None)
        merged.append(_filled(entrant, other) if other else entrant)
    return merged + list(others.values())


def read_results_page(page: ResultsPage, fetch: Fetch | None = None) -> list[Entrant]:
    """The entrants that a page lists, in its order.

    Args:
        page: Where it is and what its columns are.
        fetch: Gets the page, by default `fetch_page`.

    Raises:
        SetupError: The page cannot be fetched or holds no such table, or what a cell says cannot be told; such texts
            are listed, and `results_page.rounds` of the edition's file can say what they mean.
    """
    table = _table(page, (fetch or fetch_page)(page.url))
    found: dict[str, Entrant] = {}
    unclear: list[str] = []
    for cells in _rows(table, page):
        if not cells["performer"] or _folded(cells["performer"]) == _folded(page.columns["performer"]):
            continue  # a gap between groups, or the heading again
        entrant = _entrant(cells, page, unclear)
        before = found.get(performer_id(entrant.performer))
        if before and before.has_outcome and entrant.has_outcome and _outcome(before) != _outcome(entrant):
            raise SetupError(f"{page.url}: lists '{entrant.performer}' twice, with two outcomes. {CURE}")
        found[performer_id(entrant.performer)] = _filled(before, entrant) if before else entrant
    if unclear:
        shown = ", ".join(f"'{text}'" for text in dict.fromkeys(unclear))
        raise SetupError(
            f"{page.url}: cannot tell what {shown} says of a performer's outcome; add it under 'rounds' of "
            "results_page with the round it means, or with nothing behind it to leave the outcome open"
        )
    if not found:
        raise SetupError(f"{page.url}: its table lists nobody. {CURE}")
    return list(found.values())


def outcome_of(text: str, page: ResultsPage) -> tuple[int | None, str | None] | None:
    """What a cell says of an outcome.

    Args:
        text: The cell, such as `4th ex aequo`, `1st prize`, `III`, `semi-finalist`, `stage 2`, or nothing.
        page: Whose `outcomes` and `rounds` it is read by.

    Returns:
        Placement and the round of elimination, either or both None; None when it cannot be told.
    """
    said = _folded(text)
    for key, meant in page.outcomes.items():
        if _folded(key) == said:
            return None, meant
    if said in _NOTHING:
        return None, None
    joined = said.replace(" ", "")
    for name in page.rounds:
        if joined in (name, f"{name}s", f"{name}ist", f"{name}ists"):
            return None, name
    if joined in ("finalist", "finalists") and page.rounds:
        return None, page.rounds[-1]
    if led := _LED_BY_PRIZE.match(said):
        return int(led[1]), None
    places = {_place(word) for word in said.split() if word not in _FILLERS}
    if len(places) == 1 and (place := places.pop()):
        return place, None
    return None


def _table(page: ResultsPage, body: bytes) -> pd.DataFrame:
    import pandas as pd
    from lxml.etree import LxmlError  # type: ignore[import-untyped]

    try:
        body.decode("utf-8")
        encoding = "utf-8"  # lxml takes a page that does not say for Latin-1
    except UnicodeDecodeError:
        encoding = None
    try:
        _refuse_bomb(page, body)
        stream: Any = io.BytesIO(body)  # the stubs know text only
        tables = pd.read_html(stream, flavor="lxml", encoding=encoding, keep_default_na=False)
    except (ValueError, LxmlError) as error:
        raise SetupError(f"{page.url}: holds no table that can be read ({error}). {CURE}") from None
    if page.table is not None:
        if page.table >= len(tables):
            raise SetupError(f"{page.url}: has {len(tables)} tables, so none of number {page.table} from 0. {CURE}")
        return tables[page.table]
    wanted = {_folded(heading) for heading in page.columns.values()}
    for table in tables:
        if wanted <= {_folded(_heading(column)) for column in table.columns}:
            return table
    headings = "; ".join(", ".join(map(_heading, table.columns)) for table in tables[:5])
    raise SetupError(
        f"{page.url}: no table has all the columns {', '.join(page.columns.values())} (there are: {headings}). {CURE}"
    )


def _refuse_bomb(page: ResultsPage, body: bytes) -> None:
    """Refuse a page that is small and says that it is huge."""
    from lxml import html  # type: ignore[import-untyped]

    cells = 0
    for cell in html.document_fromstring(body).iter("td", "th"):
        cells += abs(int(cell.get("colspan") or 1) * int(cell.get("rowspan") or 1))
        if cells > MAX_CELLS:
            raise SetupError(f"{page.url}: its tables span more than {MAX_CELLS:,} cells. {CURE}")


def _rows(table: pd.DataFrame, page: ResultsPage) -> Iterable[dict[str, str]]:
    """Text of the named cells, row by row."""
    headings = [_heading(column) for column in table.columns]
    known = [_folded(heading) for heading in headings]
    positions = {}
    for name, heading in page.columns.items():
        if _folded(heading) not in known:
            raise SetupError(
                f"{page.url}: its table has no column '{heading}' (there are {', '.join(headings)})."
                f"{did_you_mean(heading, headings)} {CURE}"
            )
        positions[name] = known.index(_folded(heading))
    for row in table.itertuples(index=False, name=None):
        yield {name: _cell(row[position]) for name, position in positions.items()}


def _entrant(cells: Mapping[str, str], page: ResultsPage, unclear: list[str]) -> Entrant:
    try:
        performer = clean_name(cells["performer"])
        country = clean_text(cells["country"]) if cells.get("country") else ""
    except ValueError as error:
        raise SetupError(f"{page.url}: the row of '{cells['performer'][:60]}' {error}. {CURE}") from None
    placement: int | None = None
    eliminated_in: str | None = None
    for column in ("placement", "round"):
        text = cells.get(column, "")
        said = outcome_of(text, page)
        if said is None:
            unclear.append(text)
            continue
        placement = placement or said[0]
        eliminated_in = eliminated_in or said[1]
    return Entrant(performer, country, placement, None if placement else eliminated_in)


def _place(word: str) -> int | None:
    if found := _ORDINAL.fullmatch(word):
        return int(found[1]) or None
    return _WORDS.get(word)


def _filled(entrant: Entrant, other: Entrant) -> Entrant:
    """The entrant, with what it leaves open from the other."""
    country = entrant.country or other.country
    if entrant.has_outcome:
        return replace(entrant, country=country)
    return replace(other, performer=entrant.performer, country=country)


def _outcome(entrant: Entrant) -> Sequence[object]:
    return entrant.placement, entrant.eliminated_in


def _heading(column: Any) -> str:
    """A column's heading; of headings in several lines the different ones."""
    parts = column if isinstance(column, tuple) else (column,)
    return " ".join(dict.fromkeys(str(part) for part in parts if not str(part).startswith("Unnamed:")))


def _cell(value: Any) -> str:
    """Text of a cell; pandas makes a column of places 1.0, 2.0 and NaN where some are blank."""
    if isinstance(value, float):
        return "" if value != value else f"{value:g}"
    return _FOOTNOTE.sub("", " ".join(str(value).split())).strip()


def _folded(text: str) -> str:
    """Letters and digits in lower case without accents, other things as one space."""
    return " ".join(re.findall(r"[^\W_]+", folded(text)))
