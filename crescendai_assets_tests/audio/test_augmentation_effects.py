from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from crescendai_assets.audio import codec, compare, effects, save_audio
from crescendai_assets.audio.augmentation import EFFECTS, Drawn, apply, draw
from crescendai_assets.audio.effects import convolved, pink_noise, recordings_in, root_mean_square
from crescendai_assets.audio.pitch import pitch_shift
from crescendai_assets.lake.errors import SetupError
from crescendai_assets_tests.audio.plucked import impulses, plucked, sample_lag
from crescendai_assets_tests.builders import noise, tone, write_sound

SOUND = plucked(4.0, seed=1)
RATES = [8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000]
WAVEFORM_KEEPING = [name for name in EFFECTS if name not in {"pitch_shift", "detune"}]


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    times = np.arange(9_000) / 24_000
    response = np.random.default_rng(0).standard_normal(len(times)) * np.exp(-times / 0.08) * 0.02
    response[:100] = 0.0
    response[100] = 1.0
    path = tmp_path_factory.mktemp("rooms") / "hall.wav"
    save_audio(response.astype(np.float32), path)
    return path


def level_at(audio, hertz, sr=24_000):
    """Amplitude at one frequency, by projection."""
    times = np.arange(len(audio)) / sr
    return abs(np.mean(audio * np.exp(-2j * np.pi * hertz * times))) * 2


def response_db(effect, hertz, **parameters):
    probe = tone(2.0, hertz=hertz, level=0.1)
    return 20 * np.log10(level_at(effect(probe, 24_000, **parameters)[12_000:-12_000], hertz) / 0.1)


def snr(clean, heard):
    return 20 * np.log10(root_mean_square(clean) / root_mean_square(heard - clean))


# --- in time


@pytest.mark.parametrize("effect", WAVEFORM_KEEPING)
def test_the_waveform_stays_within_two_samples_of_where_it_was(effect, room):
    for seed in range(6):
        out = apply(SOUND, 24_000, draw(f"single:{effect}", seed, room_responses=[room]), seed)
        assert abs(sample_lag(SOUND, out)) <= 2


@pytest.mark.parametrize("effect", [name for name in WAVEFORM_KEEPING if name not in {"noise", "mild_noise"}])
def test_impulses_stay_within_two_samples_of_where_they_were(effect, room):
    train, places = impulses(3.0)
    for seed in range(4):
        out = np.abs(apply(train, 24_000, draw(f"single:{effect}", seed, room_responses=[room]), seed))
        moved = [int(out[place - 200 : place + 200].argmax()) - 200 for place in places]
        assert max(map(abs, moved)) <= 2


@pytest.mark.parametrize("sr", [16_000, 24_000])
@pytest.mark.parametrize("semitones", [-0.5, -0.1, 0.1, 0.5])
def test_a_shifted_pitch_stays_in_time_to_a_millisecond_on_average_and_does_not_drift(sr, semitones):
    lags = []
    for seed in range(3):
        sound = plucked(10.0, sr, seed=seed)
        out = pitch_shift(sound, sr, semitones=semitones)
        half = len(sound) // 2
        lags += [compare(sound[part], out[part], sr).lag_seconds for part in (slice(half), slice(half, None))]
    assert abs(np.mean(lags)) < 1e-3
    assert np.abs(lags).max() < 3e-3


@pytest.mark.parametrize("semitones", [-0.5, -0.1, 0.1, 0.5])
def test_each_impulse_of_a_shifted_train_is_within_eight_milliseconds_of_where_it_was(semitones):
    train, places = impulses(10.0)
    shifted = np.abs(pitch_shift(train, 24_000, semitones=semitones))
    moved = [(int(shifted[place - 480 : place + 480].argmax()) - 480) / 24_000 for place in places]
    assert np.abs(moved).max() < 8e-3
    assert abs(np.mean(moved)) < 1.5e-3


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("sr", RATES)
def test_at_any_rate_the_length_and_the_time_are_kept(effect, sr, room):
    sound = plucked(2.03, sr, seed=4)
    out = apply(sound, sr, draw(f"single:{effect}", 1, room_responses=[room]), 1)
    assert out.shape == sound.shape
    assert not np.array_equal(out, sound)
    assert abs(compare(sound, out, sr).lag_seconds) < 1.5e-3


# --- each does what it says


