from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crescendai_assets.audio import decode, load_audio, save_audio
from crescendai_assets.audio.decode import SAMPLE_RATE, decode_stretch, make_working_copy
from crescendai_assets.audio.guarded import GuardedProcess
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets_tests.builders import contents, cut_short, noise, tone, write_by_ffmpeg, write_sound
from crescendai_assets_tests.shared_data import DATA, needs_shared


def test_two_seconds_of_44100_hz_stereo_give_48000_mono_samples(tmp_path):
    path = write_sound(tmp_path / "a.wav", np.stack([tone(2.0, 44_100)] * 2, axis=1), 44_100)
    audio, sr = load_audio(str(path))
    assert (audio.shape, sr) == ((48_000,), 24_000)
    assert audio.dtype == np.float32


@settings(max_examples=60)
@given(
    st.sampled_from([8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000]),
    st.integers(1, 200_000),
    st.sampled_from([24_000, 16_000, 48_000]),
)
def test_the_length_is_exactly_the_ratio_of_the_rates(tmp_path_factory, rate, n, target):
    path = write_sound(tmp_path_factory.getbasetemp() / f"length-{os.getpid()}.wav", np.ones(n, np.float32), rate)
    audio, _ = load_audio(path, target)
    assert len(audio) == max(1, round(n * target / rate)) or (len(audio) == 0 and n * target / rate <= 0.5)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000])
def test_thirty_seconds_are_720000_samples_at_every_rate_and_keep_their_sound(tmp_path, rate):
    path = write_sound(tmp_path / "a.wav", tone(30.0, rate), rate, "FLOAT")
    audio, _ = load_audio(path)
    assert len(audio) == 720_000
    middle = slice(24_000, -24_000)
    assert np.abs(audio[middle] - tone(30.0)[middle]).max() < 1e-3


def test_what_lies_above_the_new_rate_is_filtered_out_and_not_folded_down(tmp_path):
    path = write_sound(tmp_path / "a.wav", tone(2.0, 48_000, hertz=15_000), 48_000)
    audio, _ = load_audio(path)
    assert np.abs(audio[2_400:-2_400]).max() < 1e-3


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_the_downmix_is_the_mean_of_the_channels(tmp_path, channels):
    parts = np.stack([noise(1.0, seed=i) for i in range(channels)], axis=1)
    audio, _ = load_audio(write_sound(tmp_path / "a.wav", parts, 24_000, "FLOAT"))
    assert np.allclose(audio, parts.mean(axis=1), atol=1e-6)
    assert decode(tmp_path / "a.wav").channels == channels


def test_channels_in_opposite_phase_cancel(tmp_path):
    one = tone(1.0)
    audio, _ = load_audio(write_sound(tmp_path / "a.wav", np.stack([one, -one], axis=1), 24_000, "FLOAT"))
    assert np.abs(audio).max() < 1e-6


def test_a_decoded_recording_tells_what_the_file_was(tmp_path):
    found = decode(write_sound(tmp_path / "a.flac", np.stack([tone(2.5, 44_100)] * 2, axis=1), 44_100))
    assert (found.native_rate, found.channels, found.sample_rate) == (44_100, 2, 24_000)
    assert found.declared_seconds == pytest.approx(2.5)
    assert found.seconds == 2.5


@pytest.mark.parametrize("name", ["gone.wav", "folder", "gone.m4a"])
def test_a_missing_file_is_a_file_not_found(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileNotFoundError, match=f"{name}: no such audio file"):
        load_audio(tmp_path / name)


@pytest.mark.parametrize("rate", [24_000, 44_100, 48_000, 22_050, 96_000, 11_025])
@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_stretch_is_what_the_whole_recording_has_there(tmp_path, rate, suffix):
    whole = noise(9.7, sr=rate) + tone(9.7, sr=rate, hertz=3000)
    path = write_sound(tmp_path / f"one.{suffix}", np.stack([whole, 0.5 * whole], axis=1), rate)
    decoded = decode(path).audio
    exact = 0 if rate == SAMPLE_RATE else 1e-4
    for start, stop in ((0, 24_000), (37_111, 150_003), (24_001, 48_002), (len(decoded) - 30_001, len(decoded))):
        assert decode_stretch(path, start, stop) == pytest.approx(decoded[start:stop], abs=exact)


