"""What a partition already has, what only changed its labels, what is left to fetch; the site here is a stand-in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.layout import Partition, open_lake
from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.schemas import DISCARDED, DISCOVERED, YOUTUBE_RECORDINGS
from crescendai_assets.lake.stage import Options, StageReport
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.sources.collecting import Listed, Listing, collect, discover, drop_copies
from crescendai_assets.sources.download import Acquired, Downloader, DownloadSettings, Entry, Wanted
from crescendai_assets.sources.in_place import hashed
from crescendai_assets_tests.builders import contents, digest, tone, video_row, write_sound


class Site(Downloader):
    """Gives every address a sound of its own; `most` is its quota, `broken` what it refuses."""

    def __init__(self, root: Path, audio_format: str = "wav") -> None:
        super().__init__(DownloadSettings(audio_format=audio_format), root / "quota")
        self.asked: list[str] = []
        self.broken: dict[str, RecordingError] = {}
        self.most: int | None = None
        self.entries: list[Entry] | RecordingError = []

    def fetch_all(self, wanted: Sequence[Wanted], partial: Path) -> Iterator[tuple[Wanted, Acquired | RecordingError]]:
        for one in wanted:
            self.quota_used = self.most is not None and len(self.asked) >= self.most
            if self.quota_used:
                return
            self.asked.append(one.url)
            if error := self.broken.get(one.url):
                yield one, error
                continue
            one.copy.parent.mkdir(parents=True, exist_ok=True)
            one.copy.write_bytes(one.url.encode())
            yield one, acquired(one)

    def listing(self, url: str, max_videos: int | None = None) -> list[Entry]:
        self.asked.append(url)
        if isinstance(self.entries, RecordingError):
            raise self.entries
        return self.entries[:max_videos]


def acquired(one: Wanted) -> Acquired:
    return Acquired(
        path=one.copy,
        original_sha256=digest(one.url),
        bytes=len(one.url),
        duration=61.23456,
        title=f"{one.recording_id} as the site has it",
        channel="An uploader",
        upload_date="20210101",
        extractor="generic",
        codec="opus",
        native_ext="webm",
        webpage_url=one.url,
    )


def at(video_id: str, title: str = "", url: str = "", **columns: Any) -> Listed:
    """A video at an address."""
    labels = {"video_id": video_id, "title": title, "channel": "One", **columns}
    return Listed(f"yt_{video_id}", labels, url=url or f"https://site.example/{video_id}")


def lying(name: str, title: str = "Mine") -> Listed:
    """A file of a folder."""
    video_id = name.partition(".")[0]
    return Listed(f"yt_{video_id}", {"video_id": video_id, "title": title, "channel": "One"}, file=name)


def listing(*recordings: Listed, **other: Any) -> Listing:
    return Listing({one.recording_id: one for one in recordings}, **other)


@pytest.fixture
def channel(tmp_path: Path) -> Partition:
    return open_lake(tmp_path / "lake").tier("youtube").partition("one")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def run(channel: Partition, listed: Listing, site: Downloader, **settings: Any) -> StageReport:
    options = Options(**{k: settings.pop(k) for k in ("limit", "prune") if k in settings})
    if isinstance(site, Site):
        site.asked.clear()
    return collect(channel, YOUTUBE_RECORDINGS, listed, site, options=options, **settings)


def rows(channel: Partition) -> dict[str, Row]:
    return {row["recording_id"]: row for row in read_rows(channel.stage("recordings").table)}


def discard(channel: Partition, *recordings: str) -> None:
    """Let working copies go, as retention does."""
    gone = {"state": DISCARDED, "discarded_bytes": 27, "discarded_at": "2026-01-01T00:00:00+00:00"}
    table = [{**row, **gone} if i in recordings else row for i, row in rows(channel).items()]
    YOUTUBE_RECORDINGS.write(channel.stage("recordings").table, table)
    for recording_id in recordings:
        (channel.audio / f"{recording_id}.wav").unlink()


# what is fetched


def test_a_recording_is_fetched_once_and_described_by_catalogue_and_site(channel, site):
    listed = listing(at("a", "Nocturne"), at("b"))
    report = run(channel, listed, site)
    assert (report.succeeded, site.asked) == (2, ["https://site.example/a", "https://site.example/b"])
    assert rows(channel)["yt_a"] == {
        "recording_id": "yt_a",
        "video_id": "a",
        "title": "Nocturne",
        "channel": "One",
        "source_url": "https://site.example/a",
        "duration_seconds": 61.235,
        "audio_in": "lake",
        "audio_path": "audio/yt_a.wav",
        "bytes": 22,
        "sha256": digest("https://site.example/a"),
        "state": "working copy",
        "codec": "opus",
        "extractor": "generic",
        "upload_date": "20210101",
        "uploader": "An uploader",
        "fingerprint": listed.wanted()["yt_a"],
    }
    assert rows(channel)["yt_b"]["title"] == "yt_b as the site has it"
    again = run(channel, listed, site)
    assert (again.plan.pending, site.asked, again.digest) == ((), [], report.digest)


def test_working_copies_are_in_the_format_of_the_settings(channel, tmp_path):
    run(channel, listing(at("a")), Site(tmp_path, "flac"))
    assert rows(channel)["yt_a"]["audio_path"] == "audio/yt_a.flac"


def test_what_cannot_be_fetched_stands_in_the_ledger_and_costs_nobody_else(channel, site):
    site.broken = {"https://site.example/a": RecordingError("https://site.example/a: 404", "permanent")}
    report = run(channel, listing(at("a"), at("b")), site)
    assert (report.succeeded, report.failed_now, list(rows(channel))) == (1, 1, ["yt_b"])
    assert [f.message for f in report.failures] == ["https://site.example/a: 404"]
    assert run(channel, listing(at("a"), at("b")), site).plan.waiting == ("yt_a",)


def test_a_quota_that_is_used_up_leaves_the_rest_untried_and_says_so(channel, site):
    site.most, told = 1, list[str]()
    report = run(channel, listing(at("a"), at("b"), at("c")), site, progress=told.append)
    assert (report.succeeded, report.untried, report.hopeless, report.failures) == (1, 2, False, ())
    assert any("quota" in line for line in told)


def test_what_a_dead_run_left_half_written_is_cleared_and_a_live_ones_is_not(channel, site):
    channel.audio.mkdir(parents=True)
    dead, live = channel.audio / ".yt_x.wav.999999999-1.tmp", channel.audio / f".yt_x.wav.{os.getpid()}-1.tmp"
    for path in (dead, live):
        path.write_bytes(b"half")
    run(channel, listing(at("a")), site)
    assert (dead.exists(), live.exists()) == (False, True)


# what is there already


def test_labels_that_changed_are_written_again_without_fetching(channel, site):
    run(channel, listing(at("a"), at("b")), site)
    before, files = rows(channel), contents(channel.audio)
    report = run(channel, listing(at("a", "Nocturne", piece="Op. 9"), at("b")), site)
    assert (report.plan.stale, report.succeeded, site.asked) == (("yt_a",), 1, [])
    after = rows(channel)
    assert (after["yt_a"]["title"], after["yt_a"]["piece"]) == ("Nocturne", "Op. 9")
    labels = {"title", "piece", "fingerprint"}
    assert {k: v for k, v in after["yt_a"].items() if k not in labels} == {
        k: v for k, v in before["yt_a"].items() if k not in labels
    }
    assert (after["yt_b"], contents(channel.audio)) == (before["yt_b"], files)


def test_a_title_that_the_catalogue_no_longer_gives_stays_as_it_was(channel, site):
    run(channel, listing(at("a")), site)
    run(channel, listing(at("a", piece="Op. 9")), site)
    assert rows(channel)["yt_a"]["title"] == "yt_a as the site has it"


def test_labels_of_a_recording_whose_audio_was_discarded_are_written_without_fetching(channel, site):
    run(channel, listing(at("a")), site)
    discard(channel, "yt_a")
    before = rows(channel)["yt_a"]
    run(channel, listing(at("a", "Nocturne")), site)
    after = rows(channel)["yt_a"]
    assert (site.asked, after["title"]) == ([], "Nocturne")
    assert {**after, "title": before["title"], "fingerprint": before["fingerprint"]} == before
    assert not list(channel.audio.iterdir())


def test_a_discarded_recording_is_done(channel, site):
    run(channel, listing(at("a")), site)
    discard(channel, "yt_a")
    assert run(channel, listing(at("a")), site).plan.done == ("yt_a",)


def test_a_copy_that_was_lost_is_fetched_again_when_its_row_is_to_be_written(channel, site):
    run(channel, listing(at("a"), at("b")), site)
    (channel.audio / "yt_a.wav").unlink()
    run(channel, listing(at("a", "Nocturne"), at("b", "Waltz")), site)
    assert site.asked == ["https://site.example/a"]
    assert (channel.audio / "yt_a.wav").is_file()


def test_refetching_brings_back_what_was_discarded_or_lost_and_nothing_else(channel, site):
    listed = listing(at("a"), at("b"), at("c"))
    first = run(channel, listed, site)
    discard(channel, "yt_a")
    (channel.audio / "yt_b.wav").unlink()
    report = run(channel, listed, site, refetch=True)
    assert (report.plan.stale, site.asked) == (
        ("yt_a", "yt_b"),
        ["https://site.example/a", "https://site.example/b"],
    )
    assert {row["state"] for row in rows(channel).values()} == {"working copy"}
    assert len(list(channel.audio.iterdir())) == 3
    assert report.digest == first.digest
    assert run(channel, listed, site, refetch=True).plan.pending == ()
    assert run(channel, listed, site).plan.pending == ()


def test_refetching_under_new_labels_fetches_too(channel, site):
    run(channel, listing(at("a")), site)
    discard(channel, "yt_a")
    run(channel, listing(at("a", "Nocturne")), site, refetch=True)
    assert site.asked == ["https://site.example/a"]
    assert (rows(channel)["yt_a"]["state"], rows(channel)["yt_a"]["title"]) == ("working copy", "Nocturne")


@pytest.mark.parametrize("discarded", [False, True])
def test_another_address_is_another_recording_and_fetched(channel, site, discarded):
    run(channel, listing(at("a")), site)
    if discarded:
        discard(channel, "yt_a")
    run(channel, listing(at("a", url="https://other.example/a")), site)
    assert site.asked == ["https://other.example/a"]
    row = rows(channel)["yt_a"]
    assert (row["source_url"], row["sha256"]) == ("https://other.example/a", digest("https://other.example/a"))
    assert (channel.audio / "yt_a.wav").read_bytes() == b"https://other.example/a"


# what another partition holds


def adopting(channel: Partition, *held: Row, copies: bool = True) -> dict[str, Any]:
    """Settings of a run beside another channel that holds these rows."""
    channel.audio.mkdir(parents=True, exist_ok=True)
    for row in held if copies else ():
        (channel.tier.folder / row["audio_path"]).write_bytes(b"theirs")
    return {"adopted": lambda ids: {row["recording_id"]: row for row in held if row["recording_id"] in ids}}


def test_a_recording_that_another_partition_holds_is_adopted_and_not_fetched(channel, site):
    theirs = video_row("a", channel="Two", title="Theirs", codec="mp3")
    run(channel, listing(at("a"), at("b")), site, **adopting(channel, theirs))
    assert site.asked == ["https://site.example/b"]
    row = rows(channel)["yt_a"]
    assert (row["channel"], row["title"], row["codec"], row["sha256"]) == ("One", "Theirs", "mp3", theirs["sha256"])
    assert row["fingerprint"] == listing(at("a")).wanted()["yt_a"]
    assert (channel.audio / "yt_a.wav").read_bytes() == b"theirs"


@pytest.mark.parametrize(
    "held",
    [video_row("a", source_url="https://other.example/a"), video_row("a", audio_in="source", audio_path="a.wav")],
)
def test_a_row_of_another_address_or_of_a_users_file_is_not_adopted(channel, site, held):
    run(channel, listing(at("a")), site, **adopting(channel, held))
    assert site.asked == ["https://site.example/a"]


def test_a_row_whose_copy_is_not_there_is_not_adopted(channel, site):
    run(channel, listing(at("a")), site, **adopting(channel, video_row("a"), copies=False))
    assert site.asked == ["https://site.example/a"]


def test_other_partitions_are_asked_only_for_what_is_new_here(channel, site):
    asked: list[list[str]] = []

    def adopted(ids):
        asked.append(sorted(ids))
        return {}

    run(channel, listing(at("a")), site, adopted=adopted)
    run(channel, listing(at("a", "Nocturne")), site, adopted=adopted)
    run(channel, listing(at("a", "Waltz"), at("b")), site, adopted=adopted)
    assert asked == [["yt_a"], ["yt_b"]]


def test_what_another_partition_took_over_loses_its_row_at_once_and_keeps_its_file(channel, site):
    run(channel, listing(at("a"), at("b")), site)
    report = run(channel, listing(at("a")), site, released=set, prune=True)
    assert (list(rows(channel)), report.pruned) == (["yt_a"], 0)
    assert (channel.audio / "yt_b.wav").is_file()


# what lies in a folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    for number, name in enumerate(("a.wav", "b.flac")):
        write_sound(tmp_path / "mine" / name, tone(1 + number), 24_000)
    return tmp_path / "mine"


def test_files_of_a_folder_are_listed_where_they_lie_and_read_again_only_when_touched(channel, site, folder):
    mine = listing(lying("a.wav"), lying("b.flac"), folder=folder)
    before = contents(folder)
    report = run(channel, mine, site)
    found = rows(channel)
    assert [(r["audio_in"], r["audio_path"], r["state"], r["duration_seconds"]) for r in found.values()] == [
        ("source", "a.wav", "read in place", 1.0),
        ("source", "b.flac", "read in place", 2.0),
    ]
    assert (report.facts["working_copies_bytes"], report.facts["hours_of_audio"]) == (0, 0.001)
    assert (site.asked, contents(folder), channel.audio.exists()) == ([], before, False)
    assert run(channel, mine, site).plan.pending == ()

    never = {i: {**row, "sha256": digest("never read")} for i, row in found.items()}
    YOUTUBE_RECORDINGS.write(channel.stage("recordings").table, never.values())
    os.utime(folder / "b.flac", ns=(0, 0))
    report = run(channel, listing(lying("a.wav", "Renamed"), lying("b.flac"), folder=folder), site)
    assert report.plan.stale == ("yt_a", "yt_b")
    after = rows(channel)
    assert (after["yt_a"]["title"], after["yt_a"]["sha256"]) == ("Renamed", digest("never read"))
    assert after["yt_b"]["sha256"] == found["yt_b"]["sha256"]


def test_a_file_that_left_the_folder_or_holds_no_sound_costs_itself_only(channel, site, folder):
    (folder / "b.flac").write_bytes(b"no sound")
    report = run(channel, listing(lying("a.wav"), lying("b.flac"), lying("c.wav"), folder=folder), site)
    assert [(f.recording_id, f.error_class) for f in report.failures] == [("yt_c", "needs_user")]
    # what is no sound is told when it is cut
    assert {i: row["duration_seconds"] for i, row in rows(channel).items()} == {"yt_a": 1.0, "yt_b": 0.0}


def test_a_file_that_changes_while_it_is_listed_is_stale_for_the_next_run(channel, site, folder, monkeypatch):
    def hashed_and_replaced(root, name, before):
        row = read(root, name, before)
        shutil.copy(folder / "b.flac", folder / "a.wav")
        return row

    read = hashed
    mine = listing(lying("a.wav"), folder=folder)
    with monkeypatch.context() as patched:
        patched.setattr("crescendai_assets.sources.collecting.hashed", hashed_and_replaced)
        run(channel, mine, site)
    assert run(channel, mine, site).plan.stale == ("yt_a",)
    assert rows(channel)["yt_a"]["bytes"] == (folder / "b.flac").stat().st_size


def test_a_file_without_a_folder_is_a_slip_of_the_catalogue_and_told(channel, site):
    with pytest.raises(SetupError, match="yt_a: lies in a folder, and the catalogue names none"):
        run(channel, listing(lying("a.wav")), site)


# what leaves


def test_what_left_the_listing_stays_until_it_is_pruned_with_its_copy(channel, site):
    run(channel, listing(at("a"), at("b")), site)
    report = run(channel, listing(at("a")), site)
    assert (report.plan.removed, report.pruned, list(rows(channel))) == (("yt_b",), 0, ["yt_a", "yt_b"])
    report = run(channel, listing(at("a")), site, prune=True)
    assert (report.pruned, list(rows(channel))) == (1, ["yt_a"])
    assert [path.name for path in channel.audio.iterdir()] == ["yt_a.wav"]


def test_pruning_a_folder_takes_rows_and_leaves_the_users_files(channel, site, folder):
    run(channel, listing(lying("a.wav"), lying("b.flac"), folder=folder), site)
    before = contents(folder)
    report = run(channel, listing(lying("a.wav"), folder=folder), site, prune=True)
    assert (report.pruned, list(rows(channel)), contents(folder)) == (1, ["yt_a"], before)


@pytest.mark.parametrize("recording_id", ["yt_a", "yt_a-b", "yt_ab", "yt_a_b"])
def test_dropping_copies_takes_that_recordings_own_files_and_no_others(channel, recording_id):
    ids = ["yt_a", "yt_a-b", "yt_ab", "yt_a_b"]
    for folder in (channel.audio, channel.partial):
        folder.mkdir(parents=True)
    for i in ids:
        for path in (
            channel.audio / f"{i}.wav",
            channel.audio / f"{i}.flac",
            channel.partial / f"{i}.0123456789.webm",
            channel.partial / f"{i}.0123456789.webm.part",
        ):
            path.write_bytes(b"-")
    before = set(contents(channel.tier.folder))
    drop_copies(channel, recording_id)
    gone = before - set(contents(channel.tier.folder))
    assert {Path(name).name.partition(".")[0] for name in gone} == {recording_id}
    assert len(gone) == 4
    drop_copies(channel, recording_id)


def test_dropping_copies_of_what_was_never_fetched_does_nothing(channel):
    drop_copies(channel, "yt_a")
    assert not channel.folder.exists()


# what is shown and what decides


def test_what_cannot_be_used_until_decided_stands_in_the_ledger_as_long_as_it_is_listed(channel, site):
    undecided = {"unmatched_x": RecordingError("'Etude': no performer", "needs_user")}
    report = run(channel, listing(at("a"), unusable=undecided), site)
    assert (report.facts["unusable_until_decided"], report.plan.removed) == (1, ())
    assert set(read_failures(channel.stage("recordings").ledger)) == {"unmatched_x"}
    run(channel, listing(at("a")), site)
    assert read_failures(channel.stage("recordings").ledger) == {}


def test_facts_count_what_is_listed_passed_over_and_kept(channel, site):
    passed = (("An interview", "the title says 'interview'"), ("Short", "lasts 3 s"))
    listed = listing(at("a"), at("b"), at("c"), passed_over=passed)
    run(channel, listed, site)
    discard(channel, "yt_b")
    facts = run(channel, listed, site).facts
    assert facts == {
        "hours_of_audio": round(3 * 61.235 / 3600, 3),
        "listed": 3,
        "passed_over": 2,
        "unusable_until_decided": 0,
        "raw_audio_discarded": 1,
        "working_copies_bytes": 2 * len("https://site.example/a"),
    }


def test_a_file_of_the_cache_is_not_counted_for_a_users_file_of_the_same_path(channel, site, folder):
    (folder / "audio").mkdir()
    (folder / "a.wav").rename(folder / "audio" / "a.wav")
    channel.audio.mkdir(parents=True)
    (channel.audio / "a.wav").write_bytes(b"somebody else's")
    report = run(channel, listing(replace(lying("a.wav"), file="audio/a.wav"), folder=folder), site)
    assert (report.rows, report.facts["working_copies_bytes"]) == (1, 0)


@pytest.mark.parametrize(
    "changed",
    [
        replace(at("a"), columns={**at("a").columns, "title": "Nocturne"}),
        replace(at("a"), columns={**at("a").columns, "added": None}),
        replace(at("a"), url="https://site.example/b"),
        replace(at("a"), file="a.wav"),
    ],
)
def test_a_fingerprint_changes_with_each_label_the_address_and_the_file(changed):
    assert listing(changed).wanted() != listing(at("a")).wanted()


def test_a_fingerprint_does_not_change_with_what_is_listed_beside_it_or_the_order_of_labels():
    alone = listing(at("a")).wanted()["yt_a"]
    swapped = Listed("yt_a", dict(reversed(at("a").columns.items())), url=at("a").url)
    beside = listing(at("b"), swapped, passed_over=(("x", "y"),), unusable={"z": RecordingError("?")})
    assert beside.wanted()["yt_a"] == alone


def test_a_files_fingerprint_changes_when_it_is_touched_and_not_with_the_place_of_its_folder(folder, tmp_path):
    here = listing(lying("a.wav"), folder=folder).wanted()
    folder.rename(tmp_path / "moved")
    assert listing(lying("a.wav"), folder=tmp_path / "moved").wanted() == here
    os.utime(tmp_path / "moved" / "a.wav", ns=(0, 0))
    assert listing(lying("a.wav"), folder=tmp_path / "moved").wanted() != here


# what a channel lists


def test_what_a_channel_lists_is_kept_in_its_order(channel, site):
    site.entries = [Entry(v, f"https://site.example/{v}", v.upper(), 60.0) for v in "zax"]
    site.entries.append(Entry("p", "https://site.example/p", "[Private video]", None, "private"))
    told: list[str] = []
    discover(channel, "https://site.example/all", None, site, told.append)
    assert (site.asked, told[-1]) == (["https://site.example/all"], "4 videos listed")
    found = list(read_rows(channel.discovered))
    assert [DISCOVERED.fault(row) for row in found] == [None] * 4
    assert [row["video_id"] for row in sorted(found, key=lambda row: row["place"])] == ["z", "a", "x", "p"]
    assert next(row for row in found if row["video_id"] == "p")["unavailable"] == "private"
    discover(channel, "https://site.example/all", 1, site)
    assert [row["video_id"] for row in read_rows(channel.discovered)] == ["z"]


def test_a_list_that_cannot_be_read_stops_the_run_and_keeps_the_one_before(channel, site):
    site.entries = [Entry("a", "https://site.example/a", "A", 60.0)]
    discover(channel, "https://site.example/all", None, site)
    site.entries = RecordingError("https://site.example/all: 503", "retry")
    with pytest.raises(SetupError, match=r"the list of recordings cannot be read: https://site\.example/all: 503"):
        discover(channel, "https://site.example/all", None, site)
    assert len(list(read_rows(channel.discovered))) == 1
