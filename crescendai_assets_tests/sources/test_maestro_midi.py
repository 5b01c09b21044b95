from __future__ import annotations

import json
import zipfile

import pytest

from crescendai_assets.lake.layout import Lake
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.sources.maestro import collect_year
from crescendai_assets.sources.maestro_midi import kept_midi, midi_of
from crescendai_assets.sources.maestro_sources import FolderSource, ZipSource
from crescendai_assets_tests.maestro_folder import Take, write_folder
from crescendai_assets_tests.web import serve

TAKES = [Take(2011, name, seconds=6) for name in "abc"] + [Take(2017, "d", seconds=6)]
MIDI = {"2011/a.midi": b"MThd of a", "2011/b.midi": b"MThd of b" * 1000, "2017/d.midi": b"MThd of d"}
"""Bytes that nothing reads here; c has none."""


@pytest.fixture
def folder(tmp_path):
    root = write_folder(tmp_path / "maestro", TAKES)
    for name, data in MIDI.items():
        (root / name).write_bytes(data)
    return root


@pytest.fixture
def year(tmp_path):
    return Lake(tmp_path / "lake").tier("maestro").partition("2011")


def zipped(folder, path, midi=MIDI):
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in [folder / "maestro-v3.0.0.json", *sorted(folder.rglob("*.wav"))]:
            archive.write(file, f"maestro-v3.0.0/{file.relative_to(folder).as_posix()}")
        for name, data in midi.items():
            archive.writestr(f"maestro-v3.0.0/{name}", data)
    return path


@pytest.fixture
def archive(tmp_path, folder):
    return zipped(folder, tmp_path / "web" / "maestro.zip")


def counts(report):
    return {k: v for k, v in report.facts.items() if "midi" in k}


def test_in_a_folder_midi_is_read_in_place_and_what_is_missing_is_said(folder, year):
    report = collect_year(year, FolderSource(folder))
    assert counts(report) == {"midi_files": 2, "without_midi": 1}
    assert report.failed_now == 0
    assert midi_of(year, folder) == {
        "maestro_2011_a_wav": folder / "2011/a.midi",
        "maestro_2011_b_wav": folder / "2011/b.midi",
    }
    assert midi_of(year, None) == {}
    assert not (year.folder / "midi").exists()
    assert {row["midi_filename"] for row in read_rows(year.stage("recordings").table)} == {
        f"2011/{name}.midi" for name in "abc"
    }


def test_from_an_archive_the_year_s_midi_is_kept_and_a_second_run_transfers_nothing_again(archive, year):
    with serve(archive.parent) as server:
        source = ZipSource(server.url(archive.name))
        assert counts(collect_year(year, source)) == {"midi_files": 2, "without_midi": 1, "midi_fetched": 2}
        kept = midi_of(year, None)
        assert {i: path.read_bytes() for i, path in kept.items()} == {
            "maestro_2011_a_wav": MIDI["2011/a.midi"],
            "maestro_2011_b_wav": MIDI["2011/b.midi"],
        }
        assert {path.parent for path in kept.values()} == {year.folder / "midi"}
        before = {path: path.stat().st_mtime_ns for path in kept.values()}
        assert counts(collect_year(year, source)) == {"midi_files": 2, "without_midi": 1}
        assert {path: path.stat().st_mtime_ns for path in midi_of(year, None).values()} == before


def test_midi_that_an_earlier_run_did_not_get_or_that_changed_is_fetched_by_a_run_with_nothing_else_to_do(
    archive, year, folder
):
    with serve(archive.parent) as server:
        source = ZipSource(server.url(archive.name))
        collect_year(year, source)
        kept_midi(year, "maestro_2011_a_wav").unlink()
        left = kept_midi(year, "x").with_name(".maestro_2011_a_wav.midi.999999-1.tmp")
        left.write_bytes(b"half, of a killed run")
        report = collect_year(year, source)
        assert (report.plan.pending, counts(report)["midi_fetched"]) == ((), 1)
        assert kept_midi(year, "maestro_2011_a_wav").read_bytes() == MIDI["2011/a.midi"]
        assert not left.exists()
        zipped(folder, archive, {**MIDI, "2011/b.midi": b"corrected" * 1000})  # of the same length
        assert counts(collect_year(year, ZipSource(source.url)))["midi_fetched"] == 1
    assert kept_midi(year, "maestro_2011_b_wav").read_bytes() == b"corrected" * 1000


def test_midi_that_cannot_be_unpacked_is_said_and_costs_no_recording(archive, year):
    data = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as opened:
        at = opened.getinfo("maestro-v3.0.0/2011/b.midi").header_offset
    data[at + 30 + len("maestro-v3.0.0/2011/b.midi") + 4] ^= 0xFF
    archive.write_bytes(data)
    report = collect_year(year, ZipSource(str(archive)))
    assert (report.rows, report.failed_now) == (3, 0)
    assert (report.facts["midi_files"], report.facts["without_midi"], report.facts["midi_fetched"]) == (1, 2, 1)
    assert "2011/b.midi" in report.facts["midi_not_fetched"]


def test_a_copy_goes_with_its_recording_when_that_is_pruned(archive, year, folder):
    from crescendai_assets.lake.stage import Options

    collect_year(year, ZipSource(str(archive)))
    catalogue = json.loads((folder / "maestro-v3.0.0.json").read_text())
    keep = [i for i, name in catalogue["audio_filename"].items() if name != "2011/a.wav"]
    (folder / "maestro-v3.0.0.json").write_text(
        json.dumps({column: {i: values[i] for i in keep} for column, values in catalogue.items()})
    )
    zipped(folder, archive)
    collect_year(year, ZipSource(str(archive)))
    assert kept_midi(year, "maestro_2011_a_wav").exists()
    collect_year(year, ZipSource(str(archive)), options=Options(prune=True))
    assert sorted(p.name for p in (year.folder / "midi").iterdir()) == ["maestro_2011_b_wav.midi"]
