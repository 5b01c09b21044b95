"""ASAP's beats: read as they stand, paired one by one, and refused where they cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.sources.asap import AsapPerformance, read_asap
from crescendai_assets.sources.asap_beats import paired_beats, read_beats
from crescendai_assets_tests.shared_data import DATA, needs_shared

WRITTEN = "0.0\t0.0\tdb,4/4,-3\n0.5\t0.5\tb\n1.0\t1.0\tbR\n1.5\t1.5\tdb\n"


def annotated(folder: Path, played: str, written: str = WRITTEN) -> AsapPerformance:
    (folder / "Lind04M_annotations.txt").write_text(played)
    (folder / "midi_score_annotations.txt").write_text(written)
    return AsapPerformance(
        "one",
        "Bach",
        "Fugue",
        "Lind04",
        folder / "Lind04M.mid",
        annotations=folder / "Lind04M_annotations.txt",
        score_annotations=folder / "midi_score_annotations.txt",
    )


def test_beats_are_paired_with_those_of_the_score(tmp_path):
    played = "1.1\t1.1\tdb,4/4,-3\n1.7\t1.7\tb\n2.2\t2.2\tbR\n2.9\t2.9\tdb\n"
    found = paired_beats(annotated(tmp_path, played))
    assert found.played == (1.1, 1.7, 2.2, 2.9)
    assert found.written == (0.0, 0.5, 1.0, 1.5)
    assert found.labels == ("db", "b", "bR", "db")


def test_lines_that_only_change_a_signature_are_no_beats(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("0.0\t0.0\tdb\n0.2\t0.2\t3/4\n0.3\t0.3\t-2\n0.5\t0.5\tb\n")
    assert read_beats(path).seconds == (0.0, 0.5)


@pytest.mark.parametrize(
    ("played", "told", "error_class"),
    [
        ("1.1\t1.1\tdb\n1.7\t1.7\tb\n", "2 beats against 4 of the score", "permanent"),
        (WRITTEN.replace("bR", "b"), "ASAP calls such a pair not aligned", "permanent"),
        (WRITTEN.replace("1.0\t", "0.1\t"), "line 3: '0.1' is no time after the beat before", "needs_user"),
        (WRITTEN.replace("0.5\t", "soon\t"), "line 2: 'soon' is no time", "needs_user"),
        ("", "holds no beats", "needs_user"),
    ],
)
def test_beats_that_cannot_be_used_are_refused_with_the_reason(tmp_path, played, told, error_class):
    with pytest.raises(RecordingError, match=told) as raised:
        paired_beats(annotated(tmp_path, played))
    assert raised.value.error_class == error_class


def test_absent_beats_say_whose_are_absent(tmp_path):
    one = AsapPerformance("one", "Bach", "Fugue", "Lind04", tmp_path / "Lind04M.mid")
    with pytest.raises(RecordingError, match="its beats are absent"):
        paired_beats(one)


@needs_shared
def test_all_real_performances_at_hand_have_beats_that_pair():
    performances = read_asap(DATA / "asap").performances
    beats = [paired_beats(one) for one in performances]
    assert len(beats) == 125
    assert sum(len(one.labels) for one in beats) == 26771
    assert sum(one.labels.count("db") for one in beats) == 9649
