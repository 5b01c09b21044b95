"""Audio models trained from the clips' sound through a MuQ: what is learnt, kept, cached, and refused."""

# ruff: noqa: TID253 - tests of torch modules

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crescendai_assets.audio.decode import SAMPLE_RATE, save_audio
from crescendai_assets.embeddings.identity import EncoderSpec
from crescendai_assets.embeddings.muq import MuQEncoder, MuQExtractor
from crescendai_assets.labels.clips import key_of
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.models.audio_backbone import MuQBackbone
from crescendai_assets.sample.encoder import write_encoder
from crescendai_assets.sample.rated_music import KEYS
from crescendai_assets.sample.ratings import PLANTED_COLUMNS, truth
from crescendai_assets.sources.locate import AudioFiles
from crescendai_assets.sources.percepiano_clips import collect_clips, list_clips
from crescendai_assets.training.checkpoints import files_of, read_report
from crescendai_assets.training.fit import fit_fold
from crescendai_assets.training.registry import make_inputs
from crescendai_assets.training.t1_data import load_t1
from crescendai_assets.training.t1_plan import T1Place
from crescendai_assets.training.task import finished_task, is_current, plan_fit
from crescendai_assets.training.trained import as_batches, load_module, predicted, vectors_of
from crescendai_assets_tests.training.rated_lake import fold, tiny

pytestmark = pytest.mark.usefixtures("one_thread")

WIDTH = 32  # of the small MuQ: 16 heads of two values
SECONDS = 4.0
HEARD = KEYS[::2]
"""Rated clips that have audio."""
LONG = KEYS[4]
"""The one of them that lasts 31 s."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    """A clip a rated segment: noise that is the louder the more of what is planted it deserves."""
    chance = np.random.default_rng(0)
    folder: Path = tmp_path_factory.mktemp("clips")
    deserved = truth()[:, PLANTED_COLUMNS].mean(1)
    loud = (deserved - deserved.min()) / np.ptp(deserved)
    for key, one in zip(HEARD, loud[::2], strict=True):
        samples = chance.normal(size=int((31.0 if key == LONG else SECONDS) * SAMPLE_RATE))
        loudness = 0.25 * 10 ** (1.5 * one - 2)
        save_audio((loudness * samples).astype(np.float32), folder / f"{key}.wav", subtype="PCM_16")
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("muq") / "small"
    return write_encoder(folder, depth=2, ffn=16, conv_dim=2, width=WIDTH)


@pytest.fixture(scope="module")
def listed(rated_place: T1Place, sound: Path) -> T1Place:
    """The rated set with its clips' table; labels and checkpoints are elsewhere in each test."""
    partition = rated_place.embeddings
    if not partition.stage("clips").table.exists():
        collect_clips(partition, list_clips(sound, HEARD, key_of))
    return rated_place


@pytest.fixture
def heard(listed: T1Place, sound: Path, checkpoint: Path, tmp_path: Path) -> T1Place:
    audio = AudioFiles(listed.embeddings.tier, sound)
    return replace(listed, root=tmp_path, audio=audio, encoder=EncoderSpec(str(checkpoint), temporal_pool=4))


def on_muq(model: str, **changes):
    return tiny(model, **{"use_pretrained_muq": True, "epochs": 2, "learning_rate": 3e-3, **changes})


def stems(place: T1Place) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (place.root / "checkpoints" / "stems").glob("*/*.npy")}


def trained(place: T1Place, model: str, **changes):
    """Report, batches and settings of a model that was trained."""
    settings, said = on_muq(model, **changes), list[str]()
    report = fit_fold(place, fold(place), settings, progress=said.append)
    data = load_t1(place, plan_fit(place, fold(place), settings).plan)
    batches, _ = as_batches(data, make_inputs(data, settings))
    return report, batches, settings, said


SLOW = [pytest.param(model, marks=pytest.mark.slow) for model in ("A0", "A2")]


