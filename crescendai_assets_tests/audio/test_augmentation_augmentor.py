from __future__ import annotations

import pickle
from collections import Counter

import numpy as np
import pytest

from crescendai_assets.audio import AudioAugmentor, augmentor, save_audio
from crescendai_assets.lake.errors import SetupError
from crescendai_assets_tests.audio.plucked import plucked
from crescendai_assets_tests.builders import tone

torch = pytest.importorskip("torch")  # not at module level: it is slow to import

WAVE = torch.from_numpy(plucked(0.5))[None]


@pytest.fixture
def folders(tmp_path):
    response = np.zeros(2000, np.float32)
    response[[10, 500, 900]] = 1.0, 0.4, 0.3
    save_audio(response, tmp_path / "rooms" / "hall.wav")
    save_audio(tone(0.2, hertz=50), tmp_path / "noise" / "hum.wav")
    return tmp_path / "rooms", tmp_path / "noise"


@pytest.fixture
def spied(monkeypatch):
    """Names of the effects of every call, in order."""
    calls: list[list[str]] = []

    def spy(audio, sample_rate, drawn, seed):
        calls.append([one.effect for one in drawn])
        return audio.copy()

    monkeypatch.setattr(augmentor, "apply", spy)
    return calls


def test_at_probability_0_it_is_the_identity(folders):
    augment = AudioAugmentor(folders[0], folders[1], augment_prob=0.0)
    for _ in range(20):
        assert augment(WAVE) is WAVE


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_at_probability_1_every_waveform_changes_even_without_folders(channels):
    augment = AudioAugmentor(None, None, augment_prob=1.0, seed=1)
    wave = WAVE.expand(channels, -1) * 0.5
    seen = set()
    for _ in range(25):
        out = augment(wave, sample_rate=24_000)
        assert (out.shape, out.dtype) == (wave.shape, torch.float32)
        assert torch.isfinite(out).all()
        assert out.abs().max() <= 1
        assert not torch.equal(out, wave)
        seen.add(out.numpy().tobytes())
    assert len(seen) == 25


def test_a_bare_waveform_and_other_types_come_back_as_they_were_given():
    augment = AudioAugmentor(augment_prob=1.0, seed=0)
    assert augment(WAVE[0]).shape == WAVE[0].shape
    half = augment(WAVE.to(torch.float64).requires_grad_())
    assert half.dtype == torch.float64
    assert not half.requires_grad


def test_effects_apply_as_often_as_they_should(spied, folders):
    augment = AudioAugmentor(folders[0], folders[1], augment_prob=1.0, seed=3)
    wave = torch.zeros(1, 10)
    n = 4000
    for _ in range(n):
        augment(wave)
    counted = Counter(name for names in spied for name in names)
    shares = {"room_response": 0.3, "noise": 0.3, "phone": 0.2, "pitch_shift": 0.1, "equalizer": 0.2}
    empty = 0.7 * 0.7 * 0.8 * 0.9 * 0.8  # then one of them applies, in proportion
    assert set(counted) == set(shares)
    assert all(spied)
    for name, share in shares.items():
        # most of what lies above its share comes from the draws that would have been empty
        assert counted[name] / n == pytest.approx(share + empty * share / 1.1, abs=0.035)


def test_without_folders_there_is_pink_noise_and_no_recorded_room(spied):
    augment = AudioAugmentor(None, None, augment_prob=1.0, seed=3)
    for _ in range(300):
        augment(torch.zeros(1, 10))
    assert {name for names in spied for name in names} == {"noise", "phone", "pitch_shift", "equalizer"}


def test_half_of_the_waveforms_are_changed_by_default(spied):
    augment = AudioAugmentor(seed=5)
    for _ in range(2000):
        augment(torch.zeros(1, 10))
    assert len(spied) / 2000 == pytest.approx(0.5, abs=0.04)


def test_the_recordings_of_the_folders_are_heard(folders):
    augment = AudioAugmentor(folders[0], folders[1], augment_prob=1.0, seed=0)
    outs = [augment(WAVE) for _ in range(12)]
    assert all(torch.isfinite(out).all() for out in outs)


def test_the_same_seed_gives_the_same_sequence():
    one, two, other = (AudioAugmentor(augment_prob=0.7, seed=seed) for seed in (4, 4, 5))
    first, second, third = ([augment(WAVE) for _ in range(8)] for augment in (one, two, other))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, third, strict=True))


def test_without_a_seed_torch_gives_the_chance():
    augment = AudioAugmentor(augment_prob=0.7)
    sequences = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        sequences.append(torch.stack([augment(WAVE) for _ in range(8)]))
    assert torch.equal(sequences[0], sequences[1])
    assert not torch.equal(sequences[0], sequences[2])


def test_it_travels_to_the_workers_of_a_loader(folders):
    augment = AudioAugmentor(folders[0], folders[1], augment_prob=1.0, seed=2)
    twin = pickle.loads(pickle.dumps(augment))
    assert torch.equal(augment(WAVE), twin(WAVE))


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(probability):
    with pytest.raises(ValueError, match="between 0 and 1"):
        AudioAugmentor(augment_prob=probability)


def test_folders_that_are_not_there_are_refused_at_once(tmp_path):
    with pytest.raises(SetupError, match="put room impulse responses there"):
        AudioAugmentor(tmp_path / "gone", None)
    with pytest.raises(SetupError, match="put recordings of noise there"):
        AudioAugmentor(None, str(tmp_path))
