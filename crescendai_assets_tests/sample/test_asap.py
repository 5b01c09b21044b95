"""The miniature ASAP and the loose folder: what was made odd is odd, the rest is what a score and its playing are."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.sample import loose
from crescendai_assets.sample.asap import COLUMNS, SCORE, SCORE_ANNOTATIONS, SampleAsap, write_asap, wrong_notes
from crescendai_assets.sample.corpus import RECORDINGS
from crescendai_assets.sample.loose import write_loose_midi
from crescendai_assets.sample.rated_set import RatedSet
from crescendai_assets.sources.works import work_id
from crescendai_assets.symbolic.likeness import holds, shingles_of_file
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets_tests.sample.notes import digests, later_by


def rows(asap: SampleAsap) -> list[dict[str, str]]:
    with (asap.root / "metadata.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def beats(path: Path) -> tuple[list[float], list[str]]:
    """Times, and what each beat is."""
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    assert all(line[0] == line[1] for line in lines)
    return [float(line[0]) for line in lines], [line[2] for line in lines]


# ---------------------------------------------------------------- layout


def test_the_table_has_asaps_columns_and_names_files_that_are_there(asap):
    found = rows(asap)
    assert tuple(found[0]) == COLUMNS
    assert [row["midi_performance"] for row in found] == [one.midi for one in asap.performances]
    for row in found:
        for column in ("midi_score", "midi_performance", "performance_annotations", "midi_score_annotations"):
            assert (asap.root / row[column]).is_file()
            assert row[column].startswith(f"{row['folder']}/")
    named = {row["midi_performance"] for row in found} | {row["midi_score"] for row in found}
    assert {str(path.relative_to(asap.root)) for path in asap.root.rglob("*.mid")} == named


def test_titles_of_pieces_that_maestro_has_name_the_same_work(asap):
    of_maestro = {work_id(one.composer, one.title) for one in RECORDINGS}
    of_asap = {work_id(row["composer"], row["title"]) for row in rows(asap)}
    assert of_asap & of_maestro == {"bach_prelude-and-fugue_bwv846", "beethoven_sonata_op27_no2_mov1"}
    assert of_asap - of_maestro == {"chopin_prelude_op28_no20", "mozart_variations_k265"}


def test_beats_of_a_performance_are_those_of_its_score(asap):
    for one in asap.performances:
        times, labels = beats(asap.root / one.annotations)
        score_times, score_labels = beats(asap.root / one.piece.folder / SCORE_ANNOTATIONS)
        assert labels == score_labels
        assert labels[0].startswith("db,")
        assert labels[-1] == "db"
        assert min(np.diff(times)) > 0.1
        assert np.ptp(np.diff(score_times)) < 1e-5


def test_notes_fall_on_the_beats_that_are_annotated(asap):
    """Where the score has a note on a beat, a performance has one, within a melody's lead and a hand's unevenness."""
    for one in asap.usable:
        if one.wrong_share:
            continue
        score, read = read_midi(asap.root / one.piece.folder / SCORE), read_midi(asap.root / one.midi)
        times, _ = beats(asap.root / one.annotations)
        score_times, _ = beats(asap.root / one.piece.folder / SCORE_ANNOTATIONS)
        written = [np.abs(score.onset - at).min() < 2e-3 for at in score_times]
        assert sum(written) > len(times) / 2
        assert max(np.abs(read.onset - at).min() for at, struck in zip(times, written, strict=True) if struck) < 0.06


# ---------------------------------------------------------------- what is odd


def test_faulty_files_are_refused_and_all_others_are_read(asap):
    refused = {}
    for one in asap.performances:
        try:
            read_midi(asap.root / one.midi)
        except RecordingError as error:
            refused[one.stem] = str(error)
    assert set(refused) == {one.stem for one in asap.performances if one.fault}
    assert "truncated" in refused["Ferreira02"]
    assert "no notes" in refused["Park02"]
    assert len(asap.usable) == 8


def test_two_copies_of_maestro_are_the_same_playing_and_only_one_of_them_says_so(asap, corpus):
    named = {row["midi_performance"]: row["maestro_midi_performance"] for row in rows(asap)}
    assert sum(map(bool, named.values())) == 1
    for one in asap.copies:
        read = read_midi(asap.root / one.midi)
        other = read_midi(corpus.root / one.maestro.midi_filename)
        assert later_by(read, other) == pytest.approx((1.25, 1.25), abs=2.5e-3)
        assert (asap.root / one.midi).read_bytes() != (corpus.root / one.maestro.midi_filename).read_bytes()
        assert named[one.midi] == ("{maestro}/" + one.maestro.midi_filename if one.named else "")


def test_wrong_notes_are_as_many_as_planted_and_others_play_what_is_written(asap):
    for one in asap.usable:
        score, read = read_midi(asap.root / one.piece.folder / SCORE), read_midi(asap.root / one.midi)
        missing = (Counter(score.pitch.tolist()) - Counter(read.pitch.tolist())).total()
        if one is not asap.with_wrong_notes:
            assert missing <= 1  # a key that both hands have at once
    one, wrong = asap.with_wrong_notes, wrong_notes(asap.with_wrong_notes)
    read, score = read_midi(asap.root / one.midi), read_midi(asap.root / one.piece.folder / SCORE)
    assert len(wrong.missed) + len(wrong.slipped) + len(wrong.added) == round(0.2 * len(score))
    assert abs(len(read) - (len(score) - len(wrong.missed) + len(wrong.added))) <= 2


def test_one_piece_of_asap_is_rated_and_found_by_its_notes(asap, rated: RatedSet):
    passages = [shingles_of_file(rated.midi(key)) for key in rated.seconds]
    holding = {
        one.piece.folder
        for one in asap.usable
        if any(holds(shingles_of_file(asap.root / one.midi), passage) for passage in passages)
    }
    assert holding == {"Mozart/Variations_K265"}


# ---------------------------------------------------------------- loose files


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> loose.SampleLoose:
    return write_loose_midi(tmp_path_factory.mktemp("loose"))


def test_of_the_loose_files_one_is_there_twice_one_is_rated_and_one_is_for_drums(folder, rated: RatedSet):
    root = folder.root
    assert len(folder.files) == 5
    assert (root / loose.PIECE).read_bytes() == (root / loose.PIECE_AGAIN).read_bytes()
    with pytest.raises(RecordingError, match="drums only"):
        read_midi(root / loose.DRUMS)
    copy, original = read_midi(root / loose.RATED), read_midi(rated.midi(loose.RATED_KEY))
    assert later_by(copy, original) == pytest.approx((0.5, 0.5), abs=2.5e-3)
    passages = [shingles_of_file(rated.midi(key)) for key in rated.seconds]
    found = {name for name in folder.files if name != loose.DRUMS and any(_holds(root / name, p) for p in passages)}
    assert found == {loose.RATED}


def _holds(path: Path, passage: np.ndarray) -> bool:
    return holds(shingles_of_file(path), passage)


# ---------------------------------------------------------------- made once, made the same


def test_a_second_write_changes_nothing(asap, folder):
    assert write_asap(asap.root).written == ()
    assert write_loose_midi(folder.root).written == ()
    assert len(folder.written) == 5


def test_another_process_makes_the_same_bytes(asap, folder, tmp_path):
    code = (
        "import sys, pathlib; from crescendai_assets.sample.asap import write_asap;"
        "from crescendai_assets.sample.loose import write_loose_midi;"
        "root = pathlib.Path(sys.argv[1]); write_asap(root / 'asap'); write_loose_midi(root / 'loose')"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env=environment)
    for root, name in ((asap.root, "asap"), (folder.root, "loose")):
        assert digests(tmp_path / name) == digests(root)