def test_a_stretch_past_the_end_is_refused_and_what_libsndfile_cannot_read_is_decoded_whole(tmp_path):
    path = write_sound(tmp_path / "one.wav", tone(2.0), SAMPLE_RATE)
    with pytest.raises(RecordingError, match=r"one.wav: ends before 3.0 s"):
        decode_stretch(path, 24_000, 72_000)
    with pytest.raises(RecordingError, match=r"one.wav: ends before 9.0 s"):
        decode_stretch(path, 8 * 24_000, 9 * 24_000)
    video = write_by_ffmpeg(tmp_path / "one.m4a", tone(2.0), SAMPLE_RATE, "aac")
    assert np.array_equal(decode_stretch(video, 100, 30_000), decode(video).audio[100:30_000])


def test_what_is_saved_reads_back_to_a_ten_thousandth_and_the_folders_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "c.wav"
    audio = noise(1.3)
    save_audio(audio, path)
    assert np.abs(load_audio(path)[0] - audio).max() < 1e-4
    save_audio(audio, path, subtype="PCM_16")
    assert np.abs(load_audio(path)[0] - audio).max() < 1e-4
    assert set(contents(tmp_path)) == {"a/b/c.wav"}


def test_saved_audio_is_float32_wav_by_default_and_keeps_its_rate(tmp_path):
    import soundfile

    save_audio(tone(1.0, 16_000, level=1.5), tmp_path / "a.wav", 16_000)
    info = soundfile.info(tmp_path / "a.wav")
    assert (info.format, info.subtype, info.samplerate, info.frames) == ("WAV", "FLOAT", 16_000, 16_000)
    assert np.abs(load_audio(tmp_path / "a.wav", 16_000)[0]).max() == pytest.approx(1.5)


@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_16"])
def test_a_name_that_ends_in_flac_gives_flac_of_16_bits(tmp_path, subtype):
    import soundfile

    audio = noise(1.3, level=0.5)
    audio[:100] = 1.7
    save_audio(audio, tmp_path / "a.FLAC", subtype=subtype)
    info = soundfile.info(tmp_path / "a.FLAC")
    assert (info.format, info.subtype, info.samplerate, info.frames) == ("FLAC", "PCM_16", 24_000, len(audio))
    assert np.abs(load_audio(tmp_path / "a.FLAC")[0] - np.clip(audio, -1, 1)).max() < 1e-4


@pytest.mark.parametrize("name", ["copy.wav", "copy.flac"])
def test_a_working_copy_is_16_bit_mono_and_says_how_long_it_is(tmp_path, name):
    import soundfile

    original = write_sound(tmp_path / "a.wav", np.stack([noise(2.0, 44_100)] * 2, axis=1), 44_100)
    assert make_working_copy(original, tmp_path / name) == 2.0
    info = soundfile.info(tmp_path / name)
    assert (info.format, info.subtype) == (name.partition(".")[2].upper(), "PCM_16")
    assert (info.samplerate, info.channels, info.frames) == (24_000, 1, 48_000)
    assert np.abs(load_audio(tmp_path / name)[0] - load_audio(original)[0]).max() < 1e-4


def test_a_working_copy_longer_than_allowed_is_not_made(tmp_path):
    original = write_sound(tmp_path / "a.wav", noise(2.0), 24_000)
    with pytest.raises(RecordingError, match="more than"):
        make_working_copy(original, tmp_path / "copy.wav", max_seconds=1.0)
    assert set(contents(tmp_path)) == {"a.wav"}


