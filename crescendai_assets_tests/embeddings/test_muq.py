from __future__ import annotations

import numpy as np
import pytest

from crescendai_assets.embeddings import MuQExtractor
from crescendai_assets.embeddings.identity import EncoderSpec
from crescendai_assets.embeddings.muq import MuQEncoder, pooled_frames
from crescendai_assets.embeddings.muq_forward import frames_of
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets_tests.builders import noise, tone, write_sound
from crescendai_assets_tests.cuda import angles_off, cast_einsum


@pytest.fixture(scope="module")
def extractor(encoder_folder):
    return MuQExtractor(str(encoder_folder), device="cpu")


@pytest.fixture(scope="module")
def encoder(extractor):
    return extractor.encoder


@pytest.fixture(scope="module")
def all_frames(encoder_folder):
    return MuQEncoder(EncoderSpec(str(encoder_folder), temporal_pool=1, device="cpu"))


def close(one, other, tolerance=1e-5):
    return one.shape == other.shape and float((one - other).abs().max()) < tolerance


def music(seconds, seed=0):
    """Something with structure in time and frequency."""
    steps = np.random.default_rng(seed).integers(40, 90, size=int(seconds * 4) + 1)
    parts = [tone(0.25, hertz=440 * 2 ** ((step - 69) / 12)) for step in steps]
    return (np.concatenate(parts)[: round(seconds * 24_000)] + noise(seconds, level=0.01, seed=seed)).astype(np.float32)


def test_thirty_seconds_are_93_frames_of_1024(encoder):
    (embedding,) = encoder.encode([music(30)])
    assert (tuple(embedding.shape), str(embedding.dtype), embedding.device.type) == ((93, 1024), "torch.float32", "cpu")
    assert bool(embedding.isfinite().all())
    assert not embedding.requires_grad


def test_without_pooling_all_750_frames_are_kept_and_pooling_is_their_mean(encoder, all_frames):
    audio = music(30)
    (frames,) = all_frames.encode([audio])
    assert tuple(frames.shape) == (750, 1024)
    (pooled,) = encoder.encode([audio])
    assert close(pooled, frames[:744].reshape(93, 8, 1024).mean(1))


@pytest.mark.parametrize("seconds", [30.0, 7.3])
def test_an_embedding_is_the_mean_of_muqs_own_hidden_states_pooled_by_eight(encoder, seconds):
    import torch
    from muq import MuQ

    audio = music(seconds)
    own = MuQ.from_pretrained(encoder.spec.checkpoint).eval()
    with torch.no_grad():
        states = own(torch.from_numpy(audio)[None], output_hidden_states=True).hidden_states
    assert len(states) == 3
    mean = torch.stack([states[1], states[2]]).mean(0)[0]
    rows = len(mean) // 8
    expected = mean[: rows * 8].reshape(rows, 8, 1024).mean(1)
    (embedding,) = encoder.encode([audio])
    assert close(embedding, expected)


@pytest.mark.parametrize("layer", [1, 2])
def test_layers_count_from_one_and_state_zero_is_the_stem(encoder_folder, all_frames, layer):
    one = MuQEncoder(EncoderSpec(str(encoder_folder), layers=(layer,), temporal_pool=1, device="cpu"))
    audio = music(6)
    stem = all_frames.stem([audio])
    states = all_frames.hidden_states(stem, [frames_of(len(audio))])
    assert len(states) == 3
    assert close(states[0], stem)
    assert close(one.encode([audio])[0], states[layer][0])
    assert not close(states[1], states[2], 1e-3)


@pytest.mark.parametrize(("pool", "seconds"), [(8, (12.0, 30.0, 5.0)), (1, (7.437, 9.0, 5.0, 5.0))])
def test_tails_masked_in_a_batch_equal_encoding_them_alone(encoder, all_frames, pool, seconds):
    one = encoder if pool == 8 else all_frames
    segments = [music(s, seed=i) for i, s in enumerate(seconds)]
    together = one.encode(segments)
    for segment, embedding in zip(segments, together, strict=True):
        (alone,) = one.encode([segment])
        assert len(embedding) == pooled_frames(len(segment), pool)
        assert close(embedding, alone)


def test_the_order_in_a_batch_and_its_company_do_not_matter(encoder):
    a, b, c = music(5, 1), music(8, 2), music(6, 3)
    (alone,) = encoder.encode([a])
    for batch, place in (([a, b, c], 0), ([c, a, b], 1), ([a, a, b], 1), ([a, c], 0)):
        assert close(encoder.encode(batch)[place], alone)


