"""The shipped channels are sound; a bad entry is told with its line and hides no other; titles are judged by words."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import checked_id
from crescendai_assets.sources.catalogue_yaml import catalogue_folders
from crescendai_assets.sources.channels import Channel, Channels, channel_key, read_channels, title_refusal
from crescendai_assets_tests.shared_data import DATA, needs_shared

GOOD = """\
defaults:
  max_videos: 20
  exclude: [interview, master class]
channels:
  - {name: Town Hall, category: concert, url: https://www.youtube.com/@townhall, include: [piano]}
  - name: Ana Núñez
    category: recital
    url: https://www.youtube.com/@ana
    max_videos: 5
    min_seconds: 30
    max_seconds: 600
    exclude: vlog
  - {name: My records, category: other, folder: my  records}
"""


def write(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "channels.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def names(found: Channels) -> list[str]:
    return [channel.name for channel in found.channels]


@pytest.fixture(scope="module")
def shipped() -> Channels:
    return read_channels(catalogue_folders({}))


# ------------------------------------------------------------------------------------------------- the shipped channels


def test_the_shipped_channels_are_read_without_fault_and_make_partition_keys(shipped):
    assert shipped.faults == []
    assert shipped.notes == []
    assert len(shipped.channels) >= 22
    for channel in shipped.channels:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", checked_id(channel.key))
        assert channel.url.startswith("https://www.youtube.com/")
        assert (channel.max_videos, channel.min_seconds, channel.max_seconds) == (200, 60, 3 * 3600)


def test_channels_of_much_besides_the_piano_want_it_in_the_title(shipped):
    for channel in shipped.channels:
        if channel.category in {"concert", "conservatory", "label"}:
            assert "piano" in channel.include, channel.name


@pytest.mark.parametrize(
    "title",
    [
        "BRUCE (XIAOYU) LIU – final round (18th Chopin Competition, Warsaw)",
        'Chopin: Étude Op. 25 No. 1 "Aeolian Harp"',
        "Bach/Busoni: Organ Prelude and Fugue in D major, BWV 532",
        "Mendelssohn: Songs without Words, Op. 19",
        "Beethoven/Liszt: Symphony No. 5",
        "Liszt: Concert Paraphrase on Rigoletto",
        "Talking Heads",
        "Schumann: Carnaval, Op. 9 (practised)",
    ],
)
def test_the_shipped_words_let_piano_music_pass(shipped, title):
    assert title_refusal(title, 600, shipped.channel("chopin-institute")) == ""


@pytest.mark.parametrize(
    ("title", "word"),
    [
        ("Interview with Seong-Jin Cho", "interview"),
        ("MASTERCLASS: Chopin's Ballade", "masterclass"),
        ("Master-Class with a pianist", "master class"),
        ("Official Trailer", "trailer"),
        ("How to play La Campanella", "how to"),
        ("Live Q&A with the jury", "q&a"),
        ("Unboxing a new digital piano", "unboxing"),
        ("Sonata for Violin and Piano", "violin"),
        ("Mezzo‑Soprano and piano", "soprano"),
    ],
)
def test_the_shipped_words_keep_out_what_is_no_piano_playing(shipped, title, word):
    assert title_refusal(title, 600, shipped.channel("chopin-institute")) == f"the title says '{word}'"


@needs_shared
def test_no_title_of_a_competition_is_refused_for_its_words(shipped):
    channel = shipped.channel("chopin-institute")
    lines = (DATA / "ytdlp/icpc2015_youtube_dl_info.jsonl").read_text(encoding="utf-8").splitlines()
    titles = [json.loads(line)["title"] for line in lines]
    assert len(titles) == 777
    assert [title for title in titles if title_refusal(title, None, channel)] == []


# ----------------------------------------------------------------------------------------------------- reading the file


def test_entries_are_read_in_their_order_with_the_defaults_filled_in(tmp_path):
    write(tmp_path, GOOD)
    found = read_channels([tmp_path])
    assert found.faults == []
    assert found.channels == [
        Channel(
            "town-hall",
            "Town Hall",
            "concert",
            "https://www.youtube.com/@townhall",
            max_videos=20,
            include=("piano",),
            exclude=("interview", "master class"),
        ),
        Channel(
            "ana-nunez",
            "Ana Núñez",
            "recital",
            "https://www.youtube.com/@ana",
            max_videos=5,
            min_seconds=30,
            max_seconds=600,
            exclude=("interview", "master class", "vlog"),
        ),
        Channel(
            "my-records",
            "My records",
            "other",
            folder=tmp_path / "my  records",
            max_videos=20,
            exclude=("interview", "master class"),
        ),
    ]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{category: recital, url: https://a.org}", "'name' is missing; add it"),
        ("{name: X, url: https://a.org}", "'category' is missing"),
        ("{name: X, category: recitals, url: https://a.org}", "Did you mean 'recital'?"),
        ("{name: X, category: recital}", "'X' must have a url or a folder, one of the two"),
        ("{name: X, category: recital, url: https://a.org, folder: a}", "a url or a folder, one of the two"),
        ("{name: X, category: recital, ulr: https://a.org}", "Did you mean 'url'?"),
        ("{name: X, category: recital, url: youtube.com/@x}", "start it with https://"),
        ('{name: X, category: recital, url: "https://youtu.be/aaaaaaaaaaa"}', "is one video"),
        ("{name: X, category: recital, url: https://a.org, max_videos: 0}", "'max_videos' must be 1 or more, not 0"),
        ("{name: X, category: recital, url: https://a.org, min_seconds: .nan}", "'min_seconds'"),
        ("{name: X, category: recital, url: https://a.org, min_seconds: 99999}", "min_seconds 99999 over max_seconds"),
        ("{name: X, category: recital, url: https://a.org, exclude: ['#']}", "'#' holds no letter or digit"),
        ("{name: <b>X</b>, category: recital, url: https://a.org}", "'name' holds the markup '<b>'"),
        ("{name: Audio, category: recital, url: https://a.org}", "would share the folder 'audio'"),
        ("{name: 趙, category: recital, url: https://a.org}", "write the name in Latin letters"),
        ("{name: Town Hall!, category: recital, url: https://a.org}", "gives the key 'town-hall', which stands above"),
        ("{name: X, category: recital, url: https://youtube.com/@TownHall/videos}", "'X' is 'Town Hall' again"),
        ("just a name", "must be a mapping (key: value), not 'just a name'"),
        ("", "is empty; fill it in"),
    ],
)
def test_a_bad_entry_is_told_with_its_line_and_the_good_ones_are_used(tmp_path, entry, message):
    path = write(tmp_path, f"{GOOD}  - {entry}\n  - {{name: Last, category: label, url: https://last.org}}\n")
    found = read_channels([tmp_path])
    assert names(found) == ["Town Hall", "Ana Núñez", "My records", "Last"]
    assert len(found.faults) == 1
    assert found.faults[0].path == path
    assert message in found.faults[0].message
    assert found.faults[0].message.startswith(f"{path}, line 14: ")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("channels: [\n", 2, "not valid YAML"),
        ("- name: X\n", 1, "must be a mapping"),
        ("chanels: []\n", 1, "Did you mean 'channels'?"),
        ("defaults: {}\n", 1, "'channels' is missing"),
        ("channels: !!python/name:os.system\n", 1, "the tag"),
    ],
)
def test_a_users_file_that_cannot_be_read_leaves_the_shipped_channels(shipped, tmp_path, text, line, message):
    path = write(tmp_path, text)
    found = read_channels([*catalogue_folders({}), tmp_path])
    assert found.channels == shipped.channels
    assert message in found.faults[0].message
    assert found.faults[0].message.startswith(f"{path}, line {line}: ")


def test_bad_defaults_are_told_and_the_channels_stay(tmp_path):
    write(tmp_path, GOOD.replace("max_videos: 20", "max_videos: many"))
    found = read_channels([tmp_path])
    assert len(found.channels) == 3
    assert ", line 2: 'max_videos' must be a whole number, not 'many'" in found.faults[0].message


# -------------------------------------------------------------------------------------------------- the user's own file


def test_the_users_channels_follow_and_replace_in_place(shipped, tmp_path):
    write(
        tmp_path,
        "channels:\n"
        "  - {name: Mine, category: recital, url: https://www.youtube.com/@mine}\n"
        "  - {name: 'PAUL BARTON', category: teaching, url: https://www.youtube.com/@other}\n",
    )
    found = read_channels(catalogue_folders({"CRESCENDAI_CATALOG": str(tmp_path)}))
    assert [c.key for c in found.channels] == [*(c.key for c in shipped.channels), "mine"]
    assert found.channel("paul-barton").url == "https://www.youtube.com/@other"
    assert found.channel("mine").exclude == found.channels[0].exclude
    assert len(found.notes) == 1
    assert found.notes[0].startswith(f"paul-barton: {tmp_path}/channels.yaml, line 3 is used, not ")


def test_a_faulty_replacement_does_not_bring_the_shipped_entry_back(shipped, tmp_path):
    write(tmp_path, "channels:\n  - {name: Paul Barton, category: recital, url: nowhere}\n")
    found = read_channels(catalogue_folders({"CRESCENDAI_CATALOG": str(tmp_path)}))
    assert len(found.channels) == len(shipped.channels) - 1
    with pytest.raises(SetupError, match=r"no channel 'paul-barton'.*\n.*line 2: 'url' is 'nowhere'"):
        found.channel("paul-barton")


def test_the_users_defaults_hold_for_all_channels_key_by_key(shipped, tmp_path):
    write(tmp_path, "defaults: {max_videos: 3}\nchannels: []\n")
    found = read_channels(catalogue_folders({"CRESCENDAI_CATALOG": str(tmp_path)}))
    assert found.channels == [replace(channel, max_videos=3) for channel in shipped.channels]


@pytest.mark.parametrize(
    "url", ["https://www.youtube.com/@ChopinInstitute", "http://youtube.com/@chopininstitute/videos/"]
)
def test_an_address_under_a_second_name_is_refused(shipped, tmp_path, url):
    write(tmp_path, f"channels:\n  - {{name: Twice, category: other, url: {url}}}\n")
    found = read_channels(catalogue_folders({"CRESCENDAI_CATALOG": str(tmp_path)}))
    assert found.channels == shipped.channels
    assert "'Twice' is 'Chopin Institute' again; give it the name 'Chopin Institute'" in found.faults[0].message


def test_channels_that_differ_in_the_case_of_their_ids_or_in_the_list_are_two(tmp_path):
    urls = [
        f"https://www.youtube.com/{rest}"
        for rest in ("channel/UCa", "channel/UCA", "playlist?list=PL1", "playlist?list=PL2")
    ]
    entries = "".join(f'  - {{name: N{i}, category: other, url: "{url}"}}\n' for i, url in enumerate(urls))
    write(tmp_path, f"channels:\n{entries}")
    assert len(read_channels([tmp_path]).channels) == 4


def test_no_file_is_no_channel_and_an_unknown_one_is_answered_with_the_nearest(shipped, tmp_path):
    assert read_channels([tmp_path]) == Channels([], [], [])
    with pytest.raises(SetupError, match=r"no channel 'paul-bartn'\. Did you mean 'paul-barton'\?"):
        shipped.channel("paul-bartn")


# --------------------------------------------------------------------------------------------------------------- titles

PIANO = Channel(
    "x", "X", "concert", "https://a.org", include=("piano", "klavier", "ピアノ"), exclude=("café", "live chat")
)


@pytest.mark.parametrize(
    ("title", "duration", "reason"),
    [
        ("Piano recital", 600, ""),
        ("Klavierabend: PIANO!", None, ""),
        ("piano_recital", float("nan"), ""),
        ("春のピアノ演奏会", 600, ""),
        ("Pianoforte recital", 600, "the title says none of 'piano', 'klavier', 'ピアノ'"),
        ("Organ recital", 600, "the title says none of 'piano', 'klavier', 'ピアノ'"),
        ("Piano at the CAFE", 600, "the title says 'café'"),
        ("Piano, live-chat on", 600, "the title says 'live chat'"),
        ("Piano, live. Chatting", 600, ""),
        ("Piano in the cafeteria", 600, ""),
        ("", 600, "the title says none of 'piano', 'klavier', 'ピアノ'"),
        ("Piano", 59.9, "lasts 59.9 s, less than 60 s"),
        ("Piano", 60, ""),
        ("Piano", 10800, ""),
        ("Piano", 14400, "lasts 4.0 h, more than 3 h"),
        ("Piano", 0, "lasts 0 s, less than 60 s"),
    ],
)
def test_a_title_is_judged_by_whole_words_and_its_length(title, duration, reason):
    assert title_refusal(title, duration, PIANO) == reason


def test_a_channel_without_words_takes_any_title():
    assert title_refusal("", None, Channel("x", "X", "other")) == ""


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Paul Barton", "paul-barton"),
        ("medici.tv", "medici-tv"),
        ("Steinway & Sons", "steinway-sons"),
        ("Łukasz Krupiński", "lukasz-krupinski"),
        ("Roy's Ærø", "roy-s-aero"),
        ("ピティナ PTNA", "ptna"),
        ("../../etc", "etc"),
        ("趙", ""),
        ("x" * 300, "x" * 100),
    ],
)
def test_a_key_is_ascii_and_safe(name, key):
    assert channel_key(name) == key
