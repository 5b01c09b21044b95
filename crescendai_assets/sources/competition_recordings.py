"""T2: the recordings of a competition edition, each with its performer, round and outcome.

From addresses that the edition's file names one by one, from a playlist or channel whose titles are matched, or from a
folder whose file names are. What titles do not tell for sure stays in the ledger until a person decides. Results and
their order are `competitions`' business, titles `matching`'s, bringing recordings into the lake `collecting`'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.schemas import COMPETITION_RECORDINGS
from crescendai_assets.lake.stage import Options, Progress, StageReport, silent
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.lake.text import slug
from crescendai_assets.sources import collecting
from crescendai_assets.sources.collecting import Listed, collect, discover, told_last
from crescendai_assets.sources.competitions import Addresses, Edition, Entrant, Listing, LocalFolder, NoneYet
from crescendai_assets.sources.download import Downloader
from crescendai_assets.sources.download.web_ids import canonical_url, video_id
from crescendai_assets.sources.in_place import audio_files, file_id, name_fault
from crescendai_assets.sources.matching import Excluded, Match, Matcher
from crescendai_assets.sources.results_page import complete
from crescendai_assets.sources.results_page_fetch import fetch_page

INHERITED = (
    "performer",
    "piece",
    "round",
    "round_index",
    "placement",
    "eliminated_in",
    "outcome_rank",
    "competition",
    "edition",
    "country",
    "source_url",
)
"""Columns of a recording that each of its segments carries."""

_PAGE = "results_page.html"


def collect_edition(
    partition: Partition,
    edition: Edition,
    downloader: Downloader,
    *,
    refetch: bool = False,
    options: Options = Options(),
    progress: Progress = silent,
) -> StageReport:
    """Read results page and listing where the edition names them, and bring its recordings into the lake.

    Args:
        partition: The edition's.
        edition: From the catalogue.
        downloader: Reaches the site.
        refetch: Make working copies again that were discarded.
        options: Limit, retries, pruning.
        progress: Gets lines for the log.

    Raises:
        SetupError: The page or the list cannot be read, the site blocks, or the disk is full; commits stand.
    """
    faults: list[SetupError | None] = []
    if edition.results_page:
        faults.append(told_last(partition.folder / _PAGE, lambda: _read_page(partition, edition, progress), progress))
    if isinstance(source := edition.recordings, Listing):

        def ask() -> None:
            discover(partition, source.url, source.max_videos, downloader, progress)

        faults.append(told_last(partition.discovered, ask, progress))
    return collect(
        partition,
        COMPETITION_RECORDINGS,
        plan_edition(partition, edition),
        downloader,
        refetch=refetch,
        unanswered=next(filter(None, faults), None),
        options=options,
        progress=progress,
    )


def _read_page(partition: Partition, edition: Edition, progress: Progress) -> None:
    if edition.results_page:
        progress(f"reading results from {edition.results_page.url}")
        page = fetch_page(edition.results_page.url)
        complete(edition, lambda _url: page)  # refused here, it does not replace the one that was kept
        write_atomic(partition.folder / _PAGE, page)


def plan_edition(partition: Partition, edition: Edition) -> collecting.Listing:
    """What the edition should hold, by its file and by what page and list said last; neither is asked.

    Raises:
        SetupError: It names a folder that is not there.
    """
    edition = with_kept_page(partition, edition)
    match edition.recordings:
        case NoneYet():
            return collecting.Listing({})
        case Addresses(recordings):
            rows = (
                _listed(edition, r.performer, r.round, r.piece, video_id(r.url), url=canonical_url(r.url))
                for r in recordings
            )
            return collecting.Listing({row.recording_id: row for row in rows})
        case Listing():
            return _plan_titles(edition, _listed_titles(partition))
        case LocalFolder(folder):
            if not folder.is_dir():
                raise SetupError(f"{edition.path}: recordings: folder {folder}: no such folder; correct the path")
            return replace(_plan_titles(edition, _file_titles(edition, folder)), folder=folder)


def with_kept_page(partition: Partition, edition: Edition) -> Edition:
    """The edition with the results of its page, when it names one, as they were read last."""
    page = partition.folder / _PAGE
    if edition.results_page is None or not page.exists():
        return edition
    return complete(edition, lambda _url: page.read_bytes())


@dataclass(frozen=True)
class _Titled:
    """A recording that is known by its title: at an address, or a file."""

    video_id: str
    title: str
    url: str = ""
    file: str = ""
    unavailable: str = ""


@dataclass
class _Found:
    """What titles told so far."""

    recordings: dict[str, Listed] = field(default_factory=dict)
    unusable: dict[str, RecordingError] = field(default_factory=dict)
    passed_over: list[tuple[str, str]] = field(default_factory=list)


def _plan_titles(edition: Edition, titles: Iterable[_Titled]) -> collecting.Listing:
    matcher = Matcher([e.performer for e in edition.entrants], edition.rounds, edition.rules)
    found = _Found()
    for one in titles:
        if fault := name_fault(one.file):
            found.unusable[f"{edition.key}_unmatched_{one.video_id}"] = fault
            continue
        if one.unavailable:
            found.passed_over.append((one.title, one.unavailable))
            continue
        told = matcher.match(one.title)
        if isinstance(told, Match) and (out := _went_out_before(edition, told)):
            reason = f"{told.performer} went out in {out}, and the title says {told.round}"
            found.unusable[f"{edition.key}_unmatched_{one.video_id}"] = _undecided(edition, one, reason)
        elif isinstance(told, Match):
            row = _listed(
                edition, told.performer, told.round, told.piece, one.video_id, one.title, url=one.url, file=one.file
            )
            found.recordings[row.recording_id] = row
        elif isinstance(told, Excluded):
            found.passed_over.append((one.title, told.reason))
        else:
            found.unusable[f"{edition.key}_unmatched_{one.video_id}"] = _undecided(edition, one, told.reason)
    return collecting.Listing(found.recordings, unusable=found.unusable, passed_over=tuple(found.passed_over))


def _went_out_before(edition: Edition, told: Match) -> str:
    """The round that the performer was eliminated in, if it comes before the one that the title says."""
    entrant = edition.entrant(told.performer)
    out = entrant.eliminated_in if entrant else None
    return out if out and edition.rounds.index(told.round) > edition.rounds.index(out) else ""


def _undecided(edition: Edition, one: _Titled, reason: str) -> RecordingError:
    return RecordingError(
        f"'{one.title}' ({one.url or one.file}): {reason}. Say in {edition.path.name} which it is: a spelling under "
        "matching (rounds, aliases, exclude), or the address under recordings",
        "needs_user",
    )


def _listed(
    edition: Edition,
    performer: str,
    round_: str,
    piece: str,
    video: str,
    title: str = "",
    *,
    url: str = "",
    file: str = "",
) -> Listed:
    entrant = edition.entrant(performer) or Entrant(performer)
    columns: Row = {
        "video_id": video,
        "performer": entrant.performer,
        "piece": piece,
        "round": round_,
        "round_index": edition.rounds.index(round_),
        "placement": entrant.placement,
        "eliminated_in": entrant.eliminated_in,
        "outcome_rank": edition.outcome_rank(entrant.performer),
        "competition": edition.competition,
        "edition": edition.key,
        "country": entrant.country,
        "title": title,
    }
    recording_id = "_".join((edition.key, round_, slug(entrant.performer) or "performer", video))
    return Listed(recording_id, columns, url=url, file=file)


def _listed_titles(partition: Partition) -> Iterable[_Titled]:
    for row in sorted(read_rows(partition.discovered), key=lambda row: int(row["place"])):
        yield _Titled(row["video_id"], row["title"], url=row["url"], unavailable=row["unavailable"])


def _file_titles(edition: Edition, folder: Path) -> Iterable[_Titled]:
    for name in audio_files(folder):
        title = name.rpartition("/")[2].rpartition(".")[0].replace("_", " ")
        yield _Titled(file_id(edition.key, name), title, file=name)