@pytest.mark.parametrize("model", ["A1", "A3", *SLOW])
def test_a_fold_is_trained_through_muq_and_keeps_what_was_trained_alone(model, heard, checkpoint):
    report, batches, settings, said = trained(heard, model)
    assert report.history[1]["train_loss"] < report.history[0]["train_loss"]
    assert report.device.startswith("CPU")
    assert report.encoder[0].endswith("pooled by 4, fp32, UNTRAINED: figures made with it mean nothing")
    files = files_of(heard.root, model, fold(heard), 0)
    kept = torch.load(files.weights, weights_only=True)
    inside = sorted(name for name in kept if name.startswith("backbone."))
    assert bool(inside) == (model != "A0")
    assert model == "A3" or all("lora_" in name for name in inside)
    own = MuQEncoder(EncoderSpec(str(checkpoint))).model
    assert sum(kept[name].numel() for name in inside) < sum(one.numel() for one in own.parameters())
    assert not [name for name in kept if ".conv." in name or "preprocess" in name]
    scores = {row["segment_id"]: row["scores"] for row in read_rows(files.scores)}
    rows = [batches.inputs.segments.index(key) for key in scores]
    again = predicted(load_module(files, settings, heard.encoder), batches, rows, 4)
    assert again == pytest.approx(np.array(list(scores.values())), abs=1e-5)
    assert not fit_fold(heard, fold(heard), settings).fresh
    assert report.rows["left_out"] == len(KEYS) - len(HEARD)
    assert len(stems(heard)) == len(HEARD)
    assert any("stem output of 38 clips (3.0 min of audio) is written once: about 0 MB" in line for line in said)


def test_the_stem_is_computed_once_and_what_is_gone_or_of_another_sound_anew(heard):
    data, said = load_t1(heard, plan_fit(heard, fold(heard), on_muq("A1")).plan), list[str]()
    inputs = make_inputs(data, on_muq("A1"), said.append)
    assert inputs.fields([0, 1])["embeddings"].dtype == torch.float16
    assert len(said) == 1
    before = stems(heard)
    make_inputs(data, on_muq("A0"), said.append)
    assert (stems(heard), len(said)) == (before, 1)
    gone = sorted(before)[3]
    stale = gone.with_name(f"{gone.stem.rpartition('-')[0]}-0123456789abcdef.npy")
    gone.rename(stale)
    make_inputs(data, on_muq("A0"), said.append)
    assert said[1].startswith("MuQ's stem output of 1 clips")
    assert stems(heard).keys() == before.keys()
    gone.write_bytes(b"half of it")
    with pytest.raises(SetupError, match=r"cannot be read .* remove it, it is made again"):
        inputs.fields([data.keys.index(gone.stem.rpartition("-")[0])])


def test_no_room_for_the_stem_is_said_before_it_is_written(heard, monkeypatch):
    data = load_t1(heard, plan_fit(heard, fold(heard), on_muq("A1")).plan)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1000, 900, 100))
    with pytest.raises(
        SetupError, match=r"38 clips takes about 0 MB in .*, where 0 MB are free; make room, or set cache"
    ):
        make_inputs(data, on_muq("A1"))
    assert not stems(heard)


@pytest.mark.slow
def test_with_and_without_kept_stems_the_same_is_learnt(heard):
    kept, _, _, _ = trained(heard, "A1")
    root = heard.root / "another"
    anew, batches, _, _ = trained(replace(heard, root=root), "A1", cache_stem=False)
    assert not (root / "checkpoints" / "stems").exists()
    assert batches[[0, batches.inputs.segments.index(LONG)]]["embeddings"].shape == (2, int(31 * SAMPLE_RATE))
    for one, two in zip(kept.history, anew.history, strict=True):
        assert one["val_loss"] == pytest.approx(two["val_loss"], abs=2e-3)


