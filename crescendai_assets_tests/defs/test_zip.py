"""MAESTRO from a zip on a web server: only the wanted year is transferred, and faults are told."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from crescendai_assets.defs.assembly import build_definitions
from crescendai_assets.defs.resources import MaestroResource
from crescendai_assets.defs.run import materialize
from crescendai_assets.lake.ledger import read_failures
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.sources import remote_zip
from crescendai_assets_tests.defs.conftest import ALL_OF_A_YEAR, COMPILED
from crescendai_assets_tests.maestro_folder import Take, write_folder
from crescendai_assets_tests.symbolic.midi_files import save_performance
from crescendai_assets_tests.symbolic.movements import played_by
from crescendai_assets_tests.web import serve

LENGTHS = {"a": (2011, 31), "b": (2011, 12), "c": (2017, 40), "d": (2017, 12)}
TAKES = [Take(year, name, seconds=seconds) for name, (year, seconds) in LENGTHS.items()]


def write_archive(root: Path, takes: list[Take]) -> Path:
    """A zip of MAESTRO's form under `root/web`."""
    folder = write_folder(root / "unpacked", takes)
    path = root / "web" / "maestro-v3.0.0.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "maestro-v3.0.0.json", "maestro-v3.0.0/maestro-v3.0.0.json")
        for take in takes:
            archive.write(folder / take.audio_filename, f"maestro-v3.0.0/{take.audio_filename}")
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_archive(tmp_path, TAKES)


def definitions(platform, url: str) -> dg.Definitions:
    return build_definitions({**platform.resources, "maestro": MaestroResource(archive=url)})


def run(platform, url: str, assets, year: str | None):
    return {done.asset: done for done in materialize(definitions(platform, url), platform.instance, assets, year)}


def test_a_year_is_fetched_cut_and_embedded_and_nothing_of_another_is_transferred(platform, archive):
    with serve(archive.parent) as server:
        done = run(platform, server.url(archive.name), ALL_OF_A_YEAR, "2017")
        sent = server.sent_bytes
    assert all(one.succeeded and all(one.checks.values()) for one in done.values())
    with zipfile.ZipFile(archive) as opened:
        sizes = {info.filename: info.compress_size for info in opened.infolist()}
    wanted = sum(size for name, size in sizes.items() if "/2017/" in name)
    unwanted = sum(size for name, size in sizes.items() if "/2011/" in name)
    assert wanted <= sent < wanted + 64_000 < wanted + unwanted
    assert done["maestro/embeddings"].metadata["dagster/partition_row_count"] == 3
    copies = sorted(platform.year("2017").audio.iterdir())
    assert [p.name for p in copies] == ["maestro_2017_c_wav.wav", "maestro_2017_d_wav.wav"]
    import soundfile

    information = soundfile.info(copies[0])
    assert (information.samplerate, information.channels, information.subtype) == (24_000, 1, "PCM_16")


def test_a_mapping_is_verified_by_midi_from_the_archive(platform, tmp_path):
    takes = [Take(2011, name, title="Etude Op. 25 No. 1", seconds=6) for name in "abc"]
    archive = write_archive(tmp_path, takes)
    with zipfile.ZipFile(archive, "a") as opened:
        for take, movement in zip(takes, (1, 1, 3), strict=True):
            played = save_performance(played_by(movement), tmp_path / f"{take.name}.midi")
            opened.write(played, f"maestro-v3.0.0/{take.audio_filename.replace('.wav', '.midi')}")
    with serve(archive.parent) as server:
        url = server.url(archive.name)
        done = run(platform, url, ALL_OF_A_YEAR, "2011")
        assert done["maestro/recordings"].metadata["midi_files"] == 3
        mapped = run(platform, url, COMPILED, None)["maestro/contrastive_mapping"]
    assert all(mapped.checks.values())
    rows = list(read_rows(platform.tier.contrastive_recordings))
    assert [(row["work_id"], row["recording_id"], row["verified"]) for row in rows] == [
        ("chopin_etude_op25_no1#1", takes[0].recording_id, True),
        ("chopin_etude_op25_no1#1", takes[1].recording_id, True),
    ]


def test_a_discarded_working_copy_is_a_state_and_is_made_again_only_when_asked(platform, archive):
    with serve(archive.parent) as server:
        url = server.url(archive.name)
        run(platform, url, ALL_OF_A_YEAR, "2011")
        for copy in platform.year("2011").audio.iterdir():
            copy.unlink()
        before = server.sent_bytes
        done = run(platform, url, ALL_OF_A_YEAR, "2011")
        assert server.sent_bytes - before < 64_000
        assert done["maestro/recordings"].metadata["raw_audio_discarded"] == 2
        assert all(one.metadata["succeeded"] == 0 and all(one.checks.values()) for one in done.values())
        definitions(platform, url).resolve_implicit_global_asset_job_def().execute_in_process(
            instance=platform.instance,
            asset_selection=[dg.AssetKey(["maestro", "recordings"])],
            partition_key="2011",
            run_config={"ops": {"maestro__recordings": {"config": {"refetch": True}}}},
        )
    assert len(list(platform.year("2011").audio.iterdir())) == 2


