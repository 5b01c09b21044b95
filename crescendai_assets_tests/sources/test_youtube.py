"""What a channel should hold, by what it listed last: its filters, and whose a video of several channels is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.layout import Partition, Tier, open_lake
from crescendai_assets.lake.schemas import DISCARDED, DISCOVERED, YOUTUBE_RECORDINGS
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.sources.channels import Channel, Channels
from crescendai_assets.sources.collecting import Listing
from crescendai_assets.sources.download import Acquired, Downloader, DownloadSettings, Entry, Wanted
from crescendai_assets.sources.youtube import claims, collect_channel, judged, plan_channel
from crescendai_assets_tests.builders import digest, video_row


def channel(key: str, **rules: Any) -> Channel:
    return Channel(key, key.title(), "recital", **{"url": f"https://site.example/{key}", "min_seconds": 0.0, **rules})


def catalogue(*channels: Channel) -> Channels:
    return Channels(list(channels), [], [])


def entry(video_id: str, title: str = "Étude", duration: float | None = 300.0, unavailable: str = "") -> Entry:
    return Entry(video_id, f"https://site.example/{video_id}", title, duration, unavailable)


def listed(tier: Tier, key: str, *entries: Entry) -> Partition:
    """A channel that listed these when it was asked last."""
    partition = tier.partition(key)
    rows = [{**vars(one), "place": place} for place, one in enumerate(entries)]
    DISCOVERED.write(partition.discovered, rows)
    return partition


def videos(planned: Listing) -> list[str]:
    return [str(one.columns["video_id"]) for one in planned.recordings.values()]


@pytest.fixture
def tier(tmp_path) -> Tier:
    return open_lake(tmp_path / "lake").tier("youtube")


# one channel


def test_a_video_of_a_channel_becomes_a_recording_under_its_id(tier):
    partition = listed(tier, "one", entry("a", "Étude in C"))
    planned = plan_channel(partition, catalogue(channel("one")))
    (one,) = planned.recordings.values()
    assert (one.recording_id, one.url, one.file) == ("yt_a", "https://site.example/a", "")
    assert one.columns == {"video_id": "a", "title": "Étude in C", "channel": "One"}
    assert (planned.folder, planned.unusable, planned.passed_over) == (None, {}, ())


def test_a_channel_that_was_never_asked_holds_nothing(tier):
    assert plan_channel(tier.partition("one"), catalogue(channel("one"))).recordings == {}


def test_a_channel_that_the_catalogue_does_not_name_is_refused_with_the_nearest(tier):
    with pytest.raises(SetupError, match=r"there is no channel 'onne'.*Did you mean 'one'"):
        plan_channel(tier.partition("onne"), catalogue(channel("one")))


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        (entry("x", "Interview at the piano"), "the title says 'interview'"),
        (entry("x", "Étude for violin"), "the title says none of 'piano'"),
        (entry("x", "Piano", 59.0), "lasts 59 s, less than 60 s"),
        (entry("x", "Piano", 4 * 3600.0), "lasts 4.0 h, more than 3 h"),
        (entry("x", "Piano", None, "private"), "private"),
        (entry("x", "Interview at the piano", None, "live"), "live"),
    ],
)
def test_what_the_rules_refuse_or_nobody_can_fetch_is_passed_over_with_the_reason(tier, refused, why):
    rules = channel("one", include=("piano",), exclude=("interview",), min_seconds=60.0)
    partition = listed(tier, "one", entry("a", "Piano"), refused, entry("b", "PIANO recital", None))
    planned = plan_channel(partition, catalogue(rules))
    assert videos(planned) == ["a", "b"]
    assert planned.passed_over == ((refused.title, why),)
    assert planned.unusable == {}


def test_videos_are_judged_in_the_channels_own_order(tier):
    partition = listed(tier, "one", *(entry(v, f"Interview {v}") for v in "zam"))
    planned = plan_channel(partition, catalogue(channel("one", exclude=("interview",))))
    assert [title for title, _ in planned.passed_over] == ["Interview z", "Interview a", "Interview m"]
    assert [row["video_id"] for row, _ in judged(partition, channel("one"))] == ["z", "a", "m"]


# several channels


def test_a_video_of_several_channels_belongs_to_the_first_in_catalogue_order(tier):
    channels = catalogue(channel("zeta"), channel("alpha"), channel("mid"))
    partitions = [
        listed(tier, "zeta", entry("s"), entry("z")),
        listed(tier, "alpha", entry("s", "The same"), entry("t"), entry("a")),
        listed(tier, "mid", entry("t"), entry("s"), entry("m")),
    ]
    planned = [plan_channel(partition, channels) for partition in partitions]
    assert [videos(one) for one in planned] == [["s", "z"], ["t", "a"], ["m"]]
    assert [one.passed_over for one in planned] == [
        (),
        (("The same", "belongs to Zeta, which comes first"),),
        (("Étude", "belongs to Alpha, which comes first"), ("Étude", "belongs to Zeta, which comes first")),
    ]


def test_the_first_of_several_earlier_channels_is_named_as_the_owner(tier):
    channels = catalogue(channel("one"), channel("two"), channel("three"))
    for key in ("one", "two"):
        listed(tier, key, entry("s"))
    planned = plan_channel(listed(tier, "three", entry("s")), channels)
    assert planned.passed_over == (("Étude", "belongs to One, which comes first"),)


@pytest.mark.parametrize(
    ("rules", "there"),
    [
        ({"exclude": ("etude",)}, entry("s")),
        ({"include": ("nocturne",)}, entry("s")),
        ({"min_seconds": 60.0}, entry("s", duration=3.0)),
        ({}, entry("s", unavailable="private")),
    ],
)
def test_an_earlier_channel_that_does_not_take_a_video_does_not_claim_it(tier, rules, there):
    listed(tier, "one", there)
    channels = catalogue(channel("one", **rules), channel("two"))
    assert videos(plan_channel(listed(tier, "two", entry("s")), channels)) == ["s"]


def test_claims_are_the_videos_that_a_channel_lists_and_takes(tier):
    one = channel("one", exclude=("interview",))
    listed(tier, "one", entry("a"), entry("b", "Interview"), entry("c", unavailable="deleted"))
    assert claims(tier, one) == {"a"}
    assert claims(tier, channel("unasked")) == set()


def test_a_video_refused_here_is_told_by_its_own_reason_whoever_claims_it(tier):
    listed(tier, "one", entry("s"))
    channels = catalogue(channel("one"), channel("two", exclude=("etude",)))
    planned = plan_channel(listed(tier, "two", entry("s")), channels)
    assert planned.passed_over == (("Étude", "the title says 'etude'"),)


def test_a_change_of_the_catalogues_order_moves_the_video(tier):
    one, two = listed(tier, "one", entry("s")), listed(tier, "two", entry("s"))
    swapped = catalogue(channel("two"), channel("one"))
    assert (videos(plan_channel(one, swapped)), videos(plan_channel(two, swapped))) == ([], ["s"])


# a folder


def test_a_folder_is_a_channel_of_its_files_judged_by_their_names(tier, tmp_path):
    folder = tmp_path / "mine"
    for name in ("Chopin_Étude.wav", "deep/Liszt.FLAC", "An interview.mp3", "notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"-")
    mine = channel("mine", url="", folder=folder, exclude=("interview",))
    planned = plan_channel(tier.partition("mine"), catalogue(mine))
    assert planned.folder == folder
    assert {one.file: one.columns["title"] for one in planned.recordings.values()} == {
        "Chopin_Étude.wav": "Chopin Étude",
        "deep/Liszt.FLAC": "Liszt",
    }
    assert all(
        (one.url, one.columns["channel"], i) == ("", "Mine", f"yt_{one.columns['video_id']}")
        for i, one in planned.recordings.items()
    )
    assert planned.passed_over == (("An interview", "the title says 'interview'"),)


def test_a_folder_claims_nothing_and_loses_nothing(tier, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"-")
    mine = channel("mine", url="", folder=tmp_path)
    (video_id,) = videos(plan_channel(tier.partition("mine"), catalogue(mine)))
    assert claims(tier, mine) == set()
    listed(tier, "one", entry(video_id))
    assert videos(plan_channel(tier.partition("mine"), catalogue(channel("one"), mine))) == [video_id]


def test_a_channel_that_became_a_folder_no_longer_claims_what_it_listed(tier, tmp_path):
    listed(tier, "mine", entry("s"))
    channels = catalogue(channel("mine", url="", folder=tmp_path), channel("two"))
    assert videos(plan_channel(listed(tier, "two", entry("s")), channels)) == ["s"]


def test_a_folder_that_is_not_there_is_told_and_does_not_empty_the_channel(tier, tmp_path):
    away = channel("mine", url="", folder=tmp_path / "unmounted")
    with pytest.raises(SetupError, match=r"channel 'Mine': folder .*unmounted: no such folder; correct the path"):
        plan_channel(tier.partition("mine"), catalogue(away))


def test_a_file_whose_name_is_no_utf8_waits_for_the_user_and_costs_nobody_else(tier, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"-")
    try:
        Path(os.fsdecode(os.fsencode(tmp_path / "b ") + b"\xe9.wav")).write_bytes(b"-")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    planned = plan_channel(tier.partition("mine"), catalogue(channel("mine", url="", folder=tmp_path)))
    assert [one.file for one in planned.recordings.values()] == ["a.wav"]
    assert len(planned.wanted()) == 1
    (error,) = planned.unusable.values()
    assert error.error_class == "needs_user"
    assert r"b \udce9.wav: its name is not UTF-8; rename the file" in str(error)


# collecting


class Site(Downloader):
    """Lists what it was given, and gives every address a sound; keeps what it was asked for."""

    def __init__(self, root: Path, entries: Sequence[Entry]) -> None:
        super().__init__(DownloadSettings(), root / "quota")
        self.entries, self.asked, self.lists = list(entries), list[str](), list[tuple[str, int | None]]()

    def listing(self, url: str, max_videos: int | None = None) -> list[Entry]:
        self.lists.append((url, max_videos))
        return self.entries

    def fetch_all(self, wanted: Sequence[Wanted], partial: Path) -> Iterator[tuple[Wanted, Acquired | RecordingError]]:
        for one in wanted:
            self.asked.append(one.url)
            one.copy.parent.mkdir(parents=True, exist_ok=True)
            one.copy.write_bytes(b"sound")
            yield one, Acquired(one.copy, digest(one.url), 5, 9.0, "", "", "", "generic", "opus", "webm", one.url)


def table(partition: Partition) -> dict[str, Row]:
    return {row["recording_id"]: row for row in read_rows(partition.stage("recordings").table)}


def test_a_channel_is_asked_for_as_many_videos_as_its_rules_say_and_a_folder_for_none(tier, tmp_path):
    site = Site(tmp_path, [entry("a")])
    (tmp_path / "mine").mkdir()
    channels = catalogue(channel("one", max_videos=7), channel("mine", url="", folder=tmp_path / "mine"))
    for key in ("one", "mine"):
        collect_channel(tier.partition(key), channels, site)
    assert site.lists == [("https://site.example/one", 7)]
    assert not tier.partition("mine").discovered.exists()


def test_a_video_that_changes_hands_moves_its_row_and_its_copy_stays_where_it_is(tier, tmp_path):
    two, one = tier.partition("two"), tier.partition("one")
    channels = catalogue(channel("one"), channel("two"))
    site = Site(tmp_path, [entry("s"), entry("t")])
    collect_channel(two, channels, site)
    site.entries = [entry("s")]
    site.asked.clear()
    collect_channel(one, channels, site)
    assert (site.asked, set(table(one)), set(table(two))) == ([], {"yt_s"}, {"yt_s", "yt_t"})
    assert (table(one)["yt_s"]["channel"], table(one)["yt_s"]["sha256"]) == ("One", table(two)["yt_s"]["sha256"])
    site.entries = [entry("s"), entry("t")]
    report = collect_channel(two, channels, site)
    assert (set(table(two)), report.pruned) == ({"yt_t"}, 0)
    assert (one.audio / "yt_s.wav").is_file()


def test_a_video_that_changes_hands_after_its_audio_was_discarded_is_fetched_for_what_is_still_to_be_done(
    tier, tmp_path
):
    two = tier.partition("two")
    YOUTUBE_RECORDINGS.write(two.stage("recordings").table, [video_row("s", state=DISCARDED)])
    one, site = tier.partition("one"), Site(tmp_path, [entry("s")])
    collect_channel(one, catalogue(channel("one"), channel("two")), site)
    assert site.asked == ["https://site.example/s"]
    assert table(one)["yt_s"]["state"] == "working copy"
    assert (one.audio / "yt_s.wav").is_file()