def test_saving_on_a_full_disk_leaves_the_old_file_and_no_temporary(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    save_audio(tone(1.0), path)
    before = contents(tmp_path)

    def no_space(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", no_space)
    with pytest.raises(SetupError, match=r"a\.wav: No space left on device"):
        save_audio(noise(2.0), path)
    assert contents(tmp_path) == before


def test_saving_more_than_a_disk_really_holds_leaves_the_old_file_and_no_temporary(small_disk):
    save_audio(tone(0.1), small_disk / "a.wav")
    before = contents(small_disk)
    with pytest.raises(SetupError, match="No space left on device"):
        save_audio(noise(10.0), small_disk / "a.wav")
    assert contents(small_disk) == before


def test_a_wav_cut_in_half_is_refused_and_not_passed_with_a_zero_tail(tmp_path):
    path = write_sound(tmp_path / "a.wav", tone(60.0, 44_100), 44_100)
    cut = cut_short(path)
    with pytest.raises(RecordingError, match=r"cut-a\.wav: truncated: its header declares 60\.0 s, 30\.0 s are there"):
        load_audio(cut)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_a_flac_that_is_cut_short_is_refused_with_its_name(tmp_path, share):
    path = write_sound(tmp_path / "a.flac", noise(30.0, 44_100), 44_100)
    with pytest.raises(RecordingError, match=r"cut-a\.flac: (truncated|cannot be decoded).*Fetch it again"):
        load_audio(cut_short(path, share))


FFMPEG = {
    "a.webm": ("libopus", {}),
    "a.mka": ("flac", {}),
    "a.m4a": ("aac", {}),
    "fast.m4a": ("aac", {"movflags": "faststart"}),
    "a.mp3": ("libmp3lame", {}),
}


def written(path):
    codec, options = FFMPEG[path.name]
    try:
        return write_by_ffmpeg(path, noise(20.0, 48_000), 48_000, codec, **options)
    except ValueError as error:  # pragma: no cover
        pytest.skip(f"this PyAV has no {codec}: {error}")


@pytest.mark.parametrize("name", FFMPEG)
def test_containers_of_the_web_decode_whole_and_are_refused_when_cut_short(tmp_path, name):
    path = written(tmp_path / name)
    found = decode(path)
    assert found.seconds == pytest.approx(20.0, abs=0.1)
    assert (found.native_rate, found.channels) == (48_000, 1)
    for share in (0.1, 0.5, 0.9):
        with pytest.raises(RecordingError, match=rf"cut-{name}: (truncated|cannot be decoded).*Fetch it again"):
            load_audio(cut_short(path, share))


def test_the_way_through_ffmpeg_gives_what_the_way_through_libsndfile_gives(tmp_path):
    audio = (noise(10.0, 44_100, 0.1) * 32767).round() / 32768
    direct = decode(write_sound(tmp_path / "a.flac", audio, 44_100))
    through = decode(write_by_ffmpeg(tmp_path / "a.mka", audio.astype(np.float32), 44_100, "flac"))
    assert through.native_rate == 44_100
    assert len(through.audio) == len(direct.audio)
    assert np.abs(through.audio - direct.audio).max() < 1e-4


def test_a_video_whose_sound_is_shorter_than_its_picture_is_no_truncated_file(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, sound=10.0, picture=30.0)
    assert decode(path).seconds == pytest.approx(10.0, abs=0.1)


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile 'other.aac'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nother.aac\n#EXT-X-ENDLIST\n",
    ],
)
def test_a_list_of_files_does_not_bring_in_what_lies_beside_it(tmp_path, text):
    write_by_ffmpeg(tmp_path / "other.aac", tone(2.0, 48_000), 48_000, "aac")
    (tmp_path / "a.mp3").write_text(text)
    with pytest.raises(RecordingError, match=r"a\.mp3: (is a list of other files|cannot be decoded)"):
        load_audio(tmp_path / "a.mp3")


def test_a_raw_stream_that_starts_in_silence_is_no_truncated_file(tmp_path):
    audio = noise(30.0, 48_000)
    audio[: 20 * 48_000] = 0  # few bits a second at first, from which FFmpeg guesses a length far too long
    path = write_by_ffmpeg(tmp_path / "a.aac", audio, 48_000, "aac")
    assert decode(path).seconds == pytest.approx(30.0, abs=0.1)


def write_video(path, sound, picture):
    from fractions import Fraction
    from typing import Any

    import av

    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("mpeg4", rate=5)
        video.width = video.height = 32
        audio: Any = container.add_stream("aac", rate=48_000)
        audio.layout = "mono"
        samples = noise(sound, 48_000)
        for number in range(round(picture * 5)):
            still: Any = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            container.mux(video.encode(still))
            start = number * 9600
            if start < len(samples):
                part = samples[None, start : start + 9600].copy()
                frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
                container.mux(audio.encode(frame))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def test_a_wav_written_to_a_pipe_does_not_say_its_length_and_is_read_whole(tmp_path):
    path = write_sound(tmp_path / "a.wav", tone(8.0), 24_000)
    data = bytearray(path.read_bytes())
    at = data.index(b"data")
    data[4:8] = data[at + 4 : at + 8] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    found = decode(path)
    assert found.seconds == 8.0
    assert found.declared_seconds is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused(tmp_path, value):
    audio = tone(1.0)
    audio[1234] = value
    path = write_sound(tmp_path / "a.wav", audio, 24_000, "FLOAT")
    with pytest.raises(RecordingError, match=r"a\.wav: holds samples that are not finite numbers"):
        load_audio(path)


