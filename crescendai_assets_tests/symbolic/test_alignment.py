"""Which note of the score each performed note is: against planted slips, and against the alignments of (n)ASAP."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.symbolic import alignment as alignments
from crescendai_assets.symbolic.alignment import AlignmentFile, align, by_index, read_alignment, score_beats
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.performance import performance
from crescendai_assets.symbolic.score_xml import ScoreNotes, read_score_xml
from crescendai_assets_tests.shared_data import DATA, needs_shared

HEADER = "xml_id\tmidi_id\ttrack\tchannel\tpitch\tonset\n"

NOTE = (
    '<note id="{id}"><pitch><step>{step}</step><octave>{octave}</octave></pitch><duration>{duration}</duration>'
    "<voice>{voice}</voice><staff>{staff}</staff></note>"
)


def scale(notes=60, seed=0):
    """A line in eighths at 120 quarter notes a minute, with a bass note every second."""
    chance = np.random.default_rng(seed)
    line = 60 + np.cumsum(chance.integers(-2, 3, notes)) % 24
    onset = np.arange(notes) * 0.25
    bass = np.arange(0, notes * 0.25, 1.0)
    pitches = np.append(line, 36 + chance.integers(0, 12, len(bass)))
    return performance(
        pitches, np.append(onset, bass), np.append(np.full(notes, 0.24), bass * 0 + 0.9), pitches * 0 + 64
    )


def test_slips_are_found_and_nothing_else_in_a_performance_at_another_tempo():
    score = scale()
    onset = score.onset * 1.3 + 0.8 + 0.4 * np.sin(score.onset / 4)
    played = replace(score, onset=onset, duration=score.duration * 1.3)
    wrong, missing = 20, 41
    pitch = played.pitch.copy()
    pitch[wrong] += 1
    keep = np.arange(len(score)) != missing
    played = performance(pitch[keep], onset[keep], played.duration[keep], played.velocity[keep])
    found = align(played, score)
    assert found.deletions.tolist() == [wrong, missing]
    assert found.insertions.tolist() == [wrong]
    assert all(p == s - (s > missing) for p, s in found.matched)
    again = align(played, score)
    assert np.array_equal(found.matched, again.matched)


def test_positions_in_beats_follow_every_change_of_tempo():
    score = performance([60], [0], [1], [64], tempos=[(0, 120), (2, 60), (4, 240)])
    assert score_beats(score, np.array([0, 1, 2, 3, 4, 4.5])).tolist() == [0, 2, 4, 5, 6, 8]


def test_what_cannot_be_aligned_is_refused(monkeypatch):
    chord = performance([60, 64], [1, 1], [1, 1], [64, 64])
    with pytest.raises(RecordingError, match="one onset only"):
        align(chord, scale())
    monkeypatch.setattr(alignments, "MAX_NOTES", 50)
    with pytest.raises(RecordingError, match=r"performance has 75 notes.*cut it into movements"):
        align(scale(), scale())


def test_an_alignment_file_is_read_by_its_columns(tmp_path):
    path = tmp_path / "note_alignment.tsv"
    path.write_text(HEADER + "n1-1\tn0\t0\t0\t60\t0.5\nn2-1\tdeletion\ninsertion\tn4\t0\t0\t61\t0.75\n")
    read = read_alignment(path)
    assert read.matched == (("n1-1", 60, 0.5),)
    assert read.insertions == ((61, 0.75),)
    assert read.deletions == ("n2-1",)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a\tb\n1\t2\n", "no column 'xml_id'"),
        (HEADER.encode() + b"n1-1\tn0\t0\t0\thigh\t0.5\n", "line 2: pitch 'high'"),
        (HEADER.encode() + b"n1-1\tn0\n", "line 2: pitch None"),
        (HEADER.encode() + b"\xff\n", "cannot be read"),
    ],
)
def test_a_damaged_alignment_file_says_what_is_wrong(tmp_path, content, told):
    path = tmp_path / "note_alignment.tsv"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=told):
        read_alignment(path)


def written_score(tmp_path, *, repeated=True):
    """Two bars, the first repeated: a voice of halves over one of whole notes."""
    forward, backward = (
        ('<barline location="left"><repeat direction="forward"/></barline>', "")[not repeated],
        ('<barline location="right"><repeat direction="backward"/></barline>', "")[not repeated],
    )

    def bar(number, first, inside, before="", after=""):
        notes = "".join(
            NOTE.format(id=f"n{first + i}", step=step, octave=5, duration=2, voice=1, staff=1)
            for i, step in enumerate(inside)
        )
        bass = NOTE.format(id=f"n{first + 2}", step="C", octave=3, duration=4, voice=5, staff=2)
        return (
            f'<measure number="{number}">{before}{notes}<backup><duration>4</duration></backup>{bass}{after}</measure>'
        )

    time = "<time><beats>4</beats><beat-type>4</beat-type></time>"
    start = f"<attributes><divisions>1</divisions>{time}<staves>2</staves></attributes>"
    path = tmp_path / "score.musicxml"
    path.write_text(
        '<?xml version="1.0"?><score-partwise version="3.1"><part-list><score-part id="P1"><part-name>Piano</part-name>'
        f'</score-part></part-list><part id="P1">{bar(1, 1, "CE", start + forward, backward)}{bar(2, 4, "GA")}</part>'
        "</score-partwise>"
    )
    return path


def test_a_musicxml_score_has_its_repeats_written_out_with_ids_voices_and_staves(tmp_path):
    score = read_score_xml(written_score(tmp_path))
    assert score.ids == ("n3-1", "n1-1", "n2-1", "n3-2", "n1-2", "n2-2", "n6-1", "n4-1", "n5-1")
    assert score.voice.tolist() == [5, 1, 1] * 3
    assert score.notes.track.tolist() == [1, 0, 0] * 3
    assert score.notes.pitch.tolist() == [48, 72, 76, 48, 72, 76, 48, 79, 81]
    assert score_beats(score.notes, score.notes.onset).tolist() == [0, 0, 2, 4, 4, 6, 8, 8, 10]


def test_what_is_no_musicxml_is_refused_by_name(tmp_path):
    path = tmp_path / "score.musicxml"
    path.write_text("no score at all")
    with pytest.raises(RecordingError, match=r"score\.musicxml: partitura cannot read it"):
        read_score_xml(path)
    with pytest.raises(FileNotFoundError):
        read_score_xml(tmp_path / "absent.musicxml")


def test_an_alignment_of_other_files_is_refused(tmp_path):
    score = read_score_xml(written_score(tmp_path))
    lines = "".join(
        f"{i}\tx\t0\t0\t{p}\t{t}\n" for i, p, t in zip(score.ids, score.notes.pitch, score.notes.onset, strict=True)
    )
    path = tmp_path / "note_alignment.tsv"
    path.write_text(HEADER + lines)
    found = by_index(read_alignment(path), score.notes, score, path)
    assert found.matched.tolist() == [[i, i] for i in range(9)]
    later = replace(score.notes, onset=score.notes.onset + 0.1)
    with pytest.raises(RecordingError, match="belongs to other files"):
        by_index(read_alignment(path), later, score, path)


NASAP = [
    "Bach/Fugue/bwv_854/MiyashitaM01M",
    "Bach/Prelude/bwv_854/LuA01M",
    "Bach/Prelude/bwv_860/TuanS01M",
    "Beethoven/Piano_Sonatas/31-2/HuangSW09",
]
"""Of each of the four pieces the performance that agrees least, or nearly so."""


@needs_shared
@pytest.mark.parametrize("take", NASAP)
def test_computed_alignments_are_those_of_nasap_note_by_note(take):
    file = DATA / "asap" / "nasap" / f"{take}_note_alignments" / "note_alignment.tsv"
    played = read_midi(DATA / "asap" / f"{take}.mid")
    score = read_score_xml(file.parents[1] / "xml_score.musicxml")
    truth = dict(by_index(read_alignment(file), played, score, file).matched.tolist())
    found = dict(align(played, score.notes).matched.tolist())
    same = sum(found.get(i) == truth.get(i) for i in range(len(played))) / len(played)
    assert same >= 0.97, same
    assert len(truth) / len(played) > 0.9  # so that agreeing on nothing cannot pass


def test_an_onset_that_is_no_time_is_no_note():
    played = performance([60, 62] * 10, np.arange(20.0), np.full(20, 0.5), np.full(20, 64))
    score = ScoreNotes(played, tuple(map(str, range(20))), np.ones(20, np.int64))
    said = tuple((str(i), int(played.pitch[i]), float(i) if i else float("nan")) for i in range(20))
    found = by_index(AlignmentFile(said, (), ()), played, score)
    assert (found.matched[0].tolist(), found.insertions.tolist()) == ([1, 1], [0])