@pytest.mark.parametrize("hertz", [110, 220, 440, 1760, 5000])
@pytest.mark.parametrize("semitones", [-0.5, -0.1, 0.02, 0.1, 0.5])
def test_every_pitch_moves_by_as_much_as_said_and_keeps_its_level(semitones, hertz):
    """What Pedalboard's own shifter does not: see `pitch`."""
    out = pitch_shift(tone(4.0, hertz=hertz), 24_000, semitones=semitones)[12_000:84_000]
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out)), 1 << 21))
    cents = 1200 * np.log2(spectrum.argmax() * 24_000 / (1 << 21) / hertz)
    assert cents == pytest.approx(100 * semitones, abs=0.4)
    assert root_mean_square(out) == pytest.approx(0.3 / np.sqrt(2), rel=0.02)


def test_no_shift_is_no_change():
    assert np.allclose(pitch_shift(SOUND, 24_000, semitones=0.0), SOUND, atol=1e-6)


def test_the_ends_of_a_shifted_segment_are_whole():
    sound = noise(1.0, level=0.2)
    for semitones in (-0.5, 0.5):
        out = pitch_shift(sound, 24_000, semitones=semitones)
        for part in (slice(0, 240), slice(-240, None)):
            assert root_mean_square(out[part]) == pytest.approx(root_mean_square(sound[part]), rel=0.25)


def test_splices_are_put_into_pauses_rather_than_notes():
    note = tone(0.15, hertz=333) * np.hanning(3600).astype(np.float32)
    sound = np.concatenate([np.concatenate([note, np.zeros(2400, np.float32)]) for _ in range(8)])
    out = pitch_shift(sound, 24_000, semitones=0.3)
    wanted = tone(0.15, hertz=333 * 2 ** (0.3 / 12)) * np.hanning(3600).astype(np.float32)
    for start in range(0, len(sound), 6000):
        likeness = np.correlate(np.pad(out, 300)[start : start + 3600 + 600], wanted, "valid") / np.sum(wanted**2)
        assert likeness.max() > 0.98


def test_reverb_rings_on_the_longer_the_larger_the_room_and_the_louder_the_wetter():
    click = np.zeros(48_000, np.float32)
    click[100] = 0.5

    def tail(room_size, wet, start):
        return root_mean_square(effects.reverb(click, 24_000, room_size=room_size, wet=wet)[start:])

    assert tail(0.7, 0.2, 12_000) > 3 * tail(0.1, 0.2, 12_000)
    assert tail(0.4, 0.3, 2_000) == pytest.approx(3 * tail(0.4, 0.1, 2_000), rel=0.01)
    out = effects.reverb(click, 24_000, room_size=0.5, wet=0.3)
    assert out[100] == pytest.approx(0.5 * 0.7, rel=1e-4)
    assert not out[:100].any()


def test_reverb_of_one_sound_leaves_nothing_behind_for_the_next():
    effects.reverb(noise(1.0), 24_000, room_size=0.7, wet=0.3)
    assert not effects.reverb(np.zeros(5000, np.float32), 24_000, room_size=0.7, wet=0.3).any()


def test_the_equalizer_reaches_its_gains():
    bands = {
        "low_hz": 150,
        "low_db": 5.0,
        "mid_hz": 1000,
        "mid_db": -4.0,
        "mid_q": 1.0,
        "high_hz": 5000,
        "high_db": 3.0,
    }
    assert response_db(effects.equalizer, 30, **bands) == pytest.approx(5, abs=0.3)
    assert response_db(effects.equalizer, 1000, **bands) == pytest.approx(-4, abs=0.4)
    assert response_db(effects.equalizer, 11_500, **bands) == pytest.approx(3, abs=0.3)


def test_a_tilt_is_half_up_and_half_down():
    assert response_db(effects.tilt, 40, tilt_db=1.5) == pytest.approx(-0.75, abs=0.05)
    assert response_db(effects.tilt, 11_000, tilt_db=1.5) == pytest.approx(0.75, abs=0.05)
    assert abs(response_db(effects.tilt, 950, tilt_db=1.5)) < 0.1


@pytest.mark.parametrize("level", [1e-3, 0.05, 0.9])
def test_compression_acts_below_the_peak_of_a_quiet_segment_as_of_a_loud_one(level):
    sound = np.concatenate([tone(1.0, level=level), tone(1.0, level=level / 100)])
    out = effects.compression(sound, 24_000, threshold_db=-20, ratio=4)
    loud = np.abs(out[12_000:24_000]).max() / level
    soft = np.abs(out[36_000:]).max() / (level / 100)
    assert 20 * np.log10(loud) == pytest.approx(-15, abs=1)
    assert 20 * np.log10(soft) == pytest.approx(0, abs=0.1)


