"""Robustness: the rules, the sums, and real checkpoints on really degraded sound."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from crescendai_assets.embeddings.folder import wanted_embeddings
from crescendai_assets.embeddings.identity import read_identity
from crescendai_assets.embeddings.store import embedding_path, read_embedding
from crescendai_assets.evaluation.comparison import read_judges
from crescendai_assets.evaluation.report_text import as_markdown as comparison_text
from crescendai_assets.evaluation.reports import compare
from crescendai_assets.evaluation.robustness import Held, over_effects
from crescendai_assets.evaluation.robustness_about import listened
from crescendai_assets.evaluation.robustness_files import check_robustness, write_robustness
from crescendai_assets.evaluation.robustness_report import read_robustness, robustness_rows, sum_up
from crescendai_assets.evaluation.robustness_scores import ROBUSTNESS, STAGE
from crescendai_assets.evaluation.robustness_sound import Degrading, cache_of, choose_clips, degraded_id
from crescendai_assets.evaluation.robustness_text import MEAN, as_csv, as_markdown
from crescendai_assets.lake.errors import RecordingError, SetupError
from crescendai_assets.lake.journal import open_journal
from crescendai_assets.lake.layout import Lake
from crescendai_assets.lake.schemas import AUGMENTED_PAIRS
from crescendai_assets.lake.tables import read_rows
from crescendai_assets.training.checkpoints import SCORES
from crescendai_assets.training.fit import fit_fold
from crescendai_assets.training.t1_plan import T1Place
from crescendai_assets_tests.evaluation.heard_lake import Heard, make_heard_lake, relabel
from crescendai_assets_tests.training.rated_lake import fold, tiny

FEW = Degrading(segments=5, among=("equalizer", "noise", "codec", "room_response"))


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Heard:
    """Measured once; only read."""
    heard = make_heard_lake(tmp_path_factory.mktemp("heard"))
    done = heard.measure(FEW)
    assert done is not None
    assert [one.failed_now for one in done] == [0, 0]
    return heard


@pytest.fixture
def own(measured: Heard, tmp_path) -> Heard:
    """A copy, for a test to change."""
    shutil.copytree(measured.root, tmp_path / "own")
    return Heard(tmp_path / "own")


def held(r: float = 1.0, drop: float = 0.0, pairs: float = 0.8, after: float = 0.8, judged: int = 4) -> Held:
    return Held(judged, r, drop, 100, pairs, after)


def row(segments: int, **figures) -> dict[str, object]:
    usual = {"effect": "codec", "pearson_r": 1.0, "score_drop_pct": 0.0, "compared": 10, "pairs": 0.8}
    return {**usual, "pairs_degraded": 0.8, **figures, "segments": ["s"] * segments}


@pytest.mark.parametrize(
    ("figures", "vetoed", "joins"),
    [
        (held(), False, False),
        (held(drop=15.0), False, False),
        (held(drop=15.1), True, False),
        (held(drop=-40.0), False, False),
        (held(r=0.899), False, True),
        (held(pairs=0.8, after=0.721), False, False),
        (held(pairs=0.8, after=0.719), False, True),
        (held(r=float("nan"), drop=float("nan"), pairs=float("nan"), after=float("nan")), False, False),
    ],
)
def test_the_rules_hold_at_their_limits(figures, vetoed, joins):
    assert (figures.vetoed, figures.wants_t4) == (vetoed, joins)


def test_rules_go_by_the_mean_over_effects_and_the_worst_is_named():
    found = over_effects({"gain": held(drop=40.0, r=0.5), "codec": held(drop=-2.0), "tilt": held(judged=0)})
    assert found is not None
    assert found.mean.score_drop_pct == pytest.approx(20.0)
    assert found.worst == "gain"
    assert found.reasons_for_t4 == ["gain"]
    assert set(found.by_effect) == {"gain", "codec"}
    assert over_effects({"tilt": held(judged=0)}) is None


def test_a_rise_under_one_effect_does_not_hide_a_drop_under_another():
    found = over_effects({"gain": held(drop=45.0), "codec": held(drop=-45.0), "tilt": held(drop=float("nan"))})
    assert found is not None
    assert found.mean.score_drop_pct == pytest.approx(22.5)
    assert found.mean.vetoed
    assert found.by_effect["codec"].score_drop_pct == -45.0


def test_checkpoints_weigh_by_segments_and_pairs_by_their_number():
    rows = [
        row(3, pearson_r=1.0, score_drop_pct=4.0, compared=30, pairs=0.9, pairs_degraded=0.6),
        row(1, pearson_r=0.2, score_drop_pct=0.0, compared=10, pairs=0.5, pairs_degraded=0.5),
        row(1, pearson_r=None, score_drop_pct=4.0, compared=0, pairs=None, pairs_degraded=None),
        {"effect": "codec", "segments": [], "compared": 0},
    ]
    found = sum_up(rows)
    assert found is not None
    one = found.by_effect["codec"]
    assert (one.judged, one.compared) == (5, 40)
    assert one.pearson_r == pytest.approx(0.8)
    assert one.score_drop_pct == pytest.approx(16 / 5)
    assert one.pairs == pytest.approx(0.8)
    assert one.pairs_degraded == pytest.approx(0.575)


def test_clips_are_spread_over_passages_and_more_of_them_only_add():
    clips = [{"segment_id": f"p{p}_{i}", "passage": f"p{p}"} for p in range(6) for i in range(10)]
    unseen = {clip["segment_id"] for clip in clips if clip["passage"] != "p0"}
    few, more = (choose_clips(clips, unseen, Degrading(segments=n)) for n in (8, 30))
    assert few == more[:8]
    assert [sorted(c["passage"] for c in few).count(p) for p in {c["passage"] for c in few}] == [4, 4]
    assert "p0" not in {c["passage"] for c in more}
    assert len({c["passage"] for c in more}) == 5
    other = choose_clips(clips, unseen, Degrading(segments=8, seed=1))
    assert {c["segment_id"] for c in few} != {c["segment_id"] for c in other}


def test_only_clips_that_a_checkpoint_never_saw_are_asked_and_each_effect_changes_the_sound(measured):
    cache, val = cache_of(measured.place), set(fold(measured.place).val)
    assert cache is not None
    rows = list(read_rows(cache.stage(STAGE).table))
    assert {r["recording_id"] for r in rows} == {"A0_passage-s0f0_seed0", "A1_passage-s0f0_seed0"}
    assert {r["effect"] for r in rows} == set(FEW.effects)
    assert all(len(r["segments"]) == 5 and set(r["segments"]) <= val for r in rows)
    key = rows[0]["segments"][0]
    clean = read_embedding(embedding_path(measured.place.embeddings.embedding_folder, key))
    for effect in FEW.effects:
        degraded = read_embedding(embedding_path(cache.augmented_folder, degraded_id(key, effect)))
        assert degraded.shape == clean.shape
        assert not np.allclose(degraded, clean), effect
    assert all(ROBUSTNESS.fault(r) is None for r in rows)


def test_a_second_run_does_nothing_and_a_new_checkpoint_embeds_nothing(own):
    again = own.measure(FEW)
    assert again is not None
    assert [one.succeeded for one in again] == [0, 0]
    fit_fold(own.place, fold(own.place), tiny("A3", epochs=1))
    embedded, scored = own.measure(FEW) or (None, None)
    assert embedded is not None
    assert scored is not None
    assert (embedded.succeeded, scored.succeeded) == (0, 1)


def test_what_a_killed_run_left_undone_alone_is_done(own):
    cache = cache_of(own.place)
    assert cache is not None
    lost = sorted(cache.augmented_folder.glob("*.pt"))[:3]
    before = [path.read_bytes() for path in lost]
    for path in lost:
        path.unlink()
    cache.stage(STAGE).table.unlink()
    embedded, scored = own.measure(FEW) or (None, None)
    assert embedded is not None
    assert scored is not None
    assert (embedded.succeeded, scored.succeeded) == (3, 2)
    assert [path.read_bytes() for path in lost] == before


def test_the_report_is_written_with_pictures_verdicts_and_what_is_not_available(own):
    report, pictures, files = write_robustness(own.place, FEW)
    assert set(pictures) == {"by_effect", "clean_degraded"}
    assert all(picture.startswith(b"\x89PNG") and len(picture) <= 40_000 for picture in pictures.values())
    text = files.markdown.read_text()
    assert "5 rated clips of 2 passages" in text
    assert "UNTRAINED" in text
    assert "A0: T4 " in text
    for reason in ("S0: hears no sound", "F1: its symbols", "A2: no finished checkpoint", "T2, T3, T4: not measured"):
        assert f"- {reason}" in text
    rows = list(csv.DictReader(io.StringIO(files.table.read_text())))
    assert [r["effect"] for r in rows if r["model"] == "A1"] == [MEAN, *FEW.effects]
    assert as_csv(report) == files.table.read_text()
    assert check_robustness(own.place, FEW, files.digest).passed
    assert not check_robustness(own.place, replace(FEW, segments=6), files.digest).passed


def test_without_audio_it_reads_not_available_and_says_what_to_give(own):
    shutil.rmtree(own.root / "lake" / "robustness_cache")
    own.place.embeddings.stage("clips").table.unlink()
    assert own.measure(FEW) is None
    report, pictures, _ = write_robustness(own.place, FEW)
    assert pictures == {}
    assert "PERCEPIANO_AUDIO" in report.missing["A0"]
    assert "Nothing could be measured" in as_markdown(report)


def test_another_encoder_than_that_of_the_clean_embeddings_is_refused(own, encoder_folder):
    from crescendai_assets.embeddings.identity import EncoderSpec
    from crescendai_assets.embeddings.muq import MuQEncoder
    from crescendai_assets.evaluation.robustness_report import measure_robustness

    other = MuQEncoder(EncoderSpec(checkpoint=str(encoder_folder), layers=(1,), device="cpu"))
    with pytest.raises(SetupError, match="a pair of two encoders means nothing"):
        measure_robustness(own.place, FEW, own.audio, lambda: other)


def test_a_checkpoint_whose_embeddings_changed_since_stands_in_the_ledger(own):
    cache, key = cache_of(own.place), fold(own.place).val
    assert cache is not None
    scores = own.root / "lake" / "checkpoints" / "A0" / "passage-s0f0" / "seed0" / "scores.jsonl"
    rows = [{**r, "scores": [0.9] * 19} for r in read_rows(scores) if r["segment_id"] in key]
    SCORES.write(scores, rows)
    relabel(own, "A0", scores_digest=SCORES.digest(rows))
    done = own.measure(FEW)
    assert done is not None
    assert [failure.recording_id for failure in done[1].failures] == ["A0_passage-s0f0_seed0"]
    report = read_robustness(own.place, FEW)
    assert "the embeddings have changed since" in report.refused["A0_passage-s0f0_seed0"]
    assert {one.name for one in report.measured} == {"A1"}


def test_a_failure_of_a_checkpoint_that_was_trained_again_since_does_not_pass_for_measured(own):
    folder = own.root / "lake" / "checkpoints" / "A0" / "passage-s0f0" / "seed0"
    before = (folder / "scores.jsonl").read_bytes(), json.loads((folder / "report.json").read_text())["scores_digest"]
    rows = [{**r, "scores": [0.9] * 19} for r in read_rows(folder / "scores.jsonl")]
    SCORES.write(folder / "scores.jsonl", rows)
    relabel(own, "A0", scores_digest=SCORES.digest(rows))
    own.measure(FEW)
    _, _, files = write_robustness(own.place, FEW)
    assert check_robustness(own.place, FEW, files.digest).passed
    (folder / "scores.jsonl").write_bytes(before[0])
    relabel(own, "A0", scores_digest=before[1], fingerprint="trained again")
    assert read_robustness(own.place, FEW).refused["A0_passage-s0f0_seed0"] == "was not measured yet"
    found = check_robustness(own.place, FEW, files.digest)
    assert not found.passed
    assert {"id": "A0_passage-s0f0_seed0", "fault": "not asked"} in found.rows


def test_an_effect_that_no_clip_could_be_embedded_under_is_said_to_be_not_available(own):
    cache = cache_of(own.place)
    assert cache is not None
    table = cache.stage(FEW.product.asset).table
    AUGMENTED_PAIRS.write(table, [r for r in read_rows(table) if not r["segment_id"].endswith("__noise")])
    clips = about(own).clips
    with open_journal(cache.stage(FEW.product.asset), AUGMENTED_PAIRS, FEW.product.asset) as journal:
        identity = read_identity(own.place.embeddings.embedding_folder)
        assert identity is not None
        wanted = wanted_embeddings(cache, identity, FEW.product)
        for clip in clips:
            name = degraded_id(clip["segment_id"], "noise")
            journal.fail(name, wanted[name], RecordingError("too short", "permanent"))
        journal.fail("left_long_ago__noise", "", RecordingError("too short", "permanent"))
    own.measure(FEW)
    report = read_robustness(own.place, FEW)
    assert report.lost == len(clips)
    assert "none of its clips" in report.missing["noise"]
    assert "- noise: none of its clips" in as_markdown(report)
    assert check_robustness(own.place, FEW, write_robustness(own.place, FEW)[2].digest).passed


def test_checkpoints_of_other_labels_or_folds_or_through_a_muq_are_left_out(own):
    relabel(own, "A0", labels="other")
    assert "trained on other labels" in next(iter(about(own).refused.values()))
    relabel(own, "A0", labels=read_judges(own.place.labels).digest, fold="gone")
    assert "no such fold" in next(iter(about(own).refused.values()))
    relabel(own, "A1", settings={"use_pretrained_muq": True})
    assert any("a MuQ of its own" in why for why in about(own).refused.values())


def about(heard: Heard):
    return listened(heard.place, read_judges(heard.place.labels), FEW)


def test_comparisons_tell_robustness_of_the_checkpoint_as_it_is_and_veto_by_it(own):
    section = compare(own.place, "audio_comparison", draws=0).sections[0]
    entry = next(one for one in section.entries if one.name == "A0")
    expected = next(one for one in read_robustness(own.place, FEW).measured if one.name == "A0").held
    assert entry.robustness == expected
    relabel(own, "A0", scores_digest="another")
    section = compare(own.place, "audio_comparison", draws=0).sections[0]
    entry = next(one for one in section.entries if one.name == "A0")
    assert entry.robustness is None
    assert "materialize reports/robustness again" in entry.robustness_missing
    assert "Robustness of A0 is n/a: not measured of passage-s0f0" in comparison_text(
        compare(own.place, "audio_comparison", draws=0)
    )


def test_nothing_measured_is_no_robustness_and_no_error(tmp_path):
    assert robustness_rows(T1Place.of(Lake(tmp_path))) == {}
