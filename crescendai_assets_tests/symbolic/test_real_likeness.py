"""What `likeness` decides of real performances: ASAP's, MAESTRO's and PercePiano's.

Truth is the folder of a piece (ASAP), the work (MAESTRO), the passage's name (PercePiano). `SAME_MUSIC` was chosen on
every other folder of ASAP; the figures in the docstrings of `likeness` are asserted here.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pytest

from crescendai_assets.labels.names import parse_name
from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.sources.works import work_id
from crescendai_assets.symbolic.likeness import (
    HOLDS,
    SAME_MUSIC,
    containment,
    groups_of_same_music,
    holds,
    same_music,
    share_held,
    shingles,
    shingles_of_file,
)
from crescendai_assets.symbolic.midi import map_files, read_all
from crescendai_assets.symbolic.performance import performance
from crescendai_assets_tests.shared_data import DATA, needs_shared

pytestmark = needs_shared

MISNAMED = "Beethoven_WoO80_var25_8bars_19_14"
"""Of PercePiano: named variation 25, holds variation 24 (.80 of its shingles, .01 of var. 25's)."""


@dataclass(frozen=True)
class Pairs:
    """Containment of pairs by truth, and what was decided."""

    same: list[float]
    other: list[float]
    precision: float
    recall: float


def pairs(ones, truth, decide=same_music, measure=containment, against=None):
    """All pairs within `ones`, or between `ones` and `against`."""
    both = itertools.combinations(ones, 2) if against is None else itertools.product(ones, against)
    sets = {**ones, **(against or {})}
    same, other, hits, alarms = [], [], 0, 0
    for a, b in both:
        likeness, found = measure(sets[a], sets[b]), decide(sets[a], sets[b])
        if truth(a) == truth(b):
            same.append(likeness)
            hits += found
        else:
            other.append(likeness)
            alarms += found
    return Pairs(same, other, hits / max(1, hits + alarms), hits / len(same))


def folder_of(path):
    return path.parent


@pytest.fixture(scope="module")
def asap():
    paths = sorted(p for p in (DATA / "asap").rglob("*.mid") if "nasap" not in p.parts)
    return dict(read_all(paths, workers=2))


@pytest.fixture(scope="module")
def performances(asap):
    return {path: shingles(read) for path, read in asap.items() if path.stem != "midi_score"}


@pytest.fixture(scope="module")
def passages():
    """PercePiano's passages, played and rendered, by name and folder."""
    paths = [p for name in ("midi", "score_midi") for p in sorted((DATA / "percepiano" / name).glob("*_*bars_*.mid"))]
    read = dict(read_all(paths, workers=2))
    return {
        (path.parent.name, parse_name(path.stem)): shingles(one)
        for path, one in read.items()
        if not isinstance(one, RecordingError)
    }


def test_all_7750_pairs_of_asap_performances_are_decided_rightly(performances):
    found = pairs(performances, folder_of)
    assert (len(performances), len(found.same), len(found.other)) == (125, 355, 7395)
    assert (found.precision, found.recall) == (1.0, 1.0)
    # the margin on both sides
    assert min(found.same) == pytest.approx(0.396, abs=0.001)
    assert max(found.other) == pytest.approx(0.029, abs=0.001)
    assert 2.5 * max(found.other) < SAME_MUSIC < min(found.same) / 4


def test_the_threshold_is_what_every_other_folder_says_and_fits_the_rest(performances):
    chosen = set(sorted({path.parent for path in performances})[::2])
    tuning = pairs({p: s for p, s in performances.items() if p.parent in chosen}, folder_of)
    rest = pairs({p: s for p, s in performances.items() if p.parent not in chosen}, folder_of)
    assert (max(tuning.other), min(tuning.same)) == pytest.approx((0.015, 0.532), abs=0.001)
    assert pytest.approx(np.sqrt(max(tuning.other) * min(tuning.same)), abs=0.012) == SAME_MUSIC
    assert (max(rest.other), min(rest.same)) == pytest.approx((0.017, 0.396), abs=0.001)
    assert (rest.precision, rest.recall) == (1.0, 1.0)


def test_performances_are_told_by_their_score(asap, performances):
    scores = {path: shingles(read) for path, read in asap.items() if path.stem == "midi_score"}
    found = pairs(scores, folder_of, against=performances)
    assert (len(found.same), len(found.other)) == (125, 2625)
    assert (found.precision, found.recall) == (1.0, 1.0)
    assert max(found.other) < SAME_MUSIC / 2 < SAME_MUSIC * 5 < min(found.same)


def test_asap_falls_into_its_22_folders(performances):
    groups = groups_of_same_music({str(path): one for path, one in performances.items()})
    truth = defaultdict(list)
    for path in performances:
        truth[path.parent].append(str(path))
    assert groups == sorted(sorted(paths) for paths in truth.values())
    assert len(groups) == 22


def test_thirty_seconds_of_a_performance_are_told_too(asap, performances):
    chance = np.random.default_rng(0)
    cuts = {}
    for path in performances:
        read = asap[path]
        start = chance.uniform(0, max(0, read.onset[-1] - 30))
        inside = (read.onset >= start) & (read.onset < start + 30)
        cuts[path.with_suffix(".cut")] = shingles(
            performance(read.pitch[inside], read.onset[inside], read.duration[inside], read.velocity[inside])
        )
    found = pairs(cuts, folder_of, against=performances)
    assert found.precision > 0.99
    assert found.recall == 1.0
    held = pairs(cuts, folder_of, lambda c, p: holds(p, c), lambda c, p: share_held(p, c), against=performances)
    assert (held.precision, held.recall) == (1.0, 1.0)


def test_maestro_s_recordings_are_told_whatever_their_titles():
    columns = json.loads((DATA / "maestro_mini" / "maestro-v3.0.0.json").read_text())
    work = {
        DATA / "maestro_mini" / columns["midi_filename"][i]: work_id(columns["canonical_composer"][i], title)
        for i, title in columns["canonical_title"].items()
    }
    ones = dict(map_files(shingles_of_file, sorted(work)))
    found = pairs(ones, work.__getitem__)
    assert (len(found.same), len(found.other)) == (5, 23)
    assert (found.precision, found.recall) == (1.0, 1.0)


def test_a_passage_is_found_in_whatever_holds_it(passages):
    """Each passage in the passages, put together, of every other performer of its work, and of its score."""
    pieces, held = defaultdict(list), defaultdict(set)
    for (folder, name), one in passages.items():
        pieces[folder, name.work, name.performer].append(one)
        held[folder, name.work, name.performer].add(name.passage)
    whole = {key: np.unique(np.concatenate(parts)) for key, parts in pieces.items()}
    same, missed, other, alarms = [], [], [], 0
    for (_, name), one in passages.items():
        for key, piece in whole.items():
            _, work, performer = key
            if work == name.work and performer != name.performer and name.passage in held[key]:
                same.append(share_held(piece, one))
                if not holds(piece, one):
                    missed.append((name.key, performer))
            elif work != name.work:
                other.append(share_held(piece, one))
                alarms += holds(piece, one)
    assert (len(same), len(other)) == (17_074, 39_443)
    # the one whose name is wrong, both ways: it is in no other, and nothing of variation 25 is in it
    assert {name if name == MISNAMED else f"another in {performer}'s" for name, performer in missed} == {
        MISNAMED,
        "another in 19's",
    }
    assert all("WoO80_var25" in name for name, _ in missed)
    rightly = sorted(same)[len(missed) :]
    assert min(rightly) == pytest.approx(0.207, abs=0.001)
    assert min(rightly) > HOLDS * 1.3
    assert alarms == 0
    assert max(other) < HOLDS / 3


def test_no_piece_of_asap_holds_a_passage_of_percepiano(passages, performances):
    found = [share_held(piece, one) for one in passages.values() for piece in performances.values()]
    assert len(found) == len(passages) * 125
    assert max(found) < HOLDS
    assert np.quantile(found, 0.999) < HOLDS / 3


def test_one_file_of_percepiano_holds_another_variation_than_its_name_says(passages):
    misnamed = passages["midi", parse_name(MISNAMED)]
    rendered = {
        name.movement: one
        for (folder, name), one in passages.items()
        if folder == "score_midi" and name.performer == "Score" and re.fullmatch(r"var\d+", name.movement)
    }
    share = {movement: share_held(piece, misnamed) for movement, piece in rendered.items()}
    assert max(share, key=share.__getitem__) == "var24"
    assert share["var24"] > 0.7
    assert share["var25"] < 0.05
