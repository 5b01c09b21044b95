"""Which model `crescendai score` asks, and what is done with a score that is of other music."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crescendai_assets.embeddings.identity import IDENTITY_FILE
from crescendai_assets.evaluation.comparison import read_judges
from crescendai_assets.evaluation.robustness_about import checkpoint_name
from crescendai_assets.evaluation.robustness_scores import ROBUSTNESS, STAGE
from crescendai_assets.evaluation.robustness_sound import cache_of
from crescendai_assets.evaluation.scoring_choice import choose
from crescendai_assets.labels.folds import fold_of_key
from crescendai_assets.labels.percepiano import read_labels
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.training.checkpoints import (
    SCORES,
    CheckpointFiles,
    files_of,
    finished,
    read_report,
    score_rows,
    write_report,
)
from crescendai_assets.training.t1_plan import T1Place
from crescendai_assets_tests.scored_lake import (
    copied,
    its_sound,
    make_scored_lake,
    noise,
    run,
    train,
    words_of,
)
from crescendai_assets_tests.training.rated_lake import tiny
from crescendai_assets_tests.training.test_one_performance import write_midi

NO_SOUND: dict[str, Any] = {"encoder": ("", "")}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, encoder_folder: Path) -> T1Place:
    """S0 and A0 in one fold."""
    return make_scored_lake(tmp_path_factory.mktemp("scored"), encoder_folder, s0=1, a0=1)


@pytest.fixture(scope="module")
def fused(trained: T1Place, tmp_path_factory: pytest.TempPathFactory) -> T1Place:
    """The same, with a fusion that hears the score in one fold."""
    own = copied(trained, tmp_path_factory.mktemp("fused"))
    train(own, [tiny(one, epochs=1, hand_features=False, fused=("A0", "S3")) for one in ("S3", "F1")])
    return own


@pytest.mark.slow
def test_sound_with_its_midi_and_score_is_scored_by_a_fusion_which_hears_all_three(
    fused, midi, score, tmp_path, encoder_folder
):
    given = [its_sound(fused, tmp_path), "--midi", midi, "--model", "F1", "--json"]
    told = {}
    for name, more in {"all": ["--score", score], "two": []}.items():
        result = run(fused, *given, *more, CRESCENDAI_MUQ_CHECKPOINT=str(encoder_folder))
        assert result.exit_code == 0, result.output
        told[name] = json.loads(result.stdout)
        assert (told[name]["model"], told[name]["folds"]) == ("F1", ["s0f0"])
        assert "sample-muq" in told[name]["encoder"]
        assert np.isfinite([row["score"] for row in told[name]["dimensions"]]).all()
    assert told["all"]["dimensions"] != told["two"]["dimensions"], "the score tells something"
    assert any("No score was given" in one for one in told["two"]["remarks"])
    assert "given: sound and MIDI" in words_of(tmp_path / "take.wav.report.html")


@pytest.mark.slow
def test_a_fusion_needs_both_and_both_of_one_performance(fused, midi, wav, tmp_path, encoder_folder):
    alone = run(fused, wav, "--model", "F1", CRESCENDAI_MUQ_CHECKPOINT=str(encoder_folder))
    assert alone.exit_code == 1
    assert "F1 needs the performance's MIDI (--midi)" in alone.output.replace("\n", " ")
    both = [noise(tmp_path, 30), "--midi", midi, "--model", "F1"]
    unlike = run(fused, *both, CRESCENDAI_MUQ_CHECKPOINT=str(encoder_folder))
    assert unlike.exit_code == 1
    assert "they are not of one performance" in unlike.output.replace("\n", " ")


@pytest.fixture(scope="module")
def aligned(trained: T1Place, tmp_path_factory: pytest.TempPathFactory) -> T1Place:
    """The same, with S4 in one fold, where it puts every pair right."""
    own = copied(trained, tmp_path_factory.mktemp("aligned"))
    train(own, [tiny("S4")])
    fold = fold_of_key(own.labels, "passage-s0f0")
    labels = read_labels(own.labels)
    files = files_of(own.root, "S4", fold, 0)
    SCORES.write(files.scores, score_rows(fold, list(fold.val), [labels[key] for key in fold.val]))
    return own


@pytest.fixture
def other_score(trained: T1Place, midi: Path, tmp_path: Path) -> Path:
    """A score that has none of the notes played."""
    read = read_midi(midi)
    write_midi(tmp_path / "other.mid", replace(read, pitch=read.pitch % 5 + 21))
    return tmp_path / "other.mid"


@pytest.mark.slow
def test_a_score_that_fits_is_laid_under_by_the_model_of_aligned_notes(aligned, midi, score):
    result = run(aligned, midi, "--score", score)
    assert result.exit_code == 0, result.output
    assert "S4 (aligned notes" in result.output
    assert "was not used" not in result.output


@pytest.mark.slow
def test_a_score_of_other_music_is_not_used_and_the_next_best_model_is_asked_without_it(aligned, midi, other_score):
    result = run(aligned, midi, "--score", other_score)
    assert result.exit_code == 0, result.output
    page = words_of(midi.with_name(f"{midi.name}.report.html"))
    for text in (" ".join(result.output.split()), page):
        assert "S0 (hand features" in text
        assert "The score was not used: only 0% of the notes played are in other.mid" in text
        assert "S4 is better on rows held out (pairs 100.0%) and needs a score that fits" in text
        assert "No score was given" not in text
    assert "other.mid, not used" in page
    bare = run(aligned, midi, "--model", "S0", "--json")
    told = run(aligned, midi, "--score", other_score, "--json")
    assert json.loads(told.stdout)["dimensions"] == json.loads(bare.stdout)["dimensions"]


@pytest.mark.slow
def test_the_model_of_aligned_notes_that_is_asked_for_by_name_refuses_a_score_of_other_music(
    aligned, midi, other_score
):
    result = run(aligned, midi, "--score", other_score, "--model", "S4")
    assert result.exit_code == 1
    assert "nothing of it can be scored (its notes cannot be laid over" in result.output.replace("\n", " ")
    assert "--model S0, which does without" in result.output.replace("\n", " ")


def test_a_score_of_other_music_is_kept_from_models_that_only_differ_by_it_too(trained, midi, score, other_score):
    told = {
        name: json.loads(run(trained, midi, *more, "--json").stdout)
        for name, more in {"right": ["--score", score], "other": ["--score", other_score], "none": []}.items()
    }
    assert told["other"]["dimensions"] == told["none"]["dimensions"] != told["right"]["dimensions"]
    assert any("The score was not used: only 0% of" in one for one in told["other"]["remarks"])


def test_a_vetoed_model_is_named_as_such_where_no_other_takes_what_is_given(trained, wav, encoder_folder, tmp_path):
    own = copied(trained, tmp_path)
    fall_on_degraded_sound(own, "A0", 0.6)
    result = run(own, wav, CRESCENDAI_MUQ_CHECKPOINT=str(encoder_folder))
    assert result.exit_code == 0, result.output
    page = words_of(wav.with_name("noise.wav.report.html"))
    for text in (" ".join(result.output.split()), page):
        assert re.search(r"A0 is vetoed: its scores fall by \d+\.\d % on degraded sound, more than the 15 %", text)


def test_a_vetoed_model_is_passed_over_for_a_worse_one_that_holds(trained, wav, tmp_path):
    own = copied(trained, tmp_path)
    for path in sorted((own.root / "checkpoints" / "A0").glob("*/seed0")):
        worse = CheckpointFiles(own.root / "checkpoints" / "A1" / path.parent.name / "seed0")
        shutil.copytree(path, worse.folder)
        report = read_report(worse)
        assert report is not None
        write_report(worse, replace(report, model="A1", settings=tiny("A1").plain))
        rows = list(read_rows(worse.scores))
        SCORES.write(worse.scores, [{**row, "scores": [0.5] * 19} for row in rows])
    chosen = partial(choose, own, read_judges(own.labels), {"audio": wav}, protocol="passage", seed=0)
    assert chosen().ensemble.spec.key == "A0"
    fall_on_degraded_sound(own, "A0", 0.6)
    choice = chosen()
    assert choice.ensemble.spec.key == "A1"
    assert any("A0 is better on rows held out" in one and "is vetoed" in one for one in choice.passed_over)
    assert chosen(model="A0").ensemble.vetoed


def test_folds_over_another_encoder_are_left_out_and_named(trained, wav, tmp_path):
    own = copied(trained, tmp_path)
    for name in ("s0f1", "s0f2"):
        like_first(own, "A0", name, encoder=("other-muq", "another digest"))
    chosen = partial(choose, own, read_judges(own.labels), {"audio": wav}, protocol="passage", seed=0)
    choice = chosen()
    assert [member.fold.name for member in choice.ensemble.members] == ["s0f0"], "embeddings here are of its encoder"
    assert {"s0f1", "s0f2"} < set(choice.ensemble.missing)
    (said,) = (one for one in choice.passed_over if one.startswith("A0"))
    assert "A0 of passage-s0f1, passage-s0f2 is not used: it was trained over other-muq, the folds that are ask" in said
    assert "sample-muq@sha256" in said
    (own.embeddings.embedding_folder / IDENTITY_FILE).unlink()
    choice = chosen()
    assert [member.fold.name for member in choice.ensemble.members] == ["s0f1", "s0f2"], "most folds, then"
    assert any(one.startswith("A0 of passage-s0f0 is not used") for one in choice.passed_over)


def test_a_fusion_is_left_out_where_what_it_stands_on_is_over_another_encoder(trained, wav, midi, tmp_path):
    own = copied(trained, tmp_path)
    settings = tiny("F1", fused=("A0", "S0")).plain
    other: dict[str, Any] = {"encoder": ("other-muq", "another digest")}
    for name in ("s0f0", "s0f1", "s0f2"):
        for under in ("A0", "S0"):
            like_first(own, under, name, **(other if (under, name[-1]) in [("A0", "1"), ("A0", "2")] else {}))
        of_its_own: dict[str, Any] = other if name == "s0f2" else {}
        like_first(own, "A0", name, into="F1", settings=settings, **of_its_own)
    given = {"audio": wav, "midi": midi}
    choice = choose(own, read_judges(own.labels), given, model="F1", protocol="passage", seed=0)
    assert [member.fold.name for member in choice.ensemble.members] == ["s0f0"]
    (odd, inside) = sorted(one for one in choice.passed_over if one.startswith("F1"))
    assert "F1 of passage-s0f1 is not used: it and what it stands on were trained over different encoders" in odd
    assert "F1 of passage-s0f2 is not used: it was trained over other-muq" in inside


def test_folds_that_listen_to_other_things_are_not_asked_together(trained, wav, midi, tmp_path):
    own = copied(trained, tmp_path)
    for name in ("s0f0", "s0f1", "s0f2"):
        for under in ("A0", "S0"):
            like_first(own, under, name)
        like_first(own, "A0", name, into="S1", settings=tiny("S1", hand_features=False).plain, **NO_SOUND)
        fused = tiny("F1", fused=("A0", "S1" if name == "s0f1" else "S0")).plain
        like_first(own, "A0", name, into="F1", settings=fused)
    given = {"audio": wav, "midi": midi}
    choice = choose(own, read_judges(own.labels), given, model="F1", protocol="passage", seed=0)
    assert [member.fold.name for member in choice.ensemble.members] == ["s0f0", "s0f2"]
    (said,) = (one for one in choice.passed_over if one.startswith("F1"))
    assert "F1 of passage-s0f1 is not used: it listens to embeddings and tokens, where" in said


def test_who_was_not_asked_about_hard_rows_is_not_chosen_for_it(trained, wav, tmp_path):
    own = copied(trained, tmp_path)
    fold, labels = fold_of_key(own.labels, "passage-s0f0"), read_labels(own.labels)
    passage = {row["segment_id"]: row["passage"] for row in read_judges(own.labels).rows}
    hard = sorted({passage[key] for key in fold.val})[::2]
    chance = np.random.default_rng(0)
    said = {key: np.array(labels[key]) * (-1 if passage[key] in hard else 1) for key in fold.val}
    easy = {key: said[key] + 0.1 * chance.normal(size=19) for key in fold.val if passage[key] not in hard}
    like_first(own, "A0", "s0f0", into="A1", settings=tiny("A1").plain, scores=easy)
    like_first(own, "A0", "s0f0", scores=said)
    chosen = partial(choose, own, read_judges(own.labels), {"audio": wav}, protocol="passage", seed=0)
    choice = chosen()
    alone = {model: chosen(model=model).ensemble.pairs for model in ("A0", "A1")}
    assert alone["A0"] < alone["A1"] < 1, "by its own rows"
    assert choice.ensemble.spec.key == "A0", "right about every pair of those that both were asked about"
    fall_on_degraded_sound(own, "A1", 0.6)
    assert not any("A1 is better" in one for one in chosen().passed_over)


def test_with_too_few_rows_held_out_the_page_and_the_terminal_say_that_there_are_no_intervals(trained, midi, score):
    few = run(trained, midi, "--score", score, "--coverage", "0.99")
    assert few.exit_code == 0, few.output
    assert "1.0 to 7.0" in few.output
    for text in (" ".join(few.output.split()), words_of(midi.with_name(f"{midi.name}.report.html"))):
        assert re.search(
            r"The intervals are not known: \d+ rated .* and a coverage of 0.99 needs 99\. .* 1 to 7\.", text
        )
    enough = run(trained, midi, "--score", score)
    assert "intervals are not known" not in enough.output


def test_a_checkpoint_whose_weights_are_damaged_is_not_asked(trained, midi, tmp_path):
    own = copied(trained, tmp_path)
    (files, _), *_ = finished(own.root, ["S0"])
    files.arrays.write_bytes(files.arrays.read_bytes()[:-100])
    result = run(own, midi)
    assert result.exit_code == 1
    text = "".join(result.output.split())
    assert "model.npz:isnotwhatwastrained(damagedorreplaced);trainS0ofpassage-s0f0again" in text


def like_first(
    place: T1Place, model: str, name: str, into: str = "", scores: Mapping[str, Any] | None = None, **changes: Any
) -> None:
    """What was trained in the first fold, as if it had been trained in that one, or as another model."""
    first, fold = fold_of_key(place.labels, "passage-s0f0"), fold_of_key(place.labels, f"passage-{name}")
    source, files = files_of(place.root, model, first, 0), files_of(place.root, into or model, fold, 0)
    report = read_report(source)
    assert report is not None
    if source != files:
        shutil.copytree(source.folder, files.folder)
    labels = read_labels(place.labels)
    said = scores or {key: labels[key] for key in fold.val}
    rows = score_rows(fold, list(said), list(said.values()))
    SCORES.write(files.scores, rows)
    write_report(files, replace(report, model=into or model, fold=name, scores_digest=SCORES.digest(rows), **changes))


def fall_on_degraded_sound(place: T1Place, model: str, share: float) -> None:
    """Rows as if scores had fallen to that share under one effect."""
    cache = cache_of(place)
    assert cache is not None
    rows: list[Row] = []
    for _, report in finished(place.root, [model]):
        name, clean = checkpoint_name(report), [0.6, 0.5, 0.7]
        who = {"model": model, "protocol": report.protocol, "fold": report.fold, "seed": report.seed}
        row: Row = {
            "row_id": f"{name}/codec",
            "recording_id": name,
            "of": "",
            "checkpoint": report.scores_digest,
            **who,
        }
        row |= {"effect": "codec", "segments": ["a", "b", "c"], "pearson_r": 1.0, "score_drop_pct": 100 * (1 - share)}
        row |= {"clean": clean, "degraded": [share * value for value in clean]}
        rows.append({**row, "compared": 0, "pairs": None, "pairs_degraded": None})
    ROBUSTNESS.write(cache.stage(STAGE).table, rows)