@pytest.mark.parametrize("name", ["a.wav", "a.mka"])
def test_a_recording_above_the_cap_is_refused_while_it_is_read(tmp_path, name):
    path = tmp_path / name
    if name == "a.wav":
        write_sound(path, tone(10.0), 24_000)
    else:
        write_by_ffmpeg(path, tone(10.0), 24_000, "flac")
    with pytest.raises(RecordingError, match=rf"{name}: decodes to more than 0\.0025 h; cut it, or raise the cap"):
        decode(path, max_seconds=9.0)
    assert decode(path, max_seconds=10.0).seconds == pytest.approx(10.0, abs=0.01)


@pytest.mark.parametrize("data", [b"", b"RIFF", b"not audio at all" * 100, bytes(5000)])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".m4a", ".webm", ""])
def test_what_is_no_audio_is_refused_with_its_name(tmp_path, data, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(data)
    with pytest.raises(RecordingError, match="x"):
        load_audio(path)


def test_a_file_without_samples_is_refused(tmp_path):
    path = write_sound(tmp_path / "a.wav", np.zeros(0, np.float32), 24_000)
    with pytest.raises(RecordingError, match=r"a\.wav: decodes to no samples at all"):
        load_audio(path)


def test_a_video_without_sound_is_refused(tmp_path):
    from typing import Any

    import av

    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    with pytest.raises(RecordingError, match=r"a\.mp4: holds no audio"):
        load_audio(path)


# Recordings that are whole, with their length in seconds as other readers give it.
GOOD = {
    "audio_odd/audiomentations/bus.opus": 0.764,
    "audio_odd/audiomentations/signed_24bit.wav": 1.136,
    "audio_odd/audiomentations/stereo_16bit.wav": 1.115,
    "audio_odd/audiomentations/stereo_24bit.WAV": 1.115,
    "audio_odd/audiomentations/testing.m4a": 3.204,
    "audio_odd/audiomentations/ms_adpcm.wav": 81.25,
    "audio_odd/librosa-test-data/test1_22050.mp3": 4.588,
    "audio_odd/librosa-test-data/test2_8000.mkv": 30.208,
    "audio_odd/partitura/example_linear_equal_temperament_sr8000.wav": 4.0,
    "audio_odd/pedalboard/adpcm_ima.wav": 1.018,
    "audio_odd/pedalboard/adpcm_ms.wav": 1.016,
    "audio_odd/pedalboard/alaw.wav": 1.0,
    "audio_odd/pedalboard/mulaw.wav": 1.0,
    "audio_odd/pedalboard/float64.wav": 1.0,
    "audio_odd/pedalboard/mp3_in_wav.wav": 1.0,
    "audio_odd/pedalboard/no_header.mp3": 0.993,
    "audio_odd/pedalboard/sample_mono_22050Hz.mp3": 30.023,
    "audio_odd/pedalboard/sample_mono_22050Hz.reencoded.mp3": 30.093,
    **{
        f"audio_odd/pedalboard/mono_sine_at_{rate}Hz.{kind}": 5.0
        for rate, kinds in {
            44100: ("ac3", "adts", "aifc", "aiff", "caf", "flac", "m4a", "mp3", "mp4", "ogg", "wav"),
            48000: ("ac3", "adts", "flac", "m4a", "mp3", "mp4", "ogg"),
        }.items()
        for kind in kinds
    },
    "audio_odd/tinytag/8khz_5s.opus": 5.0,
    "audio_odd/tinytag/adpcm.wav": 12.132,
    "audio_odd/tinytag/corrupt_metadata.ogg": 2.132,
    "audio_odd/tinytag/flac453sStereo.flac": 453.515,
    "audio_odd/tinytag/id3_header_with_a_zero_byte.wav": 1.0,
    "audio_odd/tinytag/pluck-pcm8.aiff": 0.3,
    "audio_odd/tinytag/riff_extra_zero.wav": 0.116,
    "audio_odd/tinytag/test3sMono.wav": 3.0,
    "audio_odd/tinytag/with_id3_header.flac": 0.454,
    "audio_odd/torchcodec/nasa_13013.mp4.audio.mp3": 13.056,
    "audio_odd/torchcodec/sine_mono_s16.wav": 4.0,
    "audio_odd/torchcodec/sine_mono_s32.wav": 4.0,
    "audio_odd/torchcodec/sine_mono_s32_44100.wav": 4.0,
    "audio_odd/torchcodec/sine_mono_s32_8000.wav": 4.0,
    "audio_piano/bytedance/cut_bach.mp3": 20.0,
    "audio_piano/bytedance/cut_liszt.mp3": 40.0,
    "audio_piano/librosa_data/147793__setuniman__sweet-waltz-0i-22mi.hq.ogg": 49.2,
    "audio_piano/librosa_data/147793__setuniman__sweet-waltz-0i-22mi.ogg": 49.2,
    "audio_piano/librosa_data/442789__lena-orsa__happy-music-pistachio-ice-cream-ragtime.hq.ogg": 70.766,
    "audio_piano/librosa_data/442789__lena-orsa__happy-music-pistachio-ice-cream-ragtime.ogg": 70.766,
    "audio_piano/madmom/sample.wav": 2.8,
    "audio_piano/madmom/sample_22050.wav": 2.8,
    "audio_piano/madmom/stereo_sample.flac": 4.148,
    "audio_piano/madmom/stereo_sample.m4a": 4.148,
    "audio_piano/madmom/stereo_sample.wav": 4.148,
    "audio_piano/maps/MAPS_MUS-chpn-p10_AkPnStgb.flac": 25.806,
    "audio_piano/maps/MAPS_MUS-chpn-p14_ENSTDkAm.flac": 29.252,
    "audio_piano/maps/MAPS_MUS-chpn-p19_ENSTDkCl.flac": 68.899,
    "audio_piano/maps/MAPS_MUS-chpn-p7_AkPnCGdD.flac": 39.446,
    "audio_piano/maps/MAPS_MUS-chpn-p7_SptkBGCl.flac": 39.446,
    "audio_piano/maps/MAPS_MUS-scn15_11_ENSTDkAm.flac": 78.483,
    "audio_piano/maps/MAPS_MUS-scn15_11_ENSTDkCl.flac": 78.577,
    "audio_piano/maps/MAPS_MUS-scn15_9_ENSTDkAm.flac": 39.923,
    "web_audio/op10_2_hebert.mp3": 70.726,
    "web_audio/op10_2_jeon.m4a": 81.289,
    "web_audio/op10_5_li.m4a": 95.576,
    "web_audio/op10_5_li_a.opus": 92.237,
    "web_audio/op10_5_zhang.webm": 98.71,
    "web_audio/op25_1_wong.webm": 136.08,
}

# Files with nothing in them that anyone could play.
HOPELESS = {
    "audio_odd/pedalboard/empty.fake",
    "audio_odd/pedalboard/empty_44100.fake",
    "audio_odd/pedalboard/empty_48000.fake",
    "audio_odd/pedalboard/zero_channels.mp3",
    "audio_odd/soundfile/mono.raw",
    "audio_odd/tinytag/empty_file.mp3",
    "audio_odd/tinytag/incomplete.mp3",
    "audio_odd/tinytag/invalid_sample_rate.aiff",
    "audio_odd/tinytag/ilbm.aiff",
    "audio_odd/tinytag/id3v1-latin1.mp3",
    "audio_odd/tinytag/test.aiff",
}

NO_SOUND = {".txt", ".tsv", ".mid", ".notes"}


@needs_shared
def test_every_real_file_decodes_to_its_length_or_is_refused_by_name_and_no_decoder_crashes():
    folders = ("audio_odd", "audio_piano", "web_audio")
    files = [p for folder in folders for p in sorted((DATA / folder).rglob("*")) if p.is_file()]
    files = [p for p in files if p.suffix not in NO_SOUND and p.name != "LICENSE"]
    found: dict[str, float | None] = {}
    wrong: list[tuple[str, str]] = []
    with GuardedProcess(timeout=120) as worker:
        for path in files:
            name = str(path.relative_to(DATA))
            try:
                result = worker.call(decode, path, what=str(path))
            except RecordingError as error:
                found[name] = None
                if path.name not in str(error) or "crashed" in str(error):
                    wrong.append((name, str(error)))
                continue
            found[name] = result.seconds
            if not (np.isfinite(result.audio).all() and result.audio.ndim == 1 and len(result.audio)):
                wrong.append((name, "not mono, or not finite, or empty"))
    assert wrong == []
    assert len(found) > 100
    off = {n: (found.get(n), s) for n, s in GOOD.items() if abs((found.get(n) or 0.0) - s) > 0.1 or not found.get(n)}
    assert off == {}
    assert {name for name in HOPELESS if found[name] is not None} == set()


@needs_shared
def test_the_same_music_in_three_containers_agrees():
    folder = DATA / "audio_piano" / "madmom"
    wav, flac, m4a = (load_audio(folder / f"stereo_sample.{kind}")[0] for kind in ("wav", "flac", "m4a"))
    assert np.array_equal(wav, flac)
    assert abs(len(m4a) - len(wav)) < 0.05 * 24_000
    n = min(len(m4a), len(wav))
    assert np.corrcoef(wav[:n], m4a[:n])[0, 1] > 0.99  # a lossy codec, not shifted
