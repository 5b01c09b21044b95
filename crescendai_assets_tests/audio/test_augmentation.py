from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crescendai_assets.audio import augment_audio, augment_segment, create_augmentation_chain, save_audio
from crescendai_assets.audio.augmentation import (
    CEILING,
    EFFECTS,
    PRESETS,
    VERSION,
    Drawn,
    Files,
    apply,
    draw,
    draw_from,
    segment_seed,
)
from crescendai_assets.bench import augment as bench
from crescendai_assets.lake.errors import SetupError
from crescendai_assets_tests.audio.plucked import plucked
from crescendai_assets_tests.builders import noise, tone

ROOMS = [Path("/rooms/b.wav"), Path("/rooms/a.wav"), Path("/rooms/c.wav")]
SINGLES = [f"single:{effect}" for effect in EFFECTS]
SOUND = plucked(1.0)

RANGES = {
    ("pitch_shift", "semitones"): (-0.5, 0.5),
    ("detune", "semitones"): (-0.1, 0.1),
    ("reverb", "room_size"): (0.1, 0.7),
    ("reverb", "wet"): (0.05, 0.3),
    ("compression", "threshold_db"): (-30, -10),
    ("compression", "ratio"): (2, 6),
    ("low_pass", "cutoff_hz"): (4000, 12_000),
    ("gain", "gain_db"): (-6, 3),
    ("noise", "snr_db"): (10, 30),
    ("mild_noise", "snr_db"): (25, 40),
    ("tilt", "tilt_db"): (-1.5, 1.5),
    ("bandwidth", "cutoff_hz"): (8000, 11_500),
    ("equalizer", "low_db"): (-6, 6),
    ("equalizer", "mid_db"): (-6, 6),
    ("equalizer", "high_db"): (-6, 6),
}
SHARES = {
    "recording_conditions": {
        "reverb": 0.6,
        "compression": 0.5,
        "low_pass": 0.4,
        "pitch_shift": 0.3,
        "gain": 0.7,
        "equalizer": 0.5,
        "noise": 0.4,
        "room_response": 0.3,
        "phone": 0.2,
    },
    "label_safe": {"codec": 0.4, "mild_noise": 0.5, "tilt": 0.5, "detune": 0.3, "bandwidth": 0.4},
}

CHILD = """
import hashlib
from pathlib import Path
from crescendai_assets.audio import augment_segment
from crescendai_assets_tests.audio.plucked import plucked
sound, rooms = plucked(1.0), [Path({room!r})]
for preset in {presets!r}:
    audio, drawn = augment_segment(sound, 24000, "x_seg000", preset, rooms)
    print(preset, hashlib.sha256(audio.tobytes()).hexdigest(), hash("x") % 7, [one.to_row() for one in drawn])
"""


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    times = np.arange(12_000) / 24_000
    response = np.random.default_rng(0).standard_normal(len(times)) * np.exp(-times / 0.1) * 0.03
    response[120] = 1.0
    path = tmp_path_factory.mktemp("rooms") / "hall.wav"
    save_audio(response.astype(np.float32), path)
    return path


# --- drawing


def test_the_seed_of_a_segment_comes_from_its_id_the_preset_and_the_version():
    seed = segment_seed("a_seg000", "label_safe")
    assert seed == segment_seed("a_seg000", "label_safe", VERSION)
    others = {
        segment_seed("a_seg001", "label_safe"),
        segment_seed("a_seg000", "recording_conditions"),
        segment_seed("a_seg000", "label_safe", VERSION + 1),
        segment_seed("a_seg000l", "abel_safe"),
    }
    assert len(others | {seed}) == 5
    assert 0 <= seed < 2**63


def test_what_is_drawn_today_is_what_was_drawn_when_the_version_was_set():
    """Whoever changes this raises VERSION: embeddings of augmented segments are committed under it."""
    rows = [
        one.to_row()
        for preset in [*PRESETS, *SINGLES]
        for number in range(20)
        for one in draw(preset, segment_seed(f"x_seg{number:03d}", preset, 1), room_responses=ROOMS)
    ]
    assert VERSION == 1
    assert hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16] == "034bfeab84236a80"


@pytest.mark.parametrize("preset", [*PRESETS, *SINGLES])
def test_drawing_is_pure_and_its_rows_are_json_in_the_order_of_the_effects(preset):
    for seed in range(50):
        drawn = draw(preset, seed, room_responses=ROOMS)
        assert drawn == draw(preset, seed, room_responses=ROOMS)
        names = [one.effect for one in drawn]
        assert names == [name for name in EFFECTS if name in names]
        assert names
        rows = json.loads(json.dumps([one.to_row() for one in drawn]))
        assert [row["effect"] for row in rows] == names
        assert "/" not in json.dumps(rows)