def test_a_low_pass_halves_the_power_at_its_cutoff():
    assert response_db(effects.low_pass, 4000, cutoff_hz=4000) == pytest.approx(-3, abs=0.1)
    assert response_db(effects.low_pass, 200, cutoff_hz=4000) == pytest.approx(0, abs=0.1)


def test_a_cutoff_at_or_above_half_the_rate_is_no_fault():
    for cutoff in (12_000, 20_000):
        for effect in (effects.low_pass, effects.bandwidth):
            out = effect(SOUND, 24_000, cutoff_hz=cutoff)
            assert np.isfinite(out).all()
            assert root_mean_square(out) == pytest.approx(root_mean_square(SOUND), rel=0.02)


def test_bandwidth_keeps_what_is_below_and_nothing_above():
    assert response_db(effects.bandwidth, 8_700, cutoff_hz=9000) == pytest.approx(0, abs=0.05)
    assert response_db(effects.bandwidth, 9_300, cutoff_hz=9000) < -60


def test_a_phone_hears_little_above_8_khz_and_levels_out():
    faint = {"threshold_db": -1e-3, "ratio": 1.0}
    assert response_db(effects.phone, 8000, **faint) == pytest.approx(-6, abs=0.3)
    out = effects.phone(SOUND, 24_000, threshold_db=-20, ratio=4)
    crest = [np.abs(sound).max() / root_mean_square(sound) for sound in (SOUND, out)]
    assert crest[1] < crest[0]


@pytest.mark.parametrize("snr_db", [10.0, 20.0, 40.0])
@pytest.mark.parametrize("level", [1e-4, 0.4])
def test_noise_lies_as_far_below_the_sound_as_said(snr_db, level):
    sound = (SOUND * level).astype(np.float32)
    out = effects.noise(sound, 24_000, snr_db=snr_db, generator=np.random.default_rng(1))
    assert snr(sound, out) == pytest.approx(snr_db, abs=0.02)


def test_pink_noise_falls_by_three_decibels_an_octave():
    heard = pink_noise(1_000_003, 24_000, np.random.default_rng(0))
    assert len(heard) == 1_000_003
    power = np.abs(np.fft.rfft(heard)) ** 2
    hertz = np.fft.rfftfreq(len(heard), 1 / 24_000)
    octaves = [10 * np.log10(power[(hertz >= low) & (hertz < 2 * low)].mean()) for low in 40 * 2.0 ** np.arange(8)]
    assert np.diff(octaves) == pytest.approx([-3.01] * 7, abs=0.4)
    assert abs(heard.mean()) < 1e-3 * heard.std()


def test_recorded_noise_is_used_from_anywhere_and_repeated(tmp_path):
    path = write_sound(tmp_path / "hum.wav", tone(0.5, 48_000, hertz=100), 48_000, "FLOAT")
    added = [
        effects.noise(SOUND, 24_000, snr_db=20, generator=np.random.default_rng(seed), recording=str(path)) - SOUND
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(added[0], added[1])
    assert not np.allclose(added[0], added[2])
    assert level_at(added[0], 100) == pytest.approx(root_mean_square(SOUND) / 10 * np.sqrt(2), rel=0.02)


# --- rooms


def test_a_response_that_is_one_late_sample_changes_nothing(tmp_path):
    for name, at, height in (("a", 0, 1.0), ("b", 700, 0.25)):
        response = np.zeros(1000, np.float32)
        response[at] = height
        save_audio(response, tmp_path / f"{name}.wav")
        out = effects.room_response(SOUND, 24_000, response=str(tmp_path / f"{name}.wav"))
        assert np.allclose(out, SOUND, atol=1e-5)


def test_a_room_keeps_the_level_and_is_heard_after_the_sound(room):
    out = effects.room_response(SOUND, 24_000, response=str(room))
    assert root_mean_square(out) == pytest.approx(root_mean_square(SOUND), rel=1e-4)
    click = np.zeros(24_000, np.float32)
    click[5000] = 0.5
    heard = effects.room_response(click, 24_000, response=str(room))
    assert np.abs(heard[:4990]).max() < 1e-5
    assert root_mean_square(heard[5100:8000]) > 1e-4


def test_a_response_at_another_rate_is_converted(room, tmp_path):
    import soxr

    from crescendai_assets.audio import load_audio

    response = soxr.resample(load_audio(room)[0], 24_000, 48_000)
    other = write_sound(tmp_path / "b.wav", response, 48_000, "FLOAT")
    ours, theirs = (effects.room_response(SOUND, 24_000, response=str(path)) for path in (room, other))
    assert snr(ours, theirs) > 25


def test_a_response_written_again_is_read_again(tmp_path):
    path = tmp_path / "a.wav"
    save_audio(np.array([1, 0, 0], np.float32), path)
    effects.room_response(SOUND, 24_000, response=str(path))
    save_audio(np.array([1, 0, 0, 0, 0.5], np.float32), path)
    assert not np.allclose(effects.room_response(SOUND, 24_000, response=str(path)), SOUND, atol=1e-3)


@pytest.mark.parametrize(
    ("content", "said"), [(None, "no such recording"), (np.zeros(100), "nothing but silence"), (b"junk", "cannot use")]
)
def test_a_response_that_is_no_use_stops_with_its_name(tmp_path, content, said):
    path = tmp_path / "bad.wav"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        save_audio(content.astype(np.float32), path)
    with pytest.raises(SetupError, match=said) as caught:
        effects.room_response(SOUND, 24_000, response=str(path))
    assert "bad.wav" in str(caught.value)


@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 300), (10_000, 7), (50_000, 2_049), (4096, 4096)])
@pytest.mark.parametrize("origin", [0, 5])
def test_convolution_by_blocks_is_convolution(n, k, origin):
    chance = np.random.default_rng(n + k)
    audio, kernel = (chance.standard_normal(size).astype(np.float32) for size in (n, k))
    whole = np.concatenate([np.convolve(audio.astype(float), kernel.astype(float)), np.zeros(10)])
    assert np.allclose(convolved(audio, kernel, origin), whole[origin : origin + n], atol=1e-3)


