"""A recording's augmented twins: decoded once, equally long, the same at every run, and told in words JSON knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crescendai_assets.audio import pairs as pairs_module
from crescendai_assets.audio import segments
from crescendai_assets.audio.augmentation import augment_segment, draw, segment_seed
from crescendai_assets.audio.decode import SAMPLE_RATE, decode
from crescendai_assets.audio.pairs import augmented_picture, cut_augmented
from crescendai_assets.audio.segments import SegmentRule
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets_tests.audio.plucked import plucked
from crescendai_assets_tests.builders import cut_short, noise, write_sound

RULE = SegmentRule(segment_duration=6.0)
PIECES = [(f"yt_a_seg{n:03d}", round(start * SAMPLE_RATE), round(stop * SAMPLE_RATE)) for n, start, stop in
          ((0, 0, 6), (1, 6, 12), (3, 18, 22.5))]  # fmt: skip


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-three seconds of plucked tones; only read."""
    return write_sound(tmp_path_factory.mktemp("pairs") / "a.wav", plucked(23.0, SAMPLE_RATE), SAMPLE_RATE)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    decay = noise(0.2, seed=3) * np.exp(-np.arange(4800) / 800).astype(np.float32)
    return write_sound(tmp_path_factory.mktemp("rooms") / "hall.wav", decay, SAMPLE_RATE)


def made(path: Path, preset: str = "label_safe", responses: tuple[Path, ...] = ()) -> list[tuple[Any, dict[str, Any]]]:
    return list(cut_augmented(path, PIECES, RULE, preset, responses))


def test_a_recording_is_decoded_once_however_many_segments_it_has(recording, monkeypatch):
    decoded: list[Path] = []

    def counting(path, **options):
        decoded.append(path)
        return decode(path, **options)

    monkeypatch.setattr(segments, "decode", counting)
    assert len(made(recording)) == 3
    assert decoded == [recording]


def test_segments_are_augmented_one_by_one_as_they_are_asked_for(recording, monkeypatch):
    augmented: list[str] = []

    def counting(clean, rate, segment_id, *rest):
        augmented.append(segment_id)
        return augment_segment(clean, rate, segment_id, *rest)

    monkeypatch.setattr(pairs_module, "augment_segment", counting)
    stream = cut_augmented(recording, PIECES, RULE, "single:gain")
    assert augmented == []
    ids = [segment_id for segment_id, _, _ in PIECES]
    for number in range(len(ids)):
        next(stream)
        assert augmented == ids[: number + 1]


@pytest.mark.parametrize("preset", ["recording_conditions", "label_safe", "single:codec", "single:pitch_shift"])
def test_each_twin_is_as_long_as_its_segment_and_not_the_same(recording, preset):
    clean = decode(recording).audio
    for (_, start, stop), (augmented, facts) in zip(PIECES, made(recording, preset), strict=True):
        assert augmented.shape == (stop - start,)
        assert augmented.dtype == np.float32
        assert np.isfinite(augmented).all()
        assert not np.array_equal(augmented, clean[start:stop])
        assert facts["preset"] == preset


def test_a_twin_depends_on_its_own_segment_and_preset_alone(recording):
    whole = made(recording)
    (last, facts), = cut_augmented(recording, PIECES[2:], RULE, "label_safe")  # fmt: skip
    assert np.array_equal(last, whole[2][0])
    assert facts == whole[2][1]
    again = made(recording)
    assert all(np.array_equal(a, b) and x == y for (a, x), (b, y) in zip(whole, again, strict=True))


@pytest.mark.parametrize("preset", ["recording_conditions", "label_safe", "single:room_response"])
def test_what_was_done_survives_json_and_names_files_without_their_folders(recording, room, preset):
    for _, facts in made(recording, preset, (room,)):
        assert json.loads(json.dumps(facts, allow_nan=False)) == facts
        assert str(room.parent) not in json.dumps(facts)
        assert set(facts) == {"preset", "effects", "lag_seconds", "onset_similarity", "snr_db", "level_db"}


def test_the_effects_told_are_those_that_the_segments_id_draws(recording, room):
    for (segment_id, _, _), (_, facts) in zip(PIECES, made(recording, "recording_conditions", (room,)), strict=True):
        drawn = draw("recording_conditions", segment_seed(segment_id, "recording_conditions"), room_responses=(room,))
        assert facts["effects"] == [one.to_row() for one in drawn]
        assert facts["effects"]


def test_a_room_response_is_told_by_its_name(recording, room):
    assert [facts["effects"] for _, facts in made(recording, "single:room_response", (room,))] == [
        [{"effect": "room_response", "response": "hall.wav"}]
    ] * 3


def test_what_was_measured_is_the_difference_to_the_clean_segment(recording):
    for _, facts in made(recording, "single:gain"):
        (gain,) = facts["effects"]
        assert facts["level_db"] == pytest.approx(gain["gain_db"], abs=0.02)
        assert facts["snr_db"] > 60
        assert facts["lag_seconds"] == 0
        assert facts["onset_similarity"] == pytest.approx(1, abs=1e-3)
    for _, facts in made(recording, "single:noise"):
        (hiss,) = facts["effects"]
        assert facts["snr_db"] == pytest.approx(hiss["snr_db"], abs=1.0)


def test_a_recording_that_cannot_be_decoded_is_told_as_when_it_is_cut(recording, tmp_path):
    (tmp_path / "a.wav").symlink_to(recording)
    with pytest.raises(RecordingError, match=r"cut-a\.wav: truncated"):
        made(cut_short(tmp_path / "a.wav"))
    with pytest.raises(RecordingError, match="more than"):
        list(cut_augmented(recording, PIECES, SegmentRule(max_recording=10.0), "label_safe"))


def test_an_unknown_preset_is_refused_before_anything_is_yielded(recording):
    with pytest.raises(SetupError, match="Did you mean 'label_safe'"):
        next(cut_augmented(recording, PIECES, RULE, "lable_safe"))


def test_a_picture_shows_one_segment_clean_and_augmented(recording):
    segment = {"segment_id": "yt_a_seg001", "segment_start": 6.0, "n_valid": 6 * SAMPLE_RATE}
    data = augmented_picture(recording, segment, RULE, "label_safe", (), "A channel: a title")
    assert data.startswith(b"\x89PNG")
    assert len(data) <= 40_000
