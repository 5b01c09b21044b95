"""Alignments against beats: what is planted is what is told, by numbers that another program finds as well."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from crescendai_assets.evaluation.report_files import planned_digest, write_comparison
from crescendai_assets.evaluation.score_alignment import (
    ScoreMap,
    aligned_map,
    error_figures,
    measure_accuracy,
    note_agreement,
    note_places,
    onset_errors,
    reference_of,
)
from crescendai_assets.evaluation.score_alignment_baselines import linear_map, piano_roll, warped_map
from crescendai_assets.evaluation.score_alignment_picture import alignment_picture
from crescendai_assets.evaluation.score_alignment_table import (
    METHODS,
    SCORE_ALIGNMENT,
    _agreement,
    alignment_partition,
    judge_performance,
)
from crescendai_assets.evaluation.score_alignment_text import MISSING, alignment_notes, alignment_section
from crescendai_assets.lake.figures import MAX_BYTES
from crescendai_assets.sources.asap import AsapPerformance, read_asap
from crescendai_assets.sources.asap_beats import PairedBeats
from crescendai_assets.symbolic.alignment import align, alignment
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.performance import performance
from crescendai_assets_tests.shared_data import DATA, needs_shared
from crescendai_assets_tests.symbolic.aligned_folder import alignment_of, write_aligned_folder
from crescendai_assets_tests.training.rated_lake import make_rated_lake

BARS = 8


def score():
    """Quarters in 4/4 at 120, eight bars, a bass note a bar."""
    line = 60 + np.random.default_rng(0).integers(0, 12, 4 * BARS)
    onset = np.arange(4 * BARS) * 0.5
    bass = np.arange(BARS) * 2.0
    pitch = np.append(line, 36 + np.arange(BARS))
    return performance(pitch, np.append(onset, bass), np.full(len(pitch), 0.4), np.full(len(pitch), 64))


def played(of, seed=1):
    """The score slower and bent, chords spread by up to 20 ms."""
    chance = np.random.default_rng(seed)
    return replace(of, onset=np.sort(bent(of.onset) + chance.uniform(0, 0.02, len(of))))


def bent(time):
    return 1.0 + 1.2 * time + 0.3 * np.sin(time / 3)


def beats(shift=0.0, labels=None):
    written = np.arange(4 * BARS) * 0.5
    labels = labels or ["db" if i % 4 == 0 else "b" for i in range(4 * BARS)]
    return PairedBeats(tuple(bent(written) + shift), tuple(written), tuple(labels))


def identity(of):
    """The alignment of notes that stand in the same order in both."""
    return alignment(((i, i) for i in range(len(of))), len(of), len(of))


def test_a_shift_of_100_ms_in_the_annotation_is_seen_as_100_ms():
    written = score()
    exact = replace(written, onset=bent(written.onset))
    found = aligned_map(exact, written, align(exact, written))
    assert np.abs(onset_errors(found, reference_of(beats(), written))).max() < 1e-6
    late = onset_errors(found, reference_of(beats(0.1), written))
    assert np.allclose(late, -100)
    figures = error_figures(late)
    assert figures["median_ms"] == pytest.approx(100)
    assert figures["within_50"] == 0.0
    assert figures["within_100"] == 1.0


def test_notes_in_a_wrong_measure_lower_the_accuracy_by_their_share():
    written = score()
    heard, reference = played(written), reference_of(beats(), written)
    right = note_places(heard, written, aligned_map(heard, written, identity(written)), identity(written))
    assert measure_accuracy(right, heard.onset, reference) == 1.0
    wrong = right.copy()
    wrong[:10] += 4
    assert measure_accuracy(wrong, heard.onset, reference) == pytest.approx(1 - 10 / len(written))
    # a bar line a beat late takes one beat of every measure but the first
    bars = reference.bar_seconds.copy()
    bars[1:] += 0.6
    moved = measure_accuracy(right, heard.onset, replace(reference, bar_seconds=bars))
    assert moved is not None
    assert moved < 0.75


def test_a_note_just_before_its_bar_line_is_right_and_one_well_before_it_is_not():
    written = score()
    exact = replace(written, onset=bent(written.onset))
    reference = reference_of(beats(), written)
    places = note_places(exact, written, aligned_map(exact, written, identity(written)), identity(written))
    downbeats = places % 4 == 0
    for early, expected in ((0.03, 1.0), (0.08, 1 - (downbeats.sum()) / len(written))):
        onset = exact.onset - np.where(downbeats, early, 0)
        assert measure_accuracy(places, onset, reference) == pytest.approx(expected)


def test_notes_that_are_not_matched_are_placed_between_their_neighbours():
    written = score()
    exact = replace(written, onset=bent(written.onset))
    some = alignment(((i, i) for i in range(0, len(written), 2)), len(written), len(written))
    places = note_places(exact, written, aligned_map(exact, written, some), some)
    assert np.abs(places - written.onset * 2).max() < 1.1


def test_an_onset_is_the_median_of_its_notes_or_the_first_and_grace_notes_do_not_count():
    written = performance([48, 60, 64, 67, 72], [0, 1, 1, 1, 1], [0.4, 0.4, 0.4, 0.4, 0.01], [64] * 5)
    heard = performance([48, 72, 60, 64, 67], [5.0, 5.8, 6.0, 6.01, 6.1], [0.4] * 5, [64] * 5)
    pairs = alignment([(0, 0), (1, 4), (2, 1), (3, 2), (4, 3)], 5, 5)
    assert aligned_map(heard, written, pairs).seconds.tolist() == pytest.approx([5.0, 6.01])
    assert aligned_map(heard, written, pairs, first=True).seconds.tolist() == pytest.approx([5.0, 6.0])


def test_one_wrong_match_does_not_turn_time_back():
    written = score()
    exact = replace(written, onset=bent(written.onset))
    pairs = dict(identity(written).matched.tolist())
    pairs[8], pairs[30] = pairs[30], pairs[8]
    found = aligned_map(exact, written, alignment(pairs.items(), len(written), len(written)))
    assert (np.diff(found.seconds) >= 0).all()


def test_unsure_and_skipped_beats_are_left_out_and_counted():
    written = score()
    labels = list(beats().labels)
    labels[5] = labels[6] = "bR"
    reference = reference_of(beats(labels=labels), written)
    assert (len(reference.beats), dict(reference.left_out)) == (4 * BARS - 2, {"unsure": 2, "not_played": 0})
    squeezed = list(beats().played)
    squeezed[12:20] = (squeezed[12] + 0.008 * np.arange(8)).tolist()
    reference = reference_of(replace(beats(), played=tuple(squeezed)), written)
    assert dict(reference.left_out) == {"unsure": 0, "not_played": 8}
    assert not set(reference.seconds) & set(squeezed[12:20])
    assert len(reference.bars) == BARS


def test_figures_are_those_of_numpy_and_of_nothing_are_none():
    errors = np.random.default_rng(0).normal(0, 60, 500)
    found = error_figures(errors)
    assert found["mean_ms"] == pytest.approx(np.abs(errors).mean())
    assert found["p90_ms"] == pytest.approx(np.quantile(np.abs(errors), 0.9))
    assert found["within_25"] == pytest.approx(np.mean((errors >= -25) & (errors <= 25)))
    assert set(error_figures([]).values()) == {None}


def test_agreement_of_notes_is_that_of_parangonar():
    import parangonar

    ours = alignment([(0, 0), (1, 1), (2, 3), (4, 4)], 6, 6)
    theirs = alignment([(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)], 6, 6)

    def as_parangonar(found):
        return [{"label": "match", "performance_id": int(p), "score_id": int(s)} for p, s in found.matched]

    expected = parangonar.fscore_alignments(as_parangonar(ours), as_parangonar(theirs), ["match"])
    found = note_agreement(ours, theirs)
    assert (found.precision, found.recall, found.f1) == pytest.approx(expected)
    assert note_agreement(ours, alignment([(5, 5)], 6, 6)).f1 == 0.0


def test_the_baselines_are_exact_on_a_steady_tempo_and_warping_alone_follows_a_bent_one():
    written = score()
    steady = replace(written, onset=2.0 + 1.5 * written.onset, duration=1.5 * written.duration)
    places = np.unique(written.onset * 2)
    wanted = 2.0 + 0.75 * places
    assert np.allclose(linear_map(steady, written).seconds_at(places), wanted)
    assert np.abs(warped_map(steady, written).seconds_at(places) - wanted).max() < 0.1
    slowing = replace(written, onset=1.0 + written.onset**1.3, duration=0.9 * written.duration)
    wanted = 1.0 + (places / 2) ** 1.3
    assert np.abs(warped_map(slowing, written).seconds_at(places) - wanted).max() < 0.2  # three frames
    assert np.abs(linear_map(slowing, written).seconds_at(places) - wanted).max() > 1


def test_a_piano_roll_says_which_keys_are_down():
    roll = piano_roll([60, 62], np.array([0.0, 0.5]), np.array([0.5, 0.5]), 4)
    assert np.argwhere(roll).tolist() == [[0, 60], [1, 60], [2, 62]]


def test_a_map_inverts():
    through = ScoreMap(np.array([0.0, 4.0]), np.array([1.0, 3.0]))
    assert through.beats_at(through.seconds_at(np.array([1.0, 2.5]))).tolist() == [1.0, 2.5]


def row(key, errors, f1=None):
    return {
        "recording_id": key,
        "midi_path": f"{key}.mid",
        "composer": "Bach",
        "title": "Fugue",
        "performer_id": "Lind04",
        "notes": 100,
        "matched": 98,
        "measures": 2,
        "beats": len(errors),
        "left_out": {"unsure": 1, "not_played": 0},
        "struck": [1] * (len(errors) - 1) + [0],
        "errors_ms": dict.fromkeys(METHODS, errors),
        "onset_error": {method: error_figures(errors) for method in METHODS},
        "measure_accuracy": dict.fromkeys(METHODS, 0.9),
        "measure_accuracy_by_note": 0.8,
        "note_agreement": f1 and {"precision": f1, "recall": f1, "f1": f1},
        "seconds": 1.0,
        "fingerprint": "x",
    }


def test_the_section_pools_beats_and_says_what_was_left_out(tmp_path):
    assert MISSING in alignment_section(tmp_path)
    table = alignment_partition(tmp_path).stage("score_alignment").table
    SCORE_ALIGNMENT.write(table, [row("a", [0.0, 10.0, -30.0], 0.98), row("b", [200.0])])
    told = alignment_section(tmp_path)
    assert "| our alignment | 4 | 20.0 | 60.0 | 149.0 | 0.500 | 0.750 | 0.750 | 0.9000 | 0.8000 |" in told
    assert "| our alignment: on an onset of the score | 2 | 5.0 |" in told
    assert "mean F1 0.9800, lowest 0.9800, of 1 performances" in told
    assert "Left out beats: 2 unsure." in told
    assert "25.0% are" in told


def test_note_alignments_that_cannot_be_used_are_counted():
    rows = [row("a", [1.0], 0.98), row("b", [1.0]) | {"note_agreement": {"fault": "belongs to other files"}}]
    assert "mean F1 0.9800, lowest 0.9800, of 1 performances; 1 note alignments could not be used" in alignment_notes(
        rows, Counter()
    )
    assert "n/a, 1 note alignments could not be used" in alignment_notes(rows[1:], Counter())
    assert SCORE_ALIGNMENT.fault(rows[1]) is None


def test_a_second_oracle_that_cannot_be_used_takes_nothing_from_the_first(tmp_path):
    folder = write_aligned_folder(tmp_path / "asap", "Lind04", aligned=("Lind04",))
    (one,) = read_asap(folder).performances
    whole = read_midi(one.midi)
    assert (_agreement(one, whole) or {})["f1"] > 0.9
    chord = replace(whole, onset=np.zeros(len(whole)))
    alignment_of(folder, "Lind04").write_text(
        "xml_id\tmidi_id\ttrack\tchannel\tpitch\tonset\ninsertion\tx\t0\t0\t60\t0\n"
    )
    assert "one onset only" in (_agreement(one, chord) or {})["fault"]
    alignment_of(folder, "Lind04").write_text("nothing of the kind\n")
    assert str(alignment_of(folder, "Lind04")) in (_agreement(one, whole) or {})["fault"]


def test_the_picture_is_small_with_and_without_rows():
    chance = np.random.default_rng(0)
    many = [row(str(i), chance.normal(0, 30, 200).tolist()) for i in range(100)]
    for rows in ([], many, [row("none", [1.0]) | {"measure_accuracy": dict.fromkeys(METHODS)}]):
        assert 1000 < len(alignment_picture(rows)) <= MAX_BYTES


@needs_shared
def test_a_real_performance_is_aligned_within_milliseconds_and_better_than_by_the_baselines():
    folder = DATA / "asap" / "Bach" / "Prelude" / "bwv_854"
    one = AsapPerformance(
        "real",
        "Bach",
        "Prelude_bwv_854",
        "LuA01",
        folder / "LuA01M.mid",
        folder / "midi_score.mid",
        annotations=folder / "LuA01M_annotations.txt",
        score_annotations=folder / "midi_score_annotations.txt",
    )
    found = judge_performance(one)
    error = {method: figures["mean_ms"] for method, figures in found["onset_error"].items()}
    assert error["aligned"] < 10 < error["warped"] < error["linear"]
    assert found["measure_accuracy"]["aligned"] == 1.0
    assert found["measure_accuracy"]["linear"] < 0.6
    assert SCORE_ALIGNMENT.fault({**found, "midi_path": "x.mid", "fingerprint": "x"}) is None


def test_the_symbolic_comparison_alone_tells_of_it_and_is_out_of_date_when_it_changes(tmp_path):
    place = make_rated_lake(tmp_path)
    for name, told in (("symbolic_comparison", True), ("audio_comparison", False)):
        _, _, files = write_comparison(place, name)
        assert ("## Score alignment on ASAP" in files.markdown.read_text()) == told
        assert (MISSING in files.markdown.read_text()) == told
    before = planned_digest(place, "symbolic_comparison"), planned_digest(place, "audio_comparison")
    SCORE_ALIGNMENT.write(alignment_partition(place.root).stage("score_alignment").table, [row("a", [1.0])])
    after = planned_digest(place, "symbolic_comparison"), planned_digest(place, "audio_comparison")
    assert (before[0] != after[0], before[1] == after[1]) == (True, True)
