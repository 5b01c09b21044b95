from __future__ import annotations

import json

import pytest

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.files import checked_id
from crescendai_assets.sources.download.errors import FetchError
from crescendai_assets.sources.download.listing import Entry, Nested, collected, flat_entry
from crescendai_assets_tests.shared_data import DATA, needs_shared

CHANNEL = "https://www.youtube.com/@someone/videos"
FEED = "https://piano.example/podcast/feed.xml"
ID = "-MoFwJmGGa4"


def read(name):
    text = (DATA / "ytdlp" / name).read_text()
    return [json.loads(line) for line in text.splitlines()] if name.endswith("l") else json.loads(text)


def nothing(inner):
    raise AssertionError(f"{inner} was to be opened")


def test_a_video_of_a_channel():
    raw = {
        "_type": "url",
        "ie_key": "Youtube",
        "id": "x",
        "url": f"https://www.youtube.com/shorts/{ID}",
        "title": "a\nb",
    }
    watch = f"https://www.youtube.com/watch?v={ID}"
    assert flat_entry({**raw, "duration": 62}, CHANNEL) == Entry(ID, watch, "a b", 62.0, "")


@pytest.mark.parametrize("duration", [None, 0, -5, float("nan"), float("inf"), "62", True, []])
def test_a_duration_of_no_use_is_none(duration):
    found = flat_entry({"_type": "url", "url": f"https://youtu.be/{ID}", "duration": duration}, CHANNEL)
    assert isinstance(found, Entry)
    assert found.duration is None


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"title": "[Private video]"}, "private"),
        ({"title": "[Deleted video]"}, "deleted"),
        ({"title": "Deleted video", "duration": 62}, ""),
        ({"availability": "private"}, "private"),
        ({"availability": "needs_auth"}, ""),
        ({"availability": "subscriber_only"}, ""),
        ({"live_status": "is_live"}, "live"),
        ({"live_status": "post_live"}, "live"),
        ({"live_status": "is_upcoming"}, "upcoming"),
        ({"live_status": "was_live"}, ""),
        ({"live_status": ["is_live"]}, ""),
        ({"title": ["a", "list"]}, ""),
    ],
)
def test_what_speaks_against_fetching_a_video_is_said(more, reason):
    found = flat_entry({"_type": "url", "url": f"https://youtu.be/{ID}", **more}, CHANNEL)
    assert isinstance(found, Entry)
    assert found.unavailable == reason


@pytest.mark.parametrize(
    "raw", [None, [], "x", 7, {}, {"title": "no address"}, {"id": "x"}, {"_type": "playlist", "id": "UC1"}]
)
def test_what_has_neither_address_nor_id_is_no_entry(raw):
    assert flat_entry(raw, FEED) is None


def test_addresses_in_a_feed_are_read_against_the_feeds_own():
    smuggled = "take1.mp3#__youtubedl_smuggle=%7B%22force_videoid%22%3A+%22..%2Fx%22%7D"
    found = flat_entry({"_type": "url_transparent", "url": smuggled, "title": "Take 1"}, FEED)
    assert isinstance(found, Entry)
    assert found.url == "https://piano.example/podcast/take1.mp3"
    assert found.video_id.startswith("take1-")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://piano.example/a.mp3",
        "data:audio/wav;base64,AAAA",
        "javascript:1",
        "http://[::1/x",
        "kaltura:1:2",
        r"\\host\x",
        "x" * 5000 + ":y",
    ],
)
def test_an_entry_with_an_address_of_another_kind_is_seen_and_never_fetched(url):
    found = flat_entry({"_type": "url", "url": url, "title": "x"}, FEED)
    assert isinstance(found, Entry)
    assert found.unavailable == "its address is not one of http or https" or found.url.startswith(
        "https://piano.example/"
    )
    assert checked_id(found.video_id) == found.video_id


@pytest.mark.parametrize(
    "bad", ["../../etc/passwd", "a\x00b", "x" * 300, "аbсdеfghijk", ".", "", "\ud800", "a/b", "CON"]
)
def test_no_id_of_a_list_becomes_an_id_here(bad):
    for raw in (
        {"_type": "url", "id": bad, "url": "https://piano.example/a.mp3", "title": bad},
        {"_type": "url", "ie_key": "Youtube", "id": bad, "url": None, "title": bad},
        {"id": bad, "title": bad},
    ):
        found = flat_entry(raw, CHANNEL)
        if found is None:
            assert not bad
            continue
        assert isinstance(found, Entry)
        assert checked_id(found.video_id) == found.video_id
        assert found.video_id != bad
        assert found.video_id.isascii()
        assert found.title.isprintable()


