"""A performance is told to models as rated clips are, whole or in parts."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.sample.midi import midi_bytes
from crescendai_assets.sample.performers import Performance as Played
from crescendai_assets.sample.performers import PlayedNote
from crescendai_assets.symbolic.corpus.products import products
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.performance import Performance, performance
from crescendai_assets.training.hand_dataset import midi_of_segments, score_path
from crescendai_assets.training.one_performance import (
    PART_SECONDS,
    WHOLE_SECONDS,
    is_midi,
    read_performance,
    spans_of,
)
from crescendai_assets.training.t1_plan import PRODUCTS


def test_what_is_as_long_as_a_passage_is_one_part_and_longer_music_equal_ones():
    assert spans_of(0.0, WHOLE_SECONDS) == ((0.0, WHOLE_SECONDS),)
    parts = spans_of(2.0, 2.0 + 100.0)
    assert len(parts) == 4
    assert parts[0][0] == 2.0
    assert parts[-1][1] == 102.0
    assert all(before[1] == after[0] for before, after in pairwise(parts))
    assert max(stop - start for start, stop in parts) <= PART_SECONDS


@pytest.mark.parametrize(("kind", "product"), [one for one in PRODUCTS.items() if one[0] != "hand"])
def test_arrays_are_those_that_the_corpus_has_of_a_clip(kind, product, rated_place):
    path = sorted(rated_place.midi.iterdir())[3]
    (part,) = read_performance(path, None, {kind}).parts
    wanted = products()[product].make(path).arrays
    assert part is not None
    assert set(part.arrays[kind]) == set(wanted) - {"hand"}
    for name, values in part.arrays[kind].items():
        np.testing.assert_array_equal(values, wanted[name])


def test_files_are_known_by_name_or_by_what_is_in_them(tmp_path: Path):
    (tmp_path / "a.mid").write_bytes(b"")
    (tmp_path / "b.dat").write_bytes(b"MThd....")
    (tmp_path / "c.wav").write_bytes(b"RIFF....")
    assert [is_midi(tmp_path / name) for name in ("a.mid", "b.dat", "c.wav")] == [True, True, False]


def test_a_damaged_file_is_named_and_a_missing_one_too(tmp_path: Path):
    (tmp_path / "broken.mid").write_bytes(b"MThd and nothing more")
    with pytest.raises(RecordingError, match=r"broken\.mid"):
        read_performance(tmp_path / "broken.mid", None, {"hand"})
    with pytest.raises(FileNotFoundError, match=r"gone\.mid"):
        read_performance(tmp_path / "gone.mid", None, {"hand"})


def test_a_score_of_other_music_says_why_nothing_can_be_aligned(rated_place, tmp_path: Path):
    path = sorted(rated_place.midi.iterdir())[0]
    read = read_midi(path)
    write_midi(tmp_path / "deep.mid", replace(read, pitch=read.pitch % 5 + 21))
    found = read_performance(path, tmp_path / "deep.mid", {"notes"})
    assert found.matched == 0
    assert found.parts[0] is not None
    assert not found.parts[0].aligned
    assert "it is of another passage: give the right one" in found.parts[0].why_not


def test_each_part_of_a_long_performance_stands_beside_its_own_bars(rated_place, tmp_path: Path):
    """Clips one after another, and their scores: each part is told as if it stood alone."""
    scores = midi_of_segments(rated_place.scores)
    keys = [path.stem for path in sorted(rated_place.midi.iterdir()) if "_1_" in path.stem and "8bars" in path.stem][
        :11
    ]
    played = joined([read_midi(rated_place.midi / f"{key}.mid") for key in keys])
    written = joined([read_midi(path) for key in keys if (path := score_path(key, scores))])
    write_midi(tmp_path / "played.mid", played)
    write_midi(tmp_path / "written.mid", written)
    found = read_performance(tmp_path / "played.mid", tmp_path / "written.mid", {"notes", "tokens"})
    assert played.seconds > WHOLE_SECONDS
    assert found.matched is not None
    assert found.matched > 0.9
    assert len(found.spans) == len(found.parts) > 1
    assert sum(part.notes for part in found.parts if part) == len(played)
    for part in found.parts:
        assert part is not None
        assert part.aligned
        assert part.score
        assert len(part.arrays["tokens"]["tokens"]) > 16


def joined(takes: list[Performance]) -> Performance:
    """One after another, a second between."""
    starts = np.cumsum([0.0, *(take.seconds + 1 for take in takes)])
    return performance(
        np.concatenate([take.pitch for take in takes]),
        np.concatenate([take.onset + start for take, start in zip(takes, starts, strict=False)]),
        np.concatenate([take.duration for take in takes]),
        np.concatenate([take.velocity for take in takes]),
    )


def write_midi(path: Path, read: Performance) -> None:
    notes = zip(read.onset, read.duration, read.pitch, read.velocity, strict=True)
    keys = tuple(PlayedNote(float(on), float(on + held), int(key), int(loud)) for on, held, key, loud in notes)
    path.write_bytes(midi_bytes(Played(keys, ()), read.seconds + 1))
