"""What is on the sample's video site: its sounds, pages, lists and catalogue files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from crescendai_assets.audio.decode import decode
from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.sample.site import read_index
from crescendai_assets.sample.videos import (
    CHANNELS,
    COMPETITION,
    EDITION,
    ENTRANTS,
    ROUNDS,
    SampleVideo,
    write_videos,
)
from crescendai_assets.sources.channels import read_channels, title_refusal
from crescendai_assets.sources.competitions import Listing, read_competitions
from crescendai_assets.sources.matching import Match, Matcher

LISTS = (*CHANNELS, COMPETITION)
ALL = list(dict.fromkeys(video for one in LISTS for video in one.videos))


def digests(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def media_of(videos, video: SampleVideo) -> Path:
    return read_index(videos.root)[video.media].file


# ---------------------------------------------------------------- sound


@pytest.mark.parametrize("video", [v for v in ALL if v.obtainable], ids=lambda video: video.name)
def test_every_sound_that_can_be_had_decodes_to_the_length_its_lists_promise(videos, video):
    decoded = decode(media_of(videos, video))
    assert decoded.seconds == pytest.approx(video.sound.seconds, abs=0.06)  # a codec fills up its last frame
    assert decoded.channels == video.sound.channels
    assert decoded.native_rate == {"m4a": 44_100, "webm": 48_000, "mp3": 44_100}[video.sound.kind]
    assert 0.4 < np.abs(decoded.audio).max() <= 1.05
    assert np.sqrt(np.mean(decoded.audio[: 10 * decoded.sample_rate] ** 2)) > 0.02


def test_every_kind_of_media_occurs_in_a_channel_and_in_the_competition():
    for one in (CHANNELS[0], COMPETITION):
        assert {video.sound.kind for video in one.videos if video.obtainable} == {"m4a", "webm", "mp3"}


def test_no_two_sounds_are_alike_and_equal_ones_are_the_same_bytes(videos):
    by_bytes: dict[bytes, set[object]] = {}
    for video in ALL:
        if video.obtainable:
            by_bytes.setdefault(media_of(videos, video).read_bytes(), set()).add(video.sound)
    assert all(len(sounds) == 1 for sounds in by_bytes.values())
    assert len({s for sounds in by_bytes.values() for s in sounds}) == len(by_bytes)


def test_what_is_no_audio_is_a_picture_that_the_decoder_refuses(videos):
    video = CHANNELS[0].video("programme")
    path = media_of(videos, video)
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(RecordingError):
        decode(path)


# ---------------------------------------------------------------- lists


def test_one_video_stands_in_both_channels_and_one_sound_under_two_addresses():
    first, second = CHANNELS
    assert [v.name for v in second.videos if v in first.videos] == ["sonata-in-a"]
    again, original = second.video("prelude-again"), first.video("prelude-in-c")
    assert (again.sound, again.url == original.url) == (original.sound, False)
    assert len({video.url for video in ALL}) == len(ALL)


def test_each_fault_stands_once_in_the_channels_and_never_in_the_competition():
    faults = [video.fault for one in CHANNELS for video in one.videos if video.fault]
    assert sorted(faults) == ["breaks off", "gone", "no audio", "slow"]
    assert not any(video.fault for video in COMPETITION.videos)


@pytest.mark.parametrize("one", LISTS, ids=lambda one: one.key)
def test_a_feed_lists_titles_addresses_and_lengths_newest_first(videos, one):
    feed = ElementTree.fromstring(read_index(videos.root)[one.path].file.read_bytes())
    items = feed.findall("./channel/item")
    assert [item.findtext("title") for item in items] == [video.title for video in one.videos]
    assert [item.findtext("link") for item in items] == [video.url for video in one.videos]
    duration = "{http://www.itunes.com/dtds/podcast-1.0.dtd}duration"
    assert [int(item.findtext(duration) or 0) for item in items] == [round(v.sound.seconds) for v in one.videos]
    assert all((item.find("guid") is not None) == one.guids for item in items)
    days = [int((item.findtext("pubDate") or "").split()[1]) for item in items]  # all in one month
    assert days == sorted(days, reverse=True)


def test_everything_but_what_is_gone_is_in_the_index_and_every_file_of_it_is_there(videos):
    served = read_index(videos.root)
    expected = {one.path for one in LISTS}
    expected |= {path for video in ALL if video.fault != "gone" for path in (video.page, video.media)}
    assert set(served) == expected
    assert all(resource.file.is_file() for resource in served.values())


class Tags(HTMLParser):
    """The tags of a page and the text of its heading."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.heading = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        if self.tags[-1:] == ["h1"]:
            self.heading += data


