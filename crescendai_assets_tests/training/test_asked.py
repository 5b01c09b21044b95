"""A checkpoint says of a file what it said of the same performance when it was held out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crescendai_assets.embeddings.identity import EncoderIdentity, EncoderSpec, identify
from crescendai_assets.embeddings.store import embedding_path, read_embedding
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.symbolic.hand_features import VERSION as HAND_VERSION
from crescendai_assets.training.asked import Checkpoint, Heard, ask, opened
from crescendai_assets.training.checkpoints import files_of, read_report
from crescendai_assets.training.fit import fit_fold
from crescendai_assets.training.hand_dataset import midi_of_segments, score_path
from crescendai_assets.training.one_performance import read_performance
from crescendai_assets.training.one_sound import Sound, matching_encoder
from crescendai_assets.training.t1_plan import T1Place
from crescendai_assets_tests.training.rated_lake import fold, tiny

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def place(rated_place: T1Place, tmp_path_factory: pytest.TempPathFactory) -> T1Place:
    """A root that all tests train into: what one trained the next finds."""
    return replace(rated_place, root=tmp_path_factory.mktemp("asked"))


def trained(place, model: str, **changes) -> Checkpoint:
    fit_fold(place, fold(place), tiny(model, **changes))
    files = files_of(place.root, model, fold(place), changes.get("seed", 0))
    report = read_report(files)
    assert report is not None
    return opened(place.root, files, report)


def heard(place, key: str, checkpoint: Checkpoint, *, with_score: bool = True) -> Heard:
    """A rated performance as a user would give it: its files."""
    score = score_path(key, midi_of_segments(place.scores)) if with_score else None
    symbols = read_performance(place.midi / f"{key}.mid", score, checkpoint.kinds - {"embeddings"})
    stored = read_embedding(embedding_path(place.embeddings.embedding_folder, key))
    identity = EncoderIdentity("planted", "1", (9,), 8, "float32")
    sound = Sound(identity, EncoderSpec(), (stored,), ())
    return Heard(symbols.spans, symbols, sound if "embeddings" in checkpoint.kinds else None)


@pytest.mark.parametrize(
    "model",
    [
        "S0",
        "S2",
        "S2h",
        "A0",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("S1", "S3", "S4", "A3", "F1", "F3")),
    ],
)
def test_a_file_gets_the_scores_that_its_clip_got_when_it_was_held_out(model, place):
    stands_on = ("A0", "S3") if model.startswith("F") else ()
    for under in stands_on:
        trained(place, under)
    checkpoint = trained(place, model, **({"fused": stands_on} if stands_on else {}))
    rows = list(read_rows(checkpoint.files.scores))
    for row in rows[:: len(rows) // 2]:
        said = ask(checkpoint, heard(place, row["segment_id"], checkpoint))
        assert said.shape == (1, 19)
        np.testing.assert_allclose(said[0], row["scores"], atol=2e-4)


@pytest.mark.parametrize(
    "model", ["S2", "F1", *(pytest.param(one, marks=pytest.mark.slow) for one in ("S1", "S2h", "S3"))]
)
def test_a_model_that_heard_scores_in_training_hears_the_one_that_is_given(model, place):
    """Hand features would tell of the score too: they are left away."""
    stands_on, changes = ("A0", "S2"), {"seed": 1, "hand_features": False}
    for under in stands_on if model == "F1" else ():
        trained(place, under, **changes)
    checkpoint = trained(place, model, **changes, **({"fused": stands_on} if model == "F1" else {}))
    assert checkpoint.scored
    rows = list(read_rows(checkpoint.files.scores))
    for row in (rows[0], rows[-1]):
        given, withheld = (
            ask(checkpoint, heard(place, row["segment_id"], checkpoint, with_score=one)) for one in (True, False)
        )
        np.testing.assert_allclose(given[0], row["scores"], atol=2e-4)
        assert np.isfinite(withheld).all()
        assert np.abs(given - withheld).max() > 1e-3, "the score tells something"


def test_a_checkpoint_that_did_not_hear_scores_is_not_told_of_one(place):
    checkpoint = trained(place, "S2", seed=2, hand_features=False, use_score=False)
    key = fold(place).val[0]
    with_score, without = (ask(checkpoint, heard(place, key, checkpoint, with_score=one)) for one in (True, False))
    np.testing.assert_array_equal(with_score, without)


def test_parts_of_which_some_have_a_score_are_told_as_each_would_be_alone(place):
    checkpoint = trained(place, "S2", seed=1, hand_features=False)
    one, other = fold(place).val[:2]
    scored, bare = heard(place, one, checkpoint), heard(place, other, checkpoint, with_score=False)
    assert scored.symbols is not None
    assert bare.symbols is not None
    both = replace(scored.symbols, spans=(*scored.spans, *bare.spans), parts=(*scored.parts, *bare.parts))
    alone = np.concatenate([ask(checkpoint, scored), ask(checkpoint, bare)])
    np.testing.assert_allclose(ask(checkpoint, Heard(both.spans, both)), alone, atol=1e-5)


def test_a_checkpoint_that_was_told_of_clips_by_other_code_is_refused_and_one_that_notes_nothing_is_not(place):
    checkpoint = trained(place, "S0")
    assert checkpoint.report.versions == {"hand features": str(HAND_VERSION)}
    opened(place.root, checkpoint.files, replace(checkpoint.report, versions={}))
    with pytest.raises(SetupError, match=r"seed0: was trained with hand features of version 0, here .* again"):
        opened(place.root, checkpoint.files, replace(checkpoint.report, versions={"hand features": "0"}))


def test_without_a_score_a_model_of_hand_features_answers_and_one_of_aligned_notes_does_not(place):
    key = fold(place).val[0]
    checkpoint = trained(place, "S0")
    with_score, without = (ask(checkpoint, heard(place, key, checkpoint, with_score=one)) for one in (True, False))
    assert np.isfinite(without).all()
    assert not np.allclose(with_score, without), "the score tells something"
    symbols = read_performance(place.midi / f"{key}.mid", None, {"notes"})
    assert symbols.parts[0] is not None
    assert not symbols.parts[0].aligned


def test_a_checkpoint_whose_features_are_others_now_is_refused_and_named(place):
    checkpoint = trained(place, "S0")
    said = heard(place, fold(place).val[0], checkpoint)
    assert said.symbols is not None
    assert said.symbols.parts[0] is not None
    said.symbols.parts[0].hand.pop(next(iter(said.symbols.parts[0].hand)))  # type: ignore[attr-defined]
    said.symbols.parts[0].score.clear()  # type: ignore[attr-defined]
    with pytest.raises(SetupError, match=r"seed0: the model does not take what is made of a performance now .* again"):
        ask(checkpoint, said)


def test_a_fusion_whose_part_is_gone_is_refused(place):
    checkpoint = trained(place, "S0")
    settings = tiny("F2", fused=("A0", "S2")).plain
    fusion = replace(checkpoint.report, model="F2", settings=settings, seed=7, versions={})
    with pytest.raises(SetupError, match="F2 stands on this checkpoint and it is gone"):
        opened(place.root, checkpoint.files, fusion)


def test_a_fusion_is_not_asked_over_a_checkpoint_that_was_trained_again_since(place):
    for under in ("A0", "A1"):
        trained(place, under, seed=3)
    fusion = trained(place, "F2", seed=3, fused=("A0", "A1"))
    fit_fold(place, fold(place), tiny("A1", seed=3, epochs=1))
    with pytest.raises(SetupError, match="F2 stands on this checkpoint and it was trained again since; train F2 again"):
        opened(place.root, fusion.files, fusion.report)
    older = replace(fusion.report, stands_on={})
    assert len(opened(place.root, fusion.files, older).under) == 2, "of an older report it is not known"


def test_another_encoder_than_the_model_learnt_over_is_refused_naming_both(encoder_folder: Path, tmp_path):
    spec = EncoderSpec(checkpoint=str(encoder_folder), device="cpu")
    own = identify(spec)
    assert matching_encoder("embeddings", (own.describe(), own.digest), spec, None)[1] == own
    with pytest.raises(SetupError) as refused:
        matching_encoder("embeddings", ("MuQ-large of 2024", "0" * 32), spec, None)
    assert "MuQ-large of 2024" in str(refused.value)
    assert own.describe() in str(refused.value)


def test_layers_and_pooling_are_those_of_the_embeddings_that_the_model_learnt_over(encoder_folder: Path):
    spec = EncoderSpec(checkpoint=str(encoder_folder), device="cpu")
    other = identify(EncoderSpec(checkpoint=str(encoder_folder), device="cpu", layers=(1,), temporal_pool=4))
    found, identity = matching_encoder("embeddings", (other.describe(), other.digest), spec, other)
    assert (found.layers, found.temporal_pool, identity.digest) == ((1,), 4, other.digest)
