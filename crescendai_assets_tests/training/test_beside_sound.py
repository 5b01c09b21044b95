"""Through MuQ other tiers are heard as audio: the samples of their segments, their twins, and what is missing."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch  # noqa: TID253 - tests of torch modules

from crescendai_assets.audio.augmentation import augment_segment, draw, segment_seed
from crescendai_assets.audio.decode import SAMPLE_RATE, decode, save_audio
from crescendai_assets.embeddings.identity import EncoderSpec
from crescendai_assets.labels.clips import key_of
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.layout import Lake, Partition, Tier
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.sample.encoder import write_encoder
from crescendai_assets.sample.rated_music import KEYS
from crescendai_assets.sources.locate import AudioFiles
from crescendai_assets.sources.percepiano_clips import collect_clips, list_clips
from crescendai_assets.training.beside_items import Tiers, read_beside
from crescendai_assets.training.beside_sound import SegmentSound
from crescendai_assets.training.checkpoint_checks import check_trained
from crescendai_assets.training.checkpoints import files_of
from crescendai_assets.training.fit import fit_fold
from crescendai_assets.training.settings import T2, T3, T4, FitSettings
from crescendai_assets.training.t1_plan import T1Place
from crescendai_assets.training.task import plan_fit
from crescendai_assets_tests.builders import noise
from crescendai_assets_tests.nursery import begin
from crescendai_assets_tests.training.pretrain_lake import add_competition, add_tiers
from crescendai_assets_tests.training.rated_lake import FOLD, fold, tiny

pytestmark = pytest.mark.usefixtures("one_thread")

SECONDS = 1.5
"""Of a segment."""

HEARD = KEYS[::4]
"""Rated clips that have audio."""

PRESET = "label_safe"


def settings(**changes: Any) -> FitSettings:
    return tiny("A1", **{"use_pretrained_muq": True, "epochs": 2, "learning_rate": 3e-3, "batch_size": 6, **changes})


def give_sound(tier: Tier) -> None:
    """Working copies of all recordings, two segments each; of each twin, how it was made."""
    for number, partition in enumerate(tier.partitions("segments")):
        table = partition.stage("segments").table
        rows = [
            {**row, "segment_start": SECONDS * int(row["segment_id"][-3:]), "n_valid": int(SECONDS * SAMPLE_RATE)}
            for row in read_rows(table)
        ]
        write_lines(table, rows)
        recordings = []
        for place, one in enumerate(sorted({row["recording_id"] for row in rows})):
            path = Path("audio") / f"{one}.wav"
            samples = noise(2 * SECONDS, seed=1000 * number + place)
            save_audio(samples, tier.folder / path, subtype="PCM_16")
            recordings.append({"recording_id": one, "audio_in": "lake", "audio_path": str(path)})
        write_lines(partition.stage("recordings").table, recordings)
        pairs = partition.stage("augmented_pairs").table
        if pairs.exists():
            made = list(read_rows(pairs))
            write_lines(pairs, [{**row, "preset": PRESET, "effects": effects_of(row["segment_id"])} for row in made])


def effects_of(segment: str) -> list[Any]:
    """As the preset draws them."""
    return [one.to_row() for one in draw(PRESET, segment_seed(segment, PRESET))]


def audio_of(partition: Partition) -> AudioFiles:
    """In the lake."""
    return AudioFiles(partition.tier)


def write_lines(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def sounding(rated_place, tmp_path_factory) -> T1Place:
    """The rated set, some clips of which have audio, and tiers that have it; nobody trains into this lake."""
    root = tmp_path_factory.mktemp("sounding")
    shutil.copytree(rated_place.root, root / "lake")
    lake = Lake(root / "lake")
    add_tiers(lake)
    add_competition(lake)
    for name in (T2, T3, T4):
        give_sound(lake.tier(name))
    for edition in lake.tier(T2).partitions("segments"):  # segments are cut otherwise than they were embedded
        (edition.embedding_folder / "encoder.json").unlink()
    for number, key in enumerate(HEARD):
        save_audio(
            noise(4.0, seed=number, level=0.02 * (1 + number % 5)), root / "clips" / f"{key}.wav", subtype="PCM_16"
        )
    place = T1Place.of(lake, rated_place.scores, midi=rated_place.midi)
    collect_clips(place.embeddings, list_clips(root / "clips", HEARD, key_of))
    muq = write_encoder(root / "muq", depth=2, ffn=16, conv_dim=2, width=32)
    return replace(
        place,
        audio=AudioFiles(place.embeddings.tier, root / "clips"),
        encoder=EncoderSpec(str(muq), temporal_pool=4),
        beside=audio_of,
    )


@pytest.fixture
def t1(sounding: T1Place, tmp_path: Path) -> T1Place:
    """The same, with a root of the test's own for checkpoints."""
    return replace(sounding, root=tmp_path)