def test_recordings_are_found_in_folders_of_folders_sorted(tmp_path):
    for name in ("b/x.WAV", "a/y.flac", "a/.hidden.wav", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert recordings_in(tmp_path, "rooms") == (tmp_path / "a/y.flac", tmp_path / "b/x.WAV")
    with pytest.raises(SetupError, match=r"gone: no such folder; put rooms there"):
        recordings_in(tmp_path / "gone", "rooms")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SetupError, match=r"empty: holds no audio files"):
        recordings_in(tmp_path / "empty", "rooms")


# --- codecs


@pytest.mark.parametrize("sr", RATES)
@pytest.mark.parametrize(("name", "kbps"), [("mp3", 64), ("mp3", 160), ("opus", 24), ("opus", 96)])
def test_a_codec_keeps_the_sound_its_length_and_its_time(name, kbps, sr):
    sound = plucked(2.017, sr, seed=5)
    out = codec.codec(sound, sr, codec=name, kbps=kbps)
    assert out.shape == sound.shape
    assert sample_lag(sound, out) == 0
    assert snr(sound, out) > (14 if kbps > 24 else 8)
    end = slice(-sr // 10, None)  # the last samples came out of encoder and decoder too
    assert root_mean_square(out[end]) == pytest.approx(root_mean_square(sound[end]), rel=0.1)


@pytest.mark.parametrize("name", ["mp3", "opus"])
@pytest.mark.parametrize("n", [1, 5, 576, 577])
def test_a_codec_takes_any_length(name, n):
    assert codec.codec(SOUND[10_000 : 10_000 + n], 24_000, codec=name, kbps=64).shape == (n,)


@pytest.mark.parametrize("name", ["mp3", "opus"])
def test_a_codec_does_not_cut_off_what_is_above_full_scale(name):
    sound = SOUND * 6
    assert np.abs(sound).max() > 2
    assert snr(sound, codec.codec(sound, 24_000, codec=name, kbps=96)) > 15


def test_more_bits_are_closer_to_the_sound():
    for name, rates in (("mp3", (64, 96, 160)), ("opus", (24, 48, 96))):
        closeness = [snr(SOUND, codec.codec(SOUND, 24_000, codec=name, kbps=kbps)) for kbps in rates]
        assert closeness == sorted(closeness)


@pytest.mark.parametrize("table", ["_ENCODERS", "_DECODERS"])
def test_a_codec_that_is_not_there_is_named_with_a_way_on(monkeypatch, table):
    monkeypatch.setitem(getattr(codec, table), "opus", "libnone" if table == "_DECODERS" else ("libnone", "flt", "0"))
    with pytest.raises(SetupError, match="PyAV has no libnone; install the wheel"):
        apply(SOUND, 24_000, [Drawn("codec", {"codec": "opus", "kbps": 64})], 0)


def test_codecs_in_threads_do_not_disturb_each_other():
    def work(kbps):
        return codec.codec(SOUND, 24_000, codec="opus", kbps=kbps).tobytes()

    rates = [24, 48, 64, 96]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, rates)) == [work(kbps) for kbps in rates]