@pytest.mark.parametrize(
    "raw",
    [
        {"_type": "url", "ie_key": "YoutubeTab", "url": "https://www.youtube.com/playlist?list=PL1", "title": "x"},
        {"_type": "url", "url": "https://www.youtube.com/playlist?list=PL1", "title": "x"},
        {"_type": "playlist", "webpage_url": "https://www.youtube.com/playlist?list=PL1", "title": "x"},
    ],
)
def test_a_list_inside_a_list_is_told_from_a_video(raw):
    assert flat_entry(raw, CHANNEL) == Nested("https://www.youtube.com/playlist?list=PL1", "x")


def videos(*ids, **more):
    return [{"_type": "url", "url": f"https://youtu.be/{i}", "title": i, **more} for i in ids]


A, B, C, D = ("aaaaaaaaaaa", "bbbbbbbbbbb", "ccccccccccc", "ddddddddddd")


def ids(entries):
    return [entry.video_id for entry in entries]


def test_every_video_comes_once_and_in_order():
    raws = [*videos(B, A), None, *videos(B), {"url": f"https://www.youtube.com/live/{A}"}, *videos(C)]
    assert ids(collected(raws, CHANNEL, nothing)) == [B, A, C]


def test_no_more_is_asked_for_than_is_enough():
    asked = []

    def pages():
        for raw in [*videos(A, live_status="is_live"), *videos(B, B, C, D)]:
            asked.append(raw["title"])
            yield raw

    found = collected(pages(), CHANNEL, nothing, most=2)
    assert ids(found) == [A, B, C]
    assert asked == [A, B, B, C]


def test_lists_inside_a_list_are_opened_one_level_deep():
    inner = {"_type": "url", "ie_key": "YoutubeTab", "url": "https://www.youtube.com/playlist?list=PL1", "title": "x"}
    opened = []

    def expand(nested):
        opened.append(nested.url)
        return [*videos(B), inner, *videos(A)]

    embedded = {"_type": "playlist", "entries": videos(D)}
    assert ids(collected([*videos(A), inner, embedded, *videos(C)], CHANNEL, expand)) == [A, B, D, C]
    assert opened == ["https://www.youtube.com/playlist?list=PL1"]


def test_a_list_inside_that_cannot_be_had_is_an_entry_that_says_why():
    inner = {"_type": "url", "ie_key": "YoutubeTab", "url": "https://www.youtube.com/playlist?list=PL1", "title": "x"}

    def expand(nested):
        yield from videos(A)
        raise FetchError("it is private", "permanent")

    first, lost, last = collected([inner, *videos(B)], CHANNEL, expand)
    assert (first.video_id, last.video_id) == (A, B)
    assert (lost.url, lost.title, lost.unavailable) == (inner["url"], "x", "it is private")

    def broken(nested):
        raise FetchError("the network is down", "retry")

    with pytest.raises(RecordingError, match="network is down"):
        collected([inner], CHANNEL, broken)


@needs_shared
def test_recorded_listings_are_read_whole():
    lines = read("flat_playlist_lines.jsonl")
    found = collected(lines, CHANNEL, nothing)
    assert ids(found) == ["-MoFwJmGGa4", "mJ-4Iz506t0", "BHdbsHFs2P0", "iDRlnY8RpVQ"]
    assert [e.duration for e in found] == [3282.0, 1112.0, 1780.0, None]
    assert [bool(e.title) for e in found] == [True, True, True, False]
    assert not any(e.unavailable for e in found)
    dump = read("flat_playlist_dump_single.json")
    assert ids(collected(dump["entries"], dump["webpage_url"], nothing)) == [e["id"] for e in dump["entries"]]


@needs_shared
def test_odd_entries_are_read_without_losing_one():
    opened = []

    def expand(nested):
        opened.append(nested.url)
        return []

    found = collected(read("flat_odd_entries.jsonl"), CHANNEL, expand)
    assert {e.title: (e.video_id, e.unavailable) for e in found} == {
        "A flat entry with no url key": ("vid00000001", ""),
        "[Private video]": ("vid00000002", "private"),
        "[Deleted video]": ("vid00000003", "deleted"),
        "Deleted video": (found[3].video_id, "deleted"),
        "Now live": ("LiveLive123", "live"),
        "A short": ("abcdefghijk", ""),
    }
    assert opened == ["https://www.youtube.com/playlist?list=PLlist", "https://www.youtube.com/channel/UCchan"]


@needs_shared
def test_titles_of_a_real_channel_keep_their_accents_and_dashes():
    rows = read("icpc2015_youtube_dl_info.jsonl")
    raws = [{"_type": "url", "url": r["webpage_url"], "title": r["title"], "duration": r["duration"]} for r in rows]
    found = collected(raws, "https://www.youtube.com/user/chopininstitute/videos", nothing)
    assert len(found) == 763
    assert {e.video_id for e in found} == {r["id"] for r in rows}
    assert (
        sum(e.title == r["title"].strip() for e, r in zip(found, {r["id"]: r for r in rows}.values(), strict=True))
        > 700
    )
    assert any("ą" in e.title and "–" in e.title for e in found)