def test_a_segment_is_the_stretch_of_its_recording_and_its_twin_as_it_was_embedded(t1):
    tiers = Tiers.of(t1, settings())
    youtube = tiers.place.youtube
    sound, twins = (SegmentSound(youtube, audio_of, twins=one) for one in (False, True))
    assert len(sound) == len(twins) == 24
    key = sorted(sound)[3]
    recording = key.rpartition("_seg")[0]
    whole = decode(youtube.folder / "audio" / f"{recording}.wav").audio
    start = round(SECONDS * int(key[-3:]) * SAMPLE_RATE)
    expected = whole[start : start + int(SECONDS * SAMPLE_RATE)]
    assert np.array_equal(sound[key].numpy(), expected)
    assert np.array_equal(twins[key].numpy(), augment_segment(expected, SAMPLE_RATE, key, PRESET)[0])
    assert not np.array_equal(twins[key].numpy(), expected)


def test_a_step_hears_samples_of_every_tier(t1):
    task = plan_fit(t1, fold(t1), settings())
    beside = read_beside(Tiers.of(t1, settings()), task.beside, 0)
    assert beside is not None
    (step,) = beside.steps(0, [3])
    batch = beside.batch(step)
    assert set(batch) == {T2, T3, T4}
    for tier, sides in ((T2, "ab"), (T3, "ab"), (T4, ("clean", "augmented"))):
        for side in sides:
            assert batch[tier][f"embeddings_{side}"].shape == (3, int(SECONDS * SAMPLE_RATE))
            assert batch[tier][f"mask_{side}"].all()


def test_adapters_on_muq_learn_orders_contrast_and_invariance_beside_ratings(t1):
    report = fit_fold(t1, fold(t1), settings())
    assert report.beside["competition_recordings"] == 16
    assert report.beside["maestro_recordings"] == 36
    assert report.beside["youtube_recordings"] == 12
    for part in ("regression", "ranking", "contrastive", "invariance"):
        assert np.isfinite(report.history[-1][f"train_{part}"])
    assert not fit_fold(t1, fold(t1), settings()).fresh
    assert check_trained(t1, "A1", FOLD, None).passed
    alone = replace(t1, root=t1.root / "alone")
    fit_fold(alone, fold(alone), settings(tiers=()))
    taught, untaught = (torch.load(files_of(at.root, "A1", fold(t1), 0).weights) for at in (t1, alone))
    adapters = [name for name in taught if "lora_B" in name]
    assert adapters
    assert all(not torch.equal(taught[name], untaught[name]) for name in adapters)


def train_and_say(place: T1Place, chosen: FitSettings, said: Connection) -> None:
    """In a process of its own, that is killed."""
    torch.set_num_threads(1)
    fit_fold(place, fold(place), chosen, progress=said.send)


