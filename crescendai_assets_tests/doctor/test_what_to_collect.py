"""Catalogue, augmentation and publishing: what the settings name is there, or is told with its cure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crescendai_assets.audio.augmentation import PRESETS, draw
from crescendai_assets.doctor.augmenting import _WITH_CODECS, check_augmentation, check_codecs
from crescendai_assets.doctor.catalogue import check_catalogue
from crescendai_assets.doctor.publishing import check_publish, look_up_kind
from crescendai_assets.doctor.settings import check_percepiano
from crescendai_assets.lake.errors import SetupError
from crescendai_assets_tests.builders import noise, write_sound

FAULTY = """\
competition: town
year: 2031
name: Town Competition
rounds: [final]
results:
  - {performer: Ana Núñez, placement: first}
recordings: none yet
"""


# ------------------------------------------------------------------------------------------------------------ catalogue


def test_the_shipped_catalogue_is_well_and_counted():
    (finding,) = check_catalogue({})
    assert finding.status == "ok"
    assert re.match(r"[1-9]\d* editions and [1-9]\d* channels are valid", finding.found)


def test_each_fault_is_a_finding_with_its_file_and_line(tmp_path):
    (tmp_path / "competitions").mkdir()
    (tmp_path / "competitions" / "town2031.yaml").write_text(FAULTY, encoding="utf-8")
    (tmp_path / "channels.yaml").write_text("channels:\n  - {name: A, category: recitals, url: https://a.example}\n")
    summary, *faults = check_catalogue({"CRESCENDAI_CATALOG": str(tmp_path)})
    assert summary.status == "warn"
    assert summary.found.startswith(check_catalogue({})[0].found), "the rest is as good as before"
    assert [fault.status for fault in faults] == ["warn", "warn"]
    assert "town2031.yaml, line 6: " in faults[0].found
    assert "channels.yaml, line 2: " in faults[1].found
    assert len({fault.name for fault in faults}) == 2
    assert "crescendai catalog check" in faults[0].advice


def test_a_catalogue_that_is_not_there_is_missing(tmp_path):
    (finding,) = check_catalogue({"CRESCENDAI_CATALOG": str(tmp_path / "gone")})
    assert (finding.name, finding.status) == ("CRESCENDAI_CATALOG", "missing")
    assert "no such folder" in finding.found


# --------------------------------------------------------------------------------------------------------- augmentation


def test_augmentation_that_is_not_set_is_no_matter():
    assert check_augmentation({}) == []


def test_a_folder_of_rooms_is_counted_and_one_without_audio_is_missing(tmp_path):
    environ = {"CRESCENDAI_ROOM_RESPONSES": str(tmp_path)}
    (empty,) = check_augmentation(environ)
    assert (empty.name, empty.status) == ("CRESCENDAI_ROOM_RESPONSES", "missing")
    assert "holds no audio files" in empty.found
    write_sound(tmp_path / "hall.wav", noise(0.2), 24_000)
    (finding,) = check_augmentation(environ)
    assert finding.status == "ok"
    assert finding.found.startswith("1 recordings")
    preset = {"CRESCENDAI_AUGMENTATION": "single:room_response"}
    assert [one.status for one in check_augmentation({**environ, **preset})] == ["ok", "ok"]
    assert [one.status for one in check_augmentation(preset)] == ["missing"]


def test_a_preset_that_does_not_exist_is_missing_and_those_there_are_named():
    (finding,) = check_augmentation({"CRESCENDAI_AUGMENTATION": "label-safe"})
    assert finding.status == "missing"
    assert "label_safe" in finding.found


def test_this_machine_has_the_codecs():
    finding = check_codecs()
    assert (finding.status, finding.advice) == ("ok", "")


def lacks_opus(audio, sample_rate, *, codec, kbps):
    if codec == "opus":
        raise SetupError("this build of PyAV has no libopus")


def test_a_codec_that_is_lacking_is_a_warning_and_worse_where_the_preset_needs_it():
    finding = check_codecs("", lacks_opus)
    assert (finding.status, finding.found) == ("warn", "opus: this build of PyAV has no libopus")
    assert "--only-binary=av" in finding.advice
    assert check_codecs("recording_conditions", lacks_opus).status == "warn"
    assert check_codecs("label_safe", lacks_opus).status == "missing"


def test_the_presets_with_codecs_are_those_that_draw_them():
    draws = {name: {one.effect for seed in range(200) for one in draw(name, seed)} for name in PRESETS}
    assert {name for name, effects in draws.items() if "codec" in effects} == set(_WITH_CODECS) & set(PRESETS)


# ----------------------------------------------------------------------------------------------------------- publishing


def test_no_address_is_no_matter(tmp_path):
    assert check_publish("", tmp_path) == []


@pytest.mark.parametrize("address", ["{tmp}/published", "file://{tmp}/published", "memory://bucket/folder"])
def test_a_folder_or_a_known_kind_of_address_is_well(tmp_path, address):
    (finding,) = check_publish(address.format(tmp=tmp_path), tmp_path / "data")
    assert finding.status == "ok"


@pytest.mark.parametrize("address", ["{tmp}/data", "{tmp}/data/published", "file://{tmp}/data/published"])
def test_a_folder_inside_the_lake_is_missing(tmp_path, address):
    (finding,) = check_publish(address.format(tmp=tmp_path), tmp_path / "data")
    assert (finding.status, finding.advice) == ("missing", "Set it to a folder outside.")


@pytest.mark.parametrize(
    ("said", "package"),
    [
        ("Install s3fs to access S3", "s3fs"),
        ("Please install gcsfs to access Google Storage", "gcsfs"),
        ('SFTPFileSystem requires "paramiko" to be installed', "paramiko"),
    ],
)
def test_a_package_that_is_missing_for_an_address_is_named(said, package):
    def lacks(scheme: str) -> None:
        raise ImportError(said)

    (finding,) = check_publish("s3://me:secret@bucket/folder", Path("data"), lacks)
    assert finding.status == "missing"
    assert finding.advice == f"Run: pip install {package}"
    assert "secret" not in finding.found


def test_an_unknown_kind_and_an_address_without_a_folder_are_missing():
    assert "Protocol not known" in check_publish("nowhere://bucket/folder", Path("data"))[0].found
    assert "names no folder" in check_publish("s3://", Path("data"))[0].found
    with pytest.raises(ValueError, match="not known"):
        look_up_kind("nowhere")


# ------------------------------------------------------------------------------------------------------- rated segments


def test_percepiano_that_is_not_set_is_no_matter():
    assert check_percepiano("", "") == []


def test_the_ratings_and_the_clips_beside_them_are_told(tmp_path):
    (missing,) = check_percepiano(str(tmp_path), "")
    assert (missing.name, missing.status) == ("PERCEPIANO_DIR", "missing")
    assert "holds no total_2rounds.csv" in missing.found
    (tmp_path / "total_2rounds.csv").touch()
    (finding,) = check_percepiano(str(tmp_path), "")
    assert (finding.status, finding.found) == ("ok", f"{tmp_path} (total_2rounds.csv)")
    (tmp_path / "audio").mkdir()
    write_sound(tmp_path / "audio" / "x.wav", noise(0.2), 24_000)
    (finding,) = check_percepiano(str(tmp_path), "")
    assert finding.found.endswith("; 1 files in audio/)")


def test_a_folder_of_clips_is_there_and_holds_some(tmp_path):
    (gone,) = check_percepiano("", str(tmp_path / "gone"))
    assert (gone.name, gone.status) == ("PERCEPIANO_AUDIO", "missing")
    (empty,) = check_percepiano("", str(tmp_path))
    assert "holds no audio files" in empty.found
    write_sound(tmp_path / "x.wav", noise(0.2), 24_000)
    (finding,) = check_percepiano("", str(tmp_path))
    assert (finding.status, finding.found) == ("ok", f"{tmp_path} (1 files)")