def test_what_is_heard_is_what_would_be_stored_also_past_30_seconds(heard, sound, checkpoint):
    data = load_t1(heard, plan_fit(heard, fold(heard), on_muq("A0")).plan)
    backbone = MuQBackbone(checkpoint, temporal_pool=4)
    rows = [data.keys.index(LONG), data.keys.index(HEARD[0])]
    extractor = MuQExtractor(str(checkpoint), temporal_pool=4)
    stored = [extractor.extract_from_file(sound / f"{data.keys[row]}.wav") for row in rows]
    assert len(stored[0]) == 187 + 6  # 750 // 4, and a second of 25
    for settings, close in ((on_muq("A0"), 2e-2), (on_muq("A0", cache_stem=False), 1e-4)):
        batch = make_inputs(data, settings).fields(rows)
        with torch.no_grad():
            frames, there = backbone(batch["embeddings"], batch["mask"])
        for one, known, expected in zip(frames, there, stored, strict=True):
            torch.testing.assert_close(one[known], expected, atol=close, rtol=0)


def test_a_checkpoint_of_another_muq_is_refused(heard, checkpoint, tmp_path):
    _, _, settings, _ = trained(heard, "A1", epochs=1)
    files = files_of(heard.root, "A1", fold(heard), 0)
    folder = write_encoder(tmp_path / "other", depth=2, ffn=16, conv_dim=2, width=WIDTH, seed=1)
    other = EncoderSpec(str(folder), temporal_pool=4)
    with pytest.raises(SetupError, match="was trained over another encoder"):
        load_module(files, settings, other)
    elsewhere = replace(heard, encoder=other)
    assert not is_current(plan_fit(elsewhere, fold(heard), settings))
    with pytest.raises(SetupError, match="was trained over another encoder"):
        finished_task(elsewhere, fold(heard), "A1", 0)
    moved = tmp_path / "moved"
    moved.symlink_to(checkpoint)
    same = replace(heard, encoder=EncoderSpec(str(moved), temporal_pool=4))
    assert is_current(plan_fit(same, fold(heard), settings)), "its bytes are its identity"
    assert fit_fold(elsewhere, fold(heard), settings).fresh
    assert len({path.parent for path in stems(heard)}) == 2


@pytest.mark.slow
def test_a_fusion_can_stand_on_a_model_that_hears(heard):
    trained(heard, "A1", epochs=1)
    fit_fold(heard, fold(heard), tiny("S1", epochs=1))
    report = fit_fold(heard, fold(heard), tiny("F2", fused=("A1", "S1"), epochs=1))
    assert (report.dims["audio"], report.dims["symbolic"]) == (32, 32)
    task = finished_task(heard, fold(heard), "A1", 0)
    assert vectors_of(task.files, heard, task.plan, task.settings, task.plan.keys[:3]).shape == (3, 32)
    with pytest.raises(SetupError, match="device cuda:9"):
        vectors_of(task.files, heard, task.plan, task.settings, task.plan.keys[:3], device="cuda:9")


def test_what_cannot_be_heard_is_said(heard, sound, monkeypatch):
    with pytest.raises(SetupError, match="use_pretrained_muq is for models of sound"):
        fit_fold(heard, fold(heard), tiny("S1", use_pretrained_muq=True))
    with pytest.raises(SetupError, match="no clip has audio; put a file a rated segment"):
        fit_fold(replace(heard, audio=None), fold(heard), on_muq("A0"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SetupError, match="device cuda: torch sees no CUDA device here; set device: cpu"):
        fit_fold(heard, fold(heard), on_muq("A0", device="cuda"))
    nowhere = replace(heard, audio=AudioFiles(heard.embeddings.tier, sound / "moved"))
    with pytest.raises(SetupError, match=r"the audio is gone.*train again"):
        fit_fold(nowhere, fold(heard), on_muq("A0"))
    assert read_report(files_of(heard.root, "A0", fold(heard), 0)) is None
    data = load_t1(heard, plan_fit(heard, fold(heard), tiny("A0")).plan)
    with pytest.raises(SetupError, match="hears audio, not stored embeddings"):
        make_inputs(data, on_muq("A0"))