@pytest.mark.parametrize("effect", EFFECTS)
def test_a_single_effect_is_that_one_and_nothing_else(effect):
    for seed in range(20):
        (one,) = draw(f"single:{effect}", seed, room_responses=ROOMS)
        assert one.effect == effect


@pytest.mark.parametrize("preset", PRESETS)
def test_effects_are_drawn_as_often_as_they_should_be_each_on_its_own(preset):
    n = 4000
    drawn = [{one.effect for one in draw(preset, seed, room_responses=ROOMS)} for seed in range(n)]
    assert all(drawn)
    empty = float(np.prod([1 - share for share in SHARES[preset].values()]))  # then one is chosen all the same
    for effect, share in SHARES[preset].items():
        assert sum(effect in names for names in drawn) / n == pytest.approx(share + empty * 0.3, abs=0.03)
    names = sorted(SHARES[preset])
    applies = np.array([[name in found for name in names] for found in drawn], float)
    together = np.corrcoef(applies.T) - np.eye(len(names))
    assert np.abs(together).max() < (0.12 if preset == "label_safe" else 0.06)  # of five it is often that one
    assert set().union(*drawn) == set(names)


def test_without_recorded_rooms_there_is_no_such_effect_and_the_others_are_as_they_were():
    for seed in range(300):
        without = draw("recording_conditions", seed)
        having = draw("recording_conditions", seed, room_responses=ROOMS)
        kept = tuple(one for one in having if one.effect != "room_response")
        assert without == kept or not kept


def test_every_room_is_chosen_and_the_order_they_are_given_in_does_not_matter():
    chosen = Counter(
        str(draw("single:room_response", s, room_responses=ROOMS)[0].parameters["response"]) for s in range(600)
    )
    assert set(chosen) == {str(path) for path in ROOMS}
    assert min(chosen.values()) > 150
    for seed in range(30):
        turned = draw("single:room_response", seed, room_responses=ROOMS[::-1])
        assert turned == draw("single:room_response", seed, room_responses=ROOMS)


@pytest.mark.parametrize(("effect", "parameter"), RANGES)
def test_parameters_fill_their_ranges(effect, parameter):
    low, high = RANGES[effect, parameter]
    values = np.array([float(draw(f"single:{effect}", seed)[0].parameters[parameter]) for seed in range(1500)])
    assert values.min() >= low
    assert values.max() <= high
    if parameter.endswith("_hz"):
        low, high, values = np.log(low), np.log(high), np.log(values)
    assert np.histogram(values, bins=4, range=(low, high))[0] / 1500 == pytest.approx([0.25] * 4, abs=0.05)


def test_codecs_are_opus_and_mp3_at_rates_they_have():
    drawn = [draw("single:codec", seed)[0].parameters for seed in range(1000)]
    opus = [int(one["kbps"]) for one in drawn if one["codec"] == "opus"]
    mp3 = [int(one["kbps"]) for one in drawn if one["codec"] == "mp3"]
    assert len(mp3) == pytest.approx(250, abs=45)
    assert (min(opus), max(opus)) == (24, 96)
    assert set(mp3) == {64, 80, 96, 112, 128, 160}


def test_parameters_of_an_effect_are_independent_of_each_other_and_of_whether_it_applies():
    drawn = [draw("recording_conditions", seed) for seed in range(3000)]
    found = [one.parameters for many in drawn for one in many if one.effect == "reverb"]
    sizes, wets = (np.array([float(one[name]) for one in found]) for name in ("room_size", "wet"))
    assert abs(np.corrcoef(sizes, wets)[0, 1]) < 0.06
    assert np.mean(sizes) == pytest.approx(0.4, abs=0.015)


def test_when_chance_leaves_nothing_one_effect_applies_in_proportion():
    chosen = [draw_from({"gain": 0.001, "tilt": 0.003}, seed, Files()) for seed in range(2000)]
    assert all(len(drawn) == 1 for drawn in chosen)
    assert sum(drawn[0].effect == "tilt" for drawn in chosen) / 2000 == pytest.approx(0.75, abs=0.04)