def test_padding_without_a_mask_would_have_been_seen(encoder):
    audio = music(5)
    padded = np.pad(audio, (0, 5 * 24_000))
    assert not close(encoder.encode([padded])[0][:15], encoder.encode([audio])[0], 1e-3)


def test_loudness_is_information_and_is_not_normalised_away(encoder):
    audio = music(5)
    assert not close(encoder.encode([audio])[0], encoder.encode([audio * 0.25])[0], 1e-3)


def test_the_same_segment_gives_the_same_bits_again(encoder):
    import torch

    audio = music(6)
    assert torch.equal(encoder.encode([audio])[0], encoder.encode([audio])[0])


@pytest.mark.parametrize(("n", "frames"), [(720_000, 750), (719_999, 750), (720_240, 751), (240, 1), (239, 0), (0, 0)])
def test_frames_are_counted_as_muq_makes_them(n, frames):
    assert frames_of(n) == frames
    assert pooled_frames(n) == frames // 8


@pytest.mark.parametrize("n", [24_000, 24_001, 25_439, 27_456, 30_079])
def test_the_count_of_frames_is_that_of_the_model_at_odd_lengths(all_frames, n):
    (embedding,) = all_frames.encode([noise(2)[:n]])
    assert len(embedding) == frames_of(n)
    assert all_frames.stem([noise(2)[:n]]).shape[1] == frames_of(n)


def test_what_is_too_short_or_too_long_for_one_segment_is_refused(encoder, all_frames):
    with pytest.raises(ValueError, match=r"a segment of 0\.28 s is too short for one pooled frame"):
        encoder.encode([music(5), noise(0.28)])
    with pytest.raises(ValueError, match=r"a segment of 30\.0 s; the longest is 30 s"):
        encoder.encode([noise(30.01)])
    assert len(all_frames.encode([noise(0.28)])[0]) == 7


def test_the_backbone_is_frozen_in_eval_and_its_batch_norms_do_not_drift(encoder_folder):
    import torch

    one = MuQEncoder(EncoderSpec(str(encoder_folder), device="cpu"))
    before = {name: value.clone() for name, value in one.model.state_dict().items()}
    buffers = {name: value.clone() for name, value in one.model.named_buffers()}
    assert any("running_mean" in name for name in buffers)
    one.encode([music(6), music(5)])
    one.encode([music(6)])
    assert not any(module.training for module in one.model.modules())
    assert not any(parameter.requires_grad for parameter in one.model.parameters())
    for name, value in one.model.named_buffers():
        assert torch.equal(value, buffers[name]), name
    for name, value in one.model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_masking_leaves_no_hook_behind(encoder):
    encoder.encode([music(8), music(6)])
    assert not any(module._forward_pre_hooks for module in encoder.model.model.conformer.layers.modules())


def test_weights_are_loaded_only_when_something_is_encoded(encoder_folder):
    one = MuQEncoder(EncoderSpec(str(encoder_folder), device="cpu"))
    assert one.identity.layers == (1, 2)
    assert one.batch_size == 1
    assert "model" not in vars(one)


@pytest.mark.parametrize("layers", [(0,), (3,), (1, 2, 3)])
def test_layers_out_of_range_are_refused_at_once(encoder_folder, layers):
    with pytest.raises(SetupError, match="has layers 1 to 2"):
        MuQExtractor(str(encoder_folder), layers=layers, device="cpu")


def test_the_default_layers_become_the_last_four_of_a_smaller_model(extractor, encoder_folder):
    assert extractor.identity.layers == (1, 2)
    assert MuQExtractor(str(encoder_folder), layers=(2,), device="cpu").identity.layers == (2,)


def test_a_file_is_embedded_as_its_samples_are(extractor, tmp_path):
    audio = music(5)
    path = write_sound(tmp_path / "a.wav", audio, 24_000, "FLOAT")
    assert close(extractor.extract_from_file(str(path)), extractor.extract_from_audio(audio))
    stereo = write_sound(tmp_path / "b.wav", np.stack([tone(6, 44_100)] * 2, axis=1), 44_100)
    assert tuple(extractor.extract_from_file(stereo).shape) == (18, 1024)


def test_files_that_are_missing_or_broken_are_refused(extractor, tmp_path):
    with pytest.raises(FileNotFoundError):
        extractor.extract_from_file(tmp_path / "gone.wav")
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    with pytest.raises(RecordingError, match=r"bad\.wav"):
        extractor.extract_from_file(tmp_path / "bad.wav")


