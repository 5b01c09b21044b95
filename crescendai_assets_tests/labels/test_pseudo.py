"""Pseudo-labels: a planted fault moves its own label and no other, on the sample's ASAP and on the real one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crescendai_assets.labels.pseudo import label_performance
from crescendai_assets.labels.pseudo_measures import error_share
from crescendai_assets.labels.pseudo_picture import spread_picture
from crescendai_assets.labels.pseudo_scale import LABELS
from crescendai_assets.labels.pseudo_timing import local_curve
from crescendai_assets.labels.pseudo_windows import pseudo_label_windows
from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.figures import MAX_BYTES
from crescendai_assets.sample.asap import write_asap
from crescendai_assets.sources.asap import AsapPerformance, read_asap
from crescendai_assets.symbolic.alignment import align
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.performance import performance
from crescendai_assets_tests.shared_data import DATA, needs_shared
from crescendai_assets_tests.symbolic.midi_files import save_performance

FALLS, STAYS = 15.0, 5.0
"""Points: a fault's own label falls by so many at least, the others move by so many at most."""


def wrong_notes(read, chance):
    """15 % of the notes struck a half or a whole tone beside."""
    pitch, some = read.pitch.copy(), chance.choice(len(read), round(0.15 * len(read)), replace=False)
    pitch[some] += chance.choice([-2, -1, 1, 2], len(some))
    return replace(read, pitch=pitch)


def jitter(read, chance):
    """Every onset moved on its own, 40 ms."""
    onset = np.maximum(read.onset + chance.normal(0, 0.04, len(read)), 0.0)
    return performance(read.pitch, onset, read.duration, read.velocity, sustain=read.sustain)


def one_velocity(read, _chance):
    return replace(read, velocity=np.full(len(read), 64))


def uneven_lengths(read, chance):
    return replace(read, duration=read.duration * 2 ** chance.normal(0, 1.0, len(read)))


def pedal_down_throughout(read, _chance):
    return replace(read, sustain=np.array([[0.0, 127.0]]))


FAULTS = [
    (wrong_notes, "note_accuracy"),
    (jitter, "rhythmic_precision"),
    (one_velocity, "dynamics_control"),
    (uneven_lengths, "articulation_quality"),
    (pedal_down_throughout, "pedaling_technique"),
]


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> dict[str, AsapPerformance]:
    folder = tmp_path_factory.mktemp("asap")
    write_asap(folder)
    return {one.midi.stem: one for one in read_asap(folder).performances}


def means(one: AsapPerformance) -> dict[str, float]:
    """Each label's mean over the windows that have it."""
    windows = label_performance(one).windows
    found = {name: [w.labels[name] for w in windows if w.labels[name] is not None] for name in LABELS}
    return {name: mean(values) for name, values in found.items() if values}


def mean(marks) -> float:
    return float(np.mean([mark for mark in marks if mark is not None]))


def planted(one: AsapPerformance, fault, folder: Path) -> AsapPerformance:
    """The performance with a fault, written to a MIDI file and named in its place."""
    read = fault(read_midi(one.midi), np.random.default_rng(1))
    return replace(one, midi=save_performance(read, folder / one.midi.name))


def moved(good: dict[str, float], bad: dict[str, float]) -> dict[str, float]:
    assert good.keys() == bad.keys()
    return {name: bad[name] - good[name] for name in good}


@pytest.mark.parametrize(("fault", "own"), FAULTS)
@pytest.mark.parametrize("stem", ["Lind04M", "Ferreira01"])
def test_a_fault_lowers_its_own_label_and_no_other(sample, tmp_path, stem, fault, own):
    good = means(sample[stem])
    if own not in good:
        pytest.skip("this piece is played without a pedal")
    change = moved(good, means(planted(sample[stem], fault, tmp_path)))
    assert change.pop(own) <= -FALLS
    assert all(abs(points) <= STAYS for points in change.values()), change


REAL = ["Bach/Prelude/bwv_860/Ko04M", "Beethoven/Piano_Sonatas/31-2/LeungM04"]


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize("take", REAL)
def test_on_real_performances_a_fault_lowers_its_own_label_and_no_other(tmp_path, take):
    midi = DATA / "asap" / f"{take}.mid"
    one = AsapPerformance("real", "", "", "", midi, midi.with_name("midi_score.mid"))
    good = means(one)
    assert good.keys() == set(LABELS)
    assert all(60 <= value <= 95 for value in good.values()), good
    for fault, own in FAULTS:
        change = moved(good, means(planted(one, fault, tmp_path)))
        assert change.pop(own) <= -FALLS, fault
        assert all(abs(points) <= STAYS for points in change.values()), (fault, change)


def test_rubato_is_no_jitter(sample):
    one = sample["Lind04M"]
    read, score = read_midi(one.midi), read_midi(one.score)

    def precision(played):
        windows = pseudo_label_windows(played, score, align(played, score))
        return mean(w.labels["rhythmic_precision"] for w in windows)

    # tempo goes up and down by a third within every eight seconds
    bent = replace(read, onset=read.onset + 0.33 * 8 / (2 * np.pi) * np.sin(2 * np.pi * read.onset / 8))
    assert precision(read) - precision(bent) <= 5
    assert precision(read) - precision(jitter(read, np.random.default_rng(0))) >= 15