@pytest.mark.slow
def test_killed_in_the_middle_it_goes_on_to_the_weights_of_an_undisturbed_training(t1, tmp_path):
    chosen = settings(epochs=4, patience=4)
    undisturbed = fit_fold(t1, fold(t1), chosen)
    killed = replace(t1, root=tmp_path / "killed")
    for epoch in (0, 2):
        hear, said = Pipe(duplex=False)
        process = begin(train_and_say, killed, chosen, said)
        said.close()
        while not hear.recv().startswith(f"epoch {epoch} "):
            pass
        process.kill()
        process.join()
        assert not files_of(killed.root, "A1", fold(t1), 0).report.exists()
    lines: list[str] = []
    report = fit_fold(killed, fold(t1), chosen, progress=lines.append)
    assert any(line.startswith("goes on after epoch") for line in lines), lines
    expected, found = (torch.load(files_of(at.root, "A1", fold(t1), 0).weights) for at in (t1, killed))
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values, atol=1e-6, rtol=0)
    assert (report.best_epoch, report.beside) == (undisturbed.best_epoch, undisturbed.beside)
    assert report.figures == pytest.approx(undisturbed.figures, abs=1e-6)


def test_audio_that_is_gone_is_told_before_a_finished_checkpoint_is_given_up(t1):
    fit_fold(t1, fold(t1), settings(epochs=1))
    report = files_of(t1.root, "A1", fold(t1), 0).report
    folder = Tiers.of(t1, settings()).place.maestro.folder / "audio"
    hidden = folder.rename(folder.with_name("hidden"))
    try:
        with pytest.raises(
            SetupError, match=r"36 recordings of maestro cannot be heard.*wav: the audio is gone.*`tiers`"
        ):
            fit_fold(t1, fold(t1), settings())
    finally:
        hidden.rename(folder)
    assert report.exists()
    with pytest.raises(SetupError, match=r"where the audio of competition, maestro, youtube is.*tiers=\[\]"):
        fit_fold(replace(t1, beside=None), fold(t1), settings())


def test_a_twin_that_would_be_made_otherwise_now_and_a_segment_without_recording_are_named(t1, tmp_path):
    shutil.copytree(t1.labels.folder.parent, tmp_path / "lake")
    youtube = Lake(tmp_path / "lake").tier(T4)
    (channel,) = youtube.partitions("segments")
    pairs = channel.stage("augmented_pairs").table
    rows = list(read_rows(pairs))
    write_lines(pairs, [{**rows[0], "effects": []}, *rows[1:]])
    recordings = channel.stage("recordings").table
    write_lines(recordings, list(read_rows(recordings))[:-1])
    twins = SegmentSound(youtube, audio_of, twins=True)
    with pytest.raises(SetupError, match=rf"{rows[0]['segment_id']}: its twin was made otherwise than it would be now"):
        twins[rows[0]["segment_id"]]
    with pytest.raises(SetupError, match="its recording is not in the recordings table; materialize segments again"):
        twins[sorted(twins)[-1]]


def test_another_embedding_of_the_tiers_is_no_matter_and_another_cut_is(t1, tmp_path):
    before = plan_fit(t1, fold(t1), settings()).fingerprint
    shutil.copytree(t1.labels.folder.parent, tmp_path / "lake")
    own = T1Place.of(Lake(tmp_path / "lake"), t1.scores, midi=t1.midi, audio=t1.audio, encoder=t1.encoder)
    assert plan_fit(own, fold(own), settings()).fingerprint == before
    maestro = Lake(tmp_path / "lake").tier("maestro")
    named = maestro.embeddings() / "encoder.json"
    named.write_text(named.read_text().replace('"planted"', '"another"'))
    assert plan_fit(own, fold(own), settings()).fingerprint == before
    table = maestro.partition("2004").stage("segments").table
    rows = list(read_rows(table))
    write_lines(table, [{**rows[0], "n_valid": rows[0]["n_valid"] - 1}, *rows[1:]])
    assert plan_fit(own, fold(own), settings()).fingerprint != before