@pytest.mark.parametrize("video", [v for v in ALL if v.fault != "gone"], ids=lambda video: video.name)
def test_a_title_is_text_on_its_page_whatever_markup_it_looks_like(videos, video):
    page = Tags()
    page.feed(read_index(videos.root)[video.page].file.read_text(encoding="utf-8"))
    assert page.heading.strip() == video.title
    assert page.tags.count("script") == 1  # the facts about the video
    assert "audio" not in page.tags


def test_one_title_looks_like_markup_and_holds_an_emoji():
    assert any("<script>" in video.title and "🎹" in video.title for video in ALL)


# ---------------------------------------------------------------- catalogue


def test_the_catalogue_names_the_channels_and_lets_all_titles_pass_but_the_interview(videos):
    read = read_channels([videos.catalog])
    assert (read.faults, read.notes) == ([], [])
    assert [(c.key, c.name, c.url) for c in read.channels] == [(one.key, one.name, one.url) for one in CHANNELS]
    refused = {
        video.name
        for one, channel in zip(CHANNELS, read.channels, strict=True)
        for video in one.videos
        if title_refusal(video.title, video.sound.seconds, channel)
    }
    assert refused == {"interview"}


def test_the_catalogue_names_the_competition_with_a_tie_and_a_finalist_without_a_place(videos):
    read = read_competitions([videos.catalog])
    assert (read.faults, read.notes) == ([], [])
    edition = read.edition(EDITION)
    assert edition.recordings == Listing(COMPETITION.url, "playlist")
    assert edition.rounds == ROUNDS
    found = [(one.performer, one.country, one.placement, one.eliminated_in) for one in edition.entrants]
    assert found == [(one.performer, one.country, one.placement, one.eliminated_in) for one in ENTRANTS]
    assert [edition.outcome_rank(one.performer) for one in ENTRANTS] == [1, 2, 2, 4, 5]


def test_titles_of_the_competition_say_who_plays_in_which_round_or_nothing_for_sure(videos):
    edition = read_competitions([videos.catalog]).edition(EDITION)
    matcher = Matcher([one.performer for one in edition.entrants], edition.rounds, edition.rules)
    for video in COMPETITION.videos:
        found = matcher.match(video.title)
        read = (found.performer, found.round) if isinstance(found, Match) else ("", "")
        assert read == (video.performer, video.round), video.title
    assert {video.name for video in COMPETITION.videos if not video.performer} == {"laureates", "encores"}


def test_catalogue_files_can_be_copied_by_people(videos):
    for path in videos.catalog.rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        assert "&" not in text
        assert "\\u" not in text
        assert text.startswith("# ")


# ---------------------------------------------------------------- made once, made the same


def test_another_process_makes_the_same_bytes_in_another_folder(videos, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(videos.root, other)
    again = {"matinee.webm", "final-haddad.m4a", "minuet-in-g.mp3", "picture.png"}  # all kinds; the others take longer
    for path in other.rglob("*"):
        if path.is_file() and (path.parent.name != "media" or path.name in again) and path.name != ".sample.json":
            path.unlink()
    code = (
        "import sys, pathlib; from crescendai_assets.sample.videos import write_videos;"
        "print(len(write_videos(pathlib.Path(sys.argv[1])).written))"
    )
    project = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(project)}
    command = [sys.executable, "-c", code, str(other)]
    done = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
    assert int(done.stdout) > len(again) + 20
    assert digests(other) == digests(videos.root)


def test_a_second_write_changes_nothing(videos):
    before = {path: path.stat().st_mtime_ns for path in videos.root.rglob("*")}
    again = write_videos(videos.root)
    assert again.written == ()
    assert {path: path.stat().st_mtime_ns for path in videos.root.rglob("*")} == before


def test_only_what_is_missing_or_damaged_is_made_again(videos, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(videos.root, root)
    (root / "media" / "matinee.webm").unlink()
    index = root / "site.json"
    index.write_bytes(index.read_bytes()[:-1])
    assert set(write_videos(root).written) == {"media/matinee.webm", "site.json"}
    assert digests(root) == digests(videos.root)


def test_files_of_another_recipe_are_made_again_where_they_differ(videos, tmp_path, monkeypatch):
    root = tmp_path / "copy"
    shutil.copytree(videos.root, root)
    stamp = json.loads((root / ".sample.json").read_text())
    feed = root / "feeds" / "sample-piano.xml"
    feed.write_text("older")
    (root / ".sample.json").write_text(json.dumps({**stamp, "recipe": "older"}))
    monkeypatch.setattr(  # making the sounds again would take seconds, and tell no more
        "crescendai_assets.sample.video_sound.encoded",
        lambda sound: next(media_of(videos, v).read_bytes() for v in ALL if v.sound == sound and v.obtainable),
    )
    assert write_videos(root).written == ("feeds/sample-piano.xml",)
    assert digests(root) == digests(videos.root)