def test_the_curve_is_exact_on_a_parabola_and_untroubled_by_one_outlier():
    x = np.arange(60) / 4
    y = 3 + 0.5 * x + 0.02 * x**2
    fitted, slope = local_curve(x, y, 1.0)
    assert np.allclose(fitted, y, atol=1e-6)
    assert np.allclose(slope, 0.5 + 0.04 * x, atol=1e-5)
    rough = y + np.random.default_rng(0).normal(0, 0.01, len(x))
    fitted, _ = local_curve(x, rough, 1.0)
    rough[30] += 1.0
    with_outlier, _ = local_curve(x, rough, 1.0)
    assert np.abs(with_outlier - fitted).max() < 0.01


def steady(notes, *, chords=True, sustain=()):
    onset = np.repeat(np.arange(notes // 2) * 0.25, 2) if chords else np.arange(notes) * 0.25
    pitch = (
        np.where(np.arange(notes) % 2, 72, 55) + (np.arange(notes) // 2) % 7 if chords else 60 + np.arange(notes) % 13
    )
    return performance(pitch, onset, onset * 0 + 0.2, 60 + np.arange(notes) % 9, sustain=sustain)


def labels_of(played, score):
    return [w.labels for w in pseudo_label_windows(played, score, align(played, score))]


def test_what_cannot_be_computed_is_null_and_nothing_else_is():
    (few, *_) = labels_of(steady(12), steady(12))
    assert few == dict.fromkeys(LABELS)
    (no_pedal, *_) = labels_of(steady(80), steady(80))
    assert {name for name, value in no_pedal.items() if value is None} == {"pedaling_technique"}
    (a_line, *_) = labels_of(steady(80, chords=False), steady(80, chords=False))
    assert {name for name, value in a_line.items() if value is None} == {"pedaling_technique", "tone_quality"}
    (pedalled, *_) = labels_of(steady(80, sustain=[(0.1, 127), (4, 0), (4.2, 127)]), steady(80))
    assert None not in pedalled.values()


def test_another_piece_under_the_performance_is_no_bad_playing_but_no_label():
    played = steady(160)
    other = replace(played, pitch=played.pitch[::-1] + 15)
    assert all(set(labels.values()) == {None} for labels in labels_of(played, other))
    assert error_share(matched=7, insertions=9, deletions=0) is None
    assert error_share(matched=20, insertions=0, deletions=0, passage=21) is None
    assert error_share(matched=15, insertions=1, deletions=3) == 4 / 34


def test_a_passage_left_out_is_not_wrong_but_single_missing_notes_are(sample):
    one = sample["Lind04M"]
    read, score = read_midi(one.midi), read_midi(one.score)

    def without(keep, onset):
        return performance(*(a[keep] for a in (read.pitch, onset, read.duration, read.velocity)))

    bar = (read.onset > 12) & (read.onset < 18)
    cut = without(~bar, np.where(read.onset >= 18, read.onset - 6, read.onset))
    windows = pseudo_label_windows(cut, score, align(cut, score))
    assert sum(w.passage for w in windows) >= 0.8 * bar.sum()
    assert all((w.labels["note_accuracy"] or 100) >= 80 for w in windows)
    some = without(np.arange(len(read)) % 10 != 5, read.onset)
    windows = pseudo_label_windows(some, score, align(some, score))
    assert sum(w.passage for w in windows) == 0
    assert all((w.labels["note_accuracy"] or 100) <= 70 for w in windows)


def test_windows_are_of_ten_seconds_and_a_short_tail_is_left_out(sample):
    read = steady(200)  # 25 s
    windows = pseudo_label_windows(read, read, align(read, read))
    assert [(w.start, w.end) for w in windows] == [(0, 10), (10, 20)]
    assert sum(w.matched for w in windows) == 160
    longer = steady(208)  # 26 s
    assert pseudo_label_windows(longer, longer, align(longer, longer))[-1].end == longer.seconds


def test_without_a_usable_score_it_is_said_which(sample, tmp_path):
    one = sample["Lind04M"]
    bad = tmp_path / "midi_score.mid"
    bad.write_bytes(b"MThd")
    with pytest.raises(RecordingError, match=r"midi_score\.mid"):
        label_performance(replace(one, score=bad))


@needs_shared
def test_a_given_alignment_is_used_with_its_musicxml_and_replaced_when_it_belongs_to_other_files():
    take = DATA / "asap" / "Bach" / "Fugue" / "bwv_854"
    nasap = DATA / "asap" / "nasap" / "Bach" / "Fugue" / "bwv_854"
    alignment = nasap / "LuA01M_note_alignments" / "note_alignment.tsv"
    one = AsapPerformance(
        "real", "", "", "", take / "LuA01M.mid", take / "midi_score.mid", nasap / "xml_score.musicxml", alignment
    )
    given, computed = label_performance(one), label_performance(replace(one, note_alignment=None))
    assert (given.aligned_by, computed.aligned_by) == ("given", "computed")
    for name in ("note_accuracy", "rhythmic_precision", "dynamics_control", "articulation_quality"):
        marks = [[w.labels[name] for w in one.windows] for one in (given, computed)]
        assert abs(mean(marks[0]) - mean(marks[1])) <= 5, name
    other = label_performance(replace(one, midi=take / "Ozaki01M.mid"))
    assert other.aligned_by == "replaced"


def test_the_picture_is_small_and_drawn_without_rows_too():
    labels = [dict.fromkeys(LABELS, float(mark)) for mark in range(100)] + [dict.fromkeys(LABELS)]
    for rows in ([{"labels": one} for one in labels], []):
        png = spread_picture(rows)
        assert png.startswith(b"\x89PNG")
        assert len(png) <= MAX_BYTES