def test_a_corrected_title_in_the_archive_fetches_no_audio(platform, archive):
    with serve(archive.parent) as server:
        url = server.url(archive.name)
        run(platform, url, ["maestro/recordings"], "2011")
        with zipfile.ZipFile(archive) as opened:
            catalogue = json.loads(opened.read("maestro-v3.0.0/maestro-v3.0.0.json"))
            audio = {name: opened.read(name) for name in opened.namelist() if name.endswith(".wav")}
        catalogue["canonical_title"] = dict.fromkeys(catalogue["canonical_title"], "Ballade No. 1")
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as rewritten:
            rewritten.writestr("maestro-v3.0.0/maestro-v3.0.0.json", json.dumps(catalogue))
            for name, data in audio.items():
                rewritten.writestr(name, data)
        before = server.sent_bytes
        done = run(platform, url, ["maestro/recordings"], "2011")
        assert server.sent_bytes - before < 64_000
    assert done["maestro/recordings"].metadata["stale"] == 2


def test_a_server_without_ranges_is_refused_before_the_archive_is_pulled(platform, archive):
    with serve(archive.parent) as server:
        server.ranges_off = True
        done = run(platform, server.url(archive.name), ["maestro/recordings"], "2011")
        assert server.sent_bytes < archive.stat().st_size
    assert not done["maestro/recordings"].succeeded
    assert "range" in done["maestro/recordings"].error
    assert "MAESTRO_DIR" in done["maestro/recordings"].error


def test_a_dropped_connection_is_taken_up_where_it_broke(platform, archive):
    with serve(archive.parent) as server:
        server.drop_after, server.drop_times = 50_000, 1
        done = run(platform, server.url(archive.name), ["maestro/recordings"], "2011")
    assert done["maestro/recordings"].succeeded
    assert not read_failures(platform.year("2011").stage("recordings").ledger)


def test_a_member_that_cannot_be_decoded_costs_itself_and_leaves_no_file(platform, archive):
    with zipfile.ZipFile(archive) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    members["maestro-v3.0.0/2011/a.wav"] = b"no audio at all"
    with zipfile.ZipFile(archive, "w") as rewritten:
        for name, data in members.items():
            rewritten.writestr(name, data)
    with serve(archive.parent) as server:
        done = run(platform, server.url(archive.name), ["maestro/recordings"], "2011")
    assert done["maestro/recordings"].metadata["dagster/partition_row_count"] == 1
    (failure,) = read_failures(platform.year("2011").stage("recordings").ledger).values()
    assert "cannot be decoded" in failure.message
    (row,) = read_rows(platform.year("2011").stage("recordings").table)
    assert row["recording_id"] == "maestro_2011_b_wav"
    assert [p.name for p in platform.year("2011").audio.iterdir()] == ["maestro_2011_b_wav.wav"]


def test_no_server_at_all_is_asked_four_times_and_fails_with_the_address(platform, monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr(remote_zip, "time", SimpleNamespace(sleep=waits.append))
    done = run(platform, "http://127.0.0.1:9/maestro.zip", ["maestro/recordings"], "2011")
    assert not done["maestro/recordings"].succeeded
    assert "127.0.0.1:9" in done["maestro/recordings"].error
    assert waits == [1, 2, 4]


def test_a_server_that_fails_three_times_in_a_row_leaves_the_rest_untried(platform, tmp_path, monkeypatch):
    from crescendai_assets.lake.errors import RecordingError
    from crescendai_assets.sources.remote_zip import RemoteZip

    def fail(_self, name, _target):
        raise RecordingError(f"{name}: the connection broke four times; run again later", "retry")

    monkeypatch.setattr(RemoteZip, "copy", fail)
    archive = write_archive(tmp_path, [Take(2011, f"take{i}", seconds=6) for i in range(6)])
    with serve(archive.parent) as server:
        done = run(platform, server.url(archive.name), ["maestro/recordings"], "2011")
    assert not done["maestro/recordings"].succeeded
    assert "3 recordings in a row could not be fetched" in done["maestro/recordings"].error
    assert len(read_failures(platform.year("2011").stage("recordings").ledger)) == 3


def test_what_a_killed_fetch_left_half_is_cleared(platform, archive):
    left = platform.year("2011").audio / ".maestro_2011_a_wav.wav.999999-1.tmp"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    with serve(archive.parent) as server:
        run(platform, server.url(archive.name), ["maestro/recordings"], "2011")
    assert not left.exists()
