"""The real recordings, catalogue and odd files beside the project, through the assets.

All of it is slow: that real files decode or are refused is tested at once in `audio/test_decode.py`, that a site's
files are fetched in `sources/download/test_downloader.py`, and the assets over small folders in this room.
"""

from __future__ import annotations

import json
import shutil

import pytest

from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.tables import read_rows
from crescendai_assets_tests.defs.conftest import ALL_OF_A_CHANNEL, ALL_OF_A_YEAR, ALL_OF_AN_EDITION
from crescendai_assets_tests.feeds import write_feed
from crescendai_assets_tests.maestro_folder import Take, write_catalogue
from crescendai_assets_tests.shared_data import DATA, needs_shared
from crescendai_assets_tests.web import serve

pytestmark = [needs_shared, pytest.mark.slow]


def test_four_real_years_meet_in_their_works_and_a_second_run_does_nothing(platform):
    shutil.copytree(DATA / "maestro_mini", platform.maestro)
    done = platform.run_all("2011", "2013", "2015", "2017")
    assert all(passed for one in done.values() for passed in one.checks.values())
    mapping = json.loads(platform.tier.contrastive_mapping.read_text())
    rows = list(read_rows(platform.tier.contrastive_recordings))
    performers = {work: {r["performer_id"] for r in rows if r["work_id"] == work} for work in mapping}
    assert {work: len(names) for work, names in performers.items()} == {
        "chopin_etude_op10_no2": 2,
        "chopin_etude_op10_no5": 3,
        "chopin_etude_op25_no1": 2,
    }
    assert {row["verified"] for row in rows} == {True}
    assert done["maestro/contrastive_mapping"].metadata["verified_recordings"] == 7
    assert done["maestro/contrastive_mapping"].metadata["works_parted_by_content_count"] == 0
    assert done["maestro/metadata"].metadata["titles_merged_count"] == 1
    before = platform.tier.contrastive_mapping.read_bytes()
    again = platform.run_all("2011", "2013", "2015", "2017")
    assert again["maestro/embeddings"].metadata["succeeded"] == 0
    assert platform.tier.contrastive_mapping.read_bytes() == before


def test_every_odd_file_is_embedded_or_stands_in_the_ledger(platform):
    files = [p for room in ("audio_odd", "audio_piano") for p in sorted((DATA / room).rglob("*")) if p.is_file()]
    takes = []
    for number, path in enumerate(files):
        name = f"{number:03}-{path.name}"
        target = platform.maestro / "2011" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        takes.append(Named(2011, name, title=f"Etude Op. {number}", seconds=10))
    write_catalogue(platform.maestro, takes)
    done = platform.run(ALL_OF_A_YEAR, "2011")
    assert all(one.succeeded for one in done.values())
    assert all(passed for one in done.values() for passed in one.checks.values())
    embedded = {row["recording_id"] for row in read_rows(platform.year("2011").stage("embeddings").table)}
    failures = read_failures(platform.year("2011").stage("segments").ledger)
    assert embedded | failures.keys() == {take.recording_id for take in takes}
    assert not embedded & failures.keys()
    assert all(f.error_class == "permanent" and f.message for f in failures.values())
    # whatever is in a container this project reads and lasts 5 s or more has to be among the good ones
    good = {p.name for p in files if p.suffix in {".flac", ".ogg"} and p.parent.name in {"maps"}} | {
        "cut_bach.mp3",
        "cut_liszt.mp3",
        "mono_sine_at_44100Hz.aiff",
        "mono_sine_at_44100Hz.ac3",
        "mono_sine_at_48000Hz.m4a",
        "sample_mono_22050Hz.mp3",
        "flac453sStereo.flac",
        "ms_adpcm.wav",
        "test2_8000.mkv",
    }
    by_name = {t.name.split("-", 1)[1]: t.recording_id for t in takes}
    assert {name for name in good if by_name[name] not in embedded} == set()


class Named(Take):
    """A take whose file keeps its own suffix."""

    @property
    def audio_filename(self) -> str:
        return f"{self.year}/{self.name}"


def test_recordings_as_a_video_site_serves_them_go_into_a_partition_of_each_web_tier(platform):
    with serve(DATA / "web_audio") as site:
        names = sorted(path.name for path in (DATA / "web_audio").iterdir())
        takes = [
            f'    - {{url: "{site.url(name)}", performer: {performer}, round: final}}'
            for name, performer in zip(names, ["Hebert", "Jeon", "Li", "Li", "Zhang", "Wong"], strict=True)
        ]
        results = [
            f"  - {{performer: {name}, placement: {place}}}"
            for place, name in enumerate(["Li", "Zhang", "Wong", "Jeon", "Hebert"], start=1)
        ]
        platform.add(
            "competitions/real2013.yaml",
            "competition: real\nyear: 2013\nname: Real\nrounds: [final]\nresults:\n"
            + "\n".join([*results, "recordings:", "  addresses:", *takes, ""]),
        )
        feeds = platform.root / "feeds"
        feeds.mkdir()
        write_feed(feeds / "feed.xml", [(name, site.url(name)) for name in names])
        with serve(feeds) as channel:
            platform.add(
                "channels.yaml",
                "channels:\n"
                f"  - {{name: Real, url: '{channel.url('feed.xml')}', category: recital, min_seconds: 20}}\n",
            )
            for assets, key in ((ALL_OF_AN_EDITION, "real2013"), (ALL_OF_A_CHANNEL, "real")):
                first, second = platform.run(assets, key), platform.run(assets, key)
                for done in (*first.values(), *second.values()):
                    assert done.succeeded, done
                    assert all(done.checks.values()), done
                assert first[assets[0]].metadata["succeeded"] == 6
                assert all(done.metadata.get("new", 0) == 0 for done in second.values())