def test_long_audio_goes_in_pieces_of_thirty_seconds(extractor):
    import torch

    audio = music(65)
    found = extractor.extract_from_audio(audio)
    assert len(found) == 93 + 93 + 15
    parts = [found[:93], *(extractor.extract_from_audio(audio[i : i + 720_000]) for i in (720_000, 1_440_000))]
    assert torch.equal(found, torch.cat(parts))


def test_a_rest_too_short_for_a_frame_is_left_out(extractor):
    audio = music(31)[: 720_000 + 3_000]
    assert tuple(extractor.extract_from_audio(audio).shape) == (93, 1024)


def test_a_batch_of_equal_length_gives_a_batch(extractor):
    batch = np.stack([music(5, seed=i) for i in range(2)])
    found = extractor.extract_from_audio(batch)
    assert tuple(found.shape) == (2, 15, 1024)
    for one, audio in zip(found, batch, strict=True):
        assert close(one, extractor.extract_from_audio(audio))
    assert tuple(extractor.extract_from_audio(batch[:1]).shape) == (1, 15, 1024)


@pytest.mark.parametrize("kind", ["tensor", "double", "list", "strided", "trained"])
def test_audio_comes_in_any_numeric_form(extractor, kind):
    import torch

    audio = music(1)
    form = {
        "tensor": torch.from_numpy(audio),
        "double": audio.astype(np.float64),
        "list": audio.tolist(),
        "strided": np.repeat(audio, 2)[::2],
        "trained": torch.from_numpy(audio).requires_grad_(),
    }[kind]
    assert close(extractor.extract_from_audio(form), extractor.extract_from_audio(audio))


def test_too_little_audio_and_odd_shapes_are_refused(extractor):
    for audio in (np.zeros(0, np.float32), noise(0.2), np.zeros((2, 100), np.float32)):
        with pytest.raises(ValueError, match="too short for one pooled frame"):
            extractor.extract_from_audio(audio)
    with pytest.raises(ValueError, match=r"audio of shape \(1, 1, 48000\); give mono samples"):
        extractor.extract_from_audio(np.zeros((1, 1, 48_000), np.float32))
    with pytest.raises(ValueError, match="give mono samples"):
        extractor.extract_from_audio(np.float32(0.5))


def test_an_empty_batch_is_refused(extractor):
    with pytest.raises(ValueError, match="give mono samples"):
        extractor.extract_from_audio(np.zeros((0, 48_000), np.float32))


def test_bf16_autocast_agrees_nearly_with_fp32_and_gives_float32(encoder_folder, encoder):
    import torch

    half = MuQEncoder(EncoderSpec(str(encoder_folder), precision="bf16", device="cpu"))
    segments = [music(6), music(5)]
    for one, other in zip(half.encode(segments), encoder.encode(segments), strict=True):
        assert one.dtype == torch.float32
        assert float(torch.nn.functional.cosine_similarity(one, other, dim=1).min()) > 0.999
    assert half.identity.digest != encoder.identity.digest


def test_positions_are_exact_under_autocast_also_where_it_casts_what_they_are_made_by(encoder_folder, monkeypatch):
    import torch

    cast_einsum(monkeypatch)
    half = MuQEncoder(EncoderSpec(str(encoder_folder), precision="bf16", device="cpu"))
    half.encode([noise(30)])
    assert angles_off(half.model.model.conformer) < 0.005  # cosines and sines are rounded to 16 bits, not angles
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half.hidden_states(torch.zeros(1, 700, 1024), [700])
    assert angles_off(half.model.model.conformer) < 0.005


def test_on_a_gpu_embeddings_are_waited_for_when_they_are_fetched_and_not_before(encoder_folder, monkeypatch):
    import torch

    done: list[str] = []

    class Event:
        """Stands behind the forward pass and the copies, on the stream of the encoder's device."""

        def record(self, stream):
            done.append(f"recorded on {stream}")

        def synchronize(self):
            done.append("waited")

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"the stream of {device}")
    encoder = MuQEncoder(EncoderSpec(str(encoder_folder), precision="fp32", device="cpu"))
    expected = encoder.encode([noise(5)])
    made = encoder._forward([noise(5)])
    monkeypatch.setattr(encoder, "_forward", lambda _: made)
    monkeypatch.setattr(encoder, "device", "cuda:1")
    fetch = encoder.launch([noise(5)])
    assert done == ["recorded on the stream of cuda:1"]
    assert torch.equal(fetch()[0], expected[0])
    assert done[1:] == ["waited"]