@pytest.mark.parametrize(
    ("preset", "said"),
    [
        ("label_save", "Did you mean 'label_safe'"),
        ("single:reverv", "Did you mean 'single:reverb'"),
        ("single:", "single:<effect>"),
        ("", "recording_conditions, label_safe"),
        ("reverb", "with an effect of pitch_shift, detune, reverb"),
    ],
)
def test_an_unknown_preset_is_refused_with_the_known_ones(preset, said):
    with pytest.raises(SetupError, match="recording_conditions, label_safe, nor single:<effect>") as caught:
        draw(preset, 0)
    assert said in str(caught.value)


def test_a_room_response_alone_needs_recordings():
    with pytest.raises(SetupError, match="give a folder of room impulse responses"):
        draw("single:room_response", 0)


# --- applying


@settings(max_examples=300)
@given(
    preset=st.sampled_from([*PRESETS, *SINGLES]),
    seed=st.integers(0, 2**63 - 1),
    n=st.sampled_from([1, 2, 5, 37, 1000, 2400, 5003]),
    level=st.sampled_from([0.0, 1e-8, 1e-3, 0.3, 1.0, 7.0]),
    kind=st.sampled_from(["noise", "tone", "one", "plucked"]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_whatever_is_drawn_the_result_is_as_long_finite_and_within_full_scale(
    room, preset, seed, n, level, kind, dtype
):
    sound = {
        "noise": noise(1.0, level=0.3)[:n],
        "tone": tone(1.0)[:n],
        "one": np.ones(n, np.float32),
        "plucked": SOUND[1000 : 1000 + n],
    }[kind]
    audio = (sound * level).astype(dtype)
    before = audio.copy()
    drawn = draw(preset, seed, room_responses=[room])
    out = apply(audio, 24_000, drawn, seed)
    assert out.shape == audio.shape
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    assert np.abs(out).max() <= 1
    assert np.array_equal(audio, before)
    assert out.tobytes() == apply(audio, 24_000, drawn, seed).tobytes()


@pytest.mark.parametrize("preset", [*PRESETS, *SINGLES])
@pytest.mark.parametrize("level", [0.01, 0.5, 1.0])
def test_the_result_differs_from_the_input_and_mostly_between_seeds(room, preset, level):
    sound = (SOUND / np.abs(SOUND).max() * level).astype(np.float32)
    results = []
    for number in range(4):
        out, drawn = augment_segment(sound, 24_000, f"x_seg{number:03d}", preset, [room])
        assert drawn
        assert not np.array_equal(out, sound)
        results.append(out.tobytes())
    assert len(set(results)) > 2 or preset == "single:room_response"  # of which there is one


def test_an_input_at_full_scale_that_is_made_louder_is_scaled_down_and_not_clipped():
    sound = (SOUND / np.abs(SOUND).max()).astype(np.float32)
    out = apply(sound, 24_000, [Drawn("gain", {"gain_db": 3.0})], 0)
    assert np.abs(out).max() == pytest.approx(CEILING)
    assert np.allclose(out, sound * CEILING, atol=1e-6)


def test_a_gain_below_full_scale_is_the_gain():
    out = apply(SOUND, 24_000, [Drawn("gain", {"gain_db": -6.0})], 0)
    assert np.allclose(out, SOUND * 10 ** (-6 / 20), atol=1e-7)


@pytest.mark.parametrize("preset", [*PRESETS, *SINGLES])
def test_silence_and_nothing_stay_as_they_are(room, preset):
    for audio in (np.zeros(5000, np.float32), np.full(100, 1e-9, np.float32), np.zeros(0, np.float32)):
        out, _ = augment_segment(audio, 24_000, "x", preset, [room])
        assert np.array_equal(out, audio)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused(value):
    audio = SOUND.copy()
    audio[7] = value
    with pytest.raises(ValueError, match="finite samples"):
        augment_audio(audio, 24_000, 0)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(n,\) or \(channels, n\), not \(1, 2, 3\)"):
        augment_audio(np.zeros((1, 2, 3), np.float32), 24_000, 0)


@pytest.mark.parametrize("preset", [*PRESETS, *SINGLES])
def test_channels_are_augmented_alike_the_first_as_mono_noise_apart(room, preset):
    stereo = np.stack([SOUND * 0.5, SOUND * 0.5])
    out, drawn = augment_segment(stereo, 24_000, "x_seg005", preset, [room])
    mono, _ = augment_segment(stereo[0], 24_000, "x_seg005", preset, [room])
    assert out.shape == stereo.shape
    assert np.array_equal(out[0], mono)
    noisy = any(one.effect in {"noise", "mild_noise"} for one in drawn)
    assert np.array_equal(out[0], out[1]) is not noisy


def test_channels_keep_their_balance_when_one_of_them_would_clip():
    stereo = np.stack([SOUND / np.abs(SOUND).max(), SOUND * 0.1]).astype(np.float32)
    out = apply(stereo, 24_000, [Drawn("gain", {"gain_db": 3.0})], 0)
    assert np.allclose(out, stereo * CEILING, atol=1e-6)


def test_slices_and_other_types_are_taken():
    sliced = np.stack([SOUND, SOUND], axis=1)[:, 0]
    wanted = augment_audio(SOUND, 24_000, 3)
    assert np.array_equal(augment_audio(sliced, 24_000, 3), wanted)
    assert np.array_equal(augment_audio(SOUND.astype(np.float64), 24_000, 3), wanted)


def test_an_effect_dropped_changes_no_noise_of_another():
    hiss, louder = Drawn("noise", {"snr_db": 20.0}), Drawn("gain", {"gain_db": -3.0})
    alone, both = apply(SOUND, 24_000, [hiss], 9), apply(SOUND, 24_000, [hiss, louder], 9)
    assert np.allclose(alone * 10 ** (-3 / 20), both, atol=1e-6)
    mild = apply(SOUND, 24_000, [Drawn("mild_noise", {"snr_db": 20.0})], 9)
    assert not np.allclose(alone, mild)
    assert not np.allclose(alone, apply(SOUND, 24_000, [hiss], 10))


def test_a_segment_is_augmented_by_what_its_id_draws(room):
    out, drawn = augment_segment(SOUND, 24_000, "a_seg001", "recording_conditions", [room])
    seed = segment_seed("a_seg001", "recording_conditions")
    assert drawn == draw("recording_conditions", seed, room_responses=[room])
    assert np.array_equal(out, apply(SOUND, 24_000, drawn, seed))


def test_a_chain_and_augment_audio_do_the_same_each_time():
    chain = create_augmentation_chain(5)
    first = chain(SOUND, 24_000)
    assert np.array_equal(first, chain(SOUND, 24_000))
    assert np.array_equal(first, augment_audio(SOUND, 24_000, 5))
    assert first.shape == SOUND.shape
    assert first.dtype == np.float32
    assert not np.array_equal(first, SOUND)
    assert not np.array_equal(first, augment_audio(SOUND, 24_000, 6))
    safe = create_augmentation_chain(5, preset="label_safe")(SOUND, 24_000)
    assert np.array_equal(safe, augment_audio(SOUND, 24_000, 5, preset="label_safe"))
    with pytest.raises(SetupError, match="nope"):
        create_augmentation_chain(5, preset="nope")


def test_other_processes_with_other_hash_seeds_make_the_same_bytes(room):
    presets = [*PRESETS, *SINGLES]
    script = CHILD.format(room=str(room), presets=presets)
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", script],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads},
        )
        for seed, threads in (("0", "1"), ("4242", "2"))
    ]
    lines = [process.communicate(timeout=120)[0].splitlines() for process in running]
    assert [process.returncode for process in running] == [0, 0]
    told = [[line.split()[:2] for line in one] for one in lines]
    assert told[0] == told[1]
    assert [line.split(maxsplit=3)[3] for line in lines[0]] == [line.split(maxsplit=3)[3] for line in lines[1]]
    assert lines[0][0].split()[2] != lines[1][0].split()[2]  # the hash seeds did differ
    sound = plucked(1.0)
    here = [
        hashlib.sha256(augment_segment(sound, 24_000, "x_seg000", p, [room])[0].tobytes()).hexdigest() for p in presets
    ]
    assert here == [digest for _, digest in told[0]]


def test_threads_make_the_same_bytes(room):
    jobs = [(preset, f"x_seg{number:03d}") for preset in [*PRESETS, *SINGLES] for number in range(2)]

    def work(job):
        return augment_segment(SOUND, 24_000, job[1], job[0], [room])[0].tobytes()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, jobs)) == [work(job) for job in jobs]


def test_the_bench_gives_a_figure_for_every_preset_and_effect(tmp_path):
    figures = {figure.name: figure for figure in bench.measure(tmp_path, quick=True)}
    assert set(figures) == {
        *(f"augment.{preset}{end}" for preset in PRESETS for end in ("", "_with_pitch")),
        *(f"augment.{effect}" for effect in EFFECTS if effect != "codec"),
        "augment.codec_mp3",
        "augment.codec_opus",
    }
    assert all(figure.measured and figure.measured > 0 for figure in figures.values())
    assert [str(figures[f"augment.label_safe{end}"].target) for end in ("", "_with_pitch")] == [
        "at least 500",
        "at least 60",
    ]
