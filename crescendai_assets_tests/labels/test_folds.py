"""The protocols, and a verdict on each that fails when something is on both sides."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crescendai_assets.labels.fold_checks import check_folds, leaks_of, require_sound
from crescendai_assets.labels.folds import PlannedFolds, fold_sizes, plan_folds, read_folds, write_folds
from crescendai_assets.labels.protocols import Fold, grouped_folds, left_out_folds
from crescendai_assets.lake.errors import SetupError
from crescendai_assets_tests.labels.rated import score_of, segments, tier

PLAYERS = ["1", "2", "3", "Score", "Score2"]
KEYS = [
    *score_of("D960", "mv2", PLAYERS, range(1, 9)),
    *score_of("D960", "mv2", PLAYERS, [1, 3], bars=16),
    *score_of("D935", "no.3", PLAYERS, [1, 5, 9], bars=4),
]
ROWS = segments(KEYS)
BY_ID = {row["segment_id"]: row for row in ROWS}


def moved(folds: list[Fold], number: int, key: str) -> list[Fold]:
    """The folds with one held-out segment of one fold put into its train."""
    fold = folds[number]
    assert key in fold.val
    changed = replace(fold, train=(*fold.train, key), val=tuple(k for k in fold.val if k != key))
    return [*folds[:number], changed, *folds[number + 1 :]]


def published(folder: Path, folds: object) -> Path:
    path = folder / "published.json"
    path.write_text(folds if isinstance(folds, str) else json.dumps(folds))
    return path


@pytest.mark.parametrize("protocol", ["passage", "performer"])
def test_folds_are_those_of_scikit_learn(protocol):
    model_selection = pytest.importorskip("sklearn.model_selection")
    column = {"passage": "passage_group", "performer": "performer_group"}[protocol]
    groups = np.array([row[column] for row in ROWS])
    ids = np.array([row["segment_id"] for row in ROWS])
    folds = grouped_folds(protocol, ROWS, seeds=(0, 1, 2), n_folds=4)
    assert [fold.name for fold in folds[:5]] == ["s0f0", "s0f1", "s0f2", "s0f3", "s1f0"]
    for seed in (0, 1, 2):
        oracle = model_selection.GroupKFold(4, shuffle=True, random_state=seed).split(ids, groups=groups)
        mine = [fold for fold in folds if fold.seed == seed]
        for fold, (train, val) in zip(mine, oracle, strict=True):
            assert fold.train == tuple(ids[train])
            assert fold.val == tuple(ids[val])


@pytest.mark.parametrize("protocol", ["passage", "performer", "work"])
def test_folds_made_here_hold_everything_out_once_and_leak_nothing(tmp_path: Path, protocol):
    planned = plan_folds(tier(tmp_path, KEYS))
    verdict = check_folds(protocol, planned.of(protocol), ROWS)
    assert verdict.passed, verdict
    assert verdict.facts["segments_in_folds"] == len(KEYS)


def test_a_work_is_left_out_as_a_whole():
    folds = {fold.name: fold for fold in left_out_folds(ROWS)}
    assert set(folds) == {"D935", "D960"}
    assert {BY_ID[key]["work"] for key in folds["D935"].val} == {"D935"}
    assert {BY_ID[key]["work"] for key in folds["D935"].train} == {"D960"}
    assert left_out_folds([row for row in ROWS if row["work"] == "D935"]) == []


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("Schubert_D960_mv2_8bars_1_05", "passage Schubert_D960_mv2, 8 bars, 5 is in train"),
        ("Schubert_D960_mv2_16bars_2_03", "is in train, as Schubert_D960_mv2_16bars_2_03"),
    ],
)
def test_a_passage_on_both_sides_names_the_rows(key, said):
    folds = grouped_folds("passage", ROWS, (0,), 4)
    number = next(i for i, fold in enumerate(folds) if key in fold.val)
    verdict = check_folds("passage", moved(folds, number, key), ROWS)
    assert not verdict.passed
    assert not verdict.warn
    assert any(said in str(row["fault"]) for row in verdict.rows)


def test_an_8_bar_passage_in_train_and_the_16_bars_around_it_held_out_leak():
    train, val = ("Schubert_D960_mv2_8bars_1_06",), ("Schubert_D960_mv2_16bars_2_03",)
    leaks = leaks_of(Fold("passage", "s0f0", 0, train, val), BY_ID)
    assert leaks[0]["fault"] == f"passage Schubert_D960_mv2, 8 bars, 6 is in train, as {train[0]}"
    assert leaks_of(Fold("passage", "s0f0", 0, val, train), BY_ID)
    assert not leaks_of(Fold("passage", "s0f0", 0, ("Schubert_D960_mv2_8bars_1_07",), val), BY_ID)


@pytest.mark.parametrize("protocol", ["passage", "performer", "work"])
def test_the_same_midi_on_both_sides_leaks_in_every_protocol(protocol):
    fold = {
        "passage": Fold("passage", "f", 0, (KEYS[0],), (KEYS[6],)),
        "performer": Fold("performer", "f", 0, (KEYS[0],), (KEYS[8],)),
        "work": Fold("work", "f", None, (KEYS[0],), (KEYS[-1],)),
    }[protocol]
    assert not leaks_of(fold, BY_ID)
    same = {key: row | {"midi_sha256": "ab" * 32} for key, row in BY_ID.items()}
    assert "MIDI abababababab is in train" in leaks_of(fold, same)[0]["fault"]


def test_a_wrong_group_does_not_hide_a_leak():
    wrong = [row | {"passage_group": row["segment_id"], "performer_group": row["segment_id"]} for row in ROWS]
    for protocol in ("passage", "performer"):
        assert not check_folds(protocol, grouped_folds(protocol, wrong, (0,), 4), wrong).passed


def test_the_two_renderings_of_a_score_are_one_performer():
    folds = grouped_folds("performer", ROWS, (0,), 4)
    train, val = ("Schubert_D960_mv2_8bars_Score_01",), ("Schubert_D960_mv2_8bars_Score2_02",)
    assert check_folds("performer", folds, ROWS).passed
    assert leaks_of(Fold("performer", "f", 0, train, val), BY_ID)[0]["fault"].startswith("performer machine of D960")
    other = ("Schubert_D935_no.3_4bars_1_01",)
    assert not leaks_of(Fold("performer", "f", 0, ("Schubert_D960_mv2_8bars_1_01",), other), BY_ID)


def test_a_segment_left_out_or_held_out_twice_or_unknown_is_named():
    folds = grouped_folds("passage", ROWS, (0, 1), 4)
    key = folds[2].val[0]
    fewer = [replace(fold, train=tuple(k for k in fold.train if k != key)) for fold in folds]
    faults = [str(row["fault"]) for row in check_folds("passage", fewer, ROWS).rows]
    assert "is on neither side" in faults
    missing = [fold for fold in folds if not (fold.seed == 0 and fold.name == "s0f2")]
    faults = [str(row["fault"]) for row in check_folds("passage", missing, ROWS).rows]
    assert "is held out 0 times with seed 0" in faults
    twice = [*folds, folds[2]]
    assert not check_folds("passage", twice, ROWS).passed
    strange = [replace(folds[0], val=(*folds[0].val, "nobody")), *folds[1:]]
    assert check_folds("passage", strange, ROWS).rows[0]["fault"] == "there is no such segment"


def test_a_segment_on_both_sides_is_named_in_any_protocol():
    for protocol in ("passage", "performer", "work"):
        fold = Fold(protocol, "f", None, (KEYS[0],), (KEYS[0],))
        assert leaks_of(fold, BY_ID) == [{"fold": "f", "id": KEYS[0], "fault": "is in train as well"}]


def test_training_stops_before_a_leaky_fold_and_not_before_a_declared_one():
    train, val = (KEYS[0],), (KEYS[8],)  # the same passage, another performer
    with pytest.raises(SetupError, match=r"fold s0f0 by passage leaks in 1 rows .*Materialize the folds again"):
        require_sound(Fold("passage", "s0f0", 0, train, val), ROWS)
    require_sound(Fold("performer", "s0f0", 0, train, val), ROWS)
    require_sound(Fold("published", "f0", None, train, val), ROWS)


def test_published_folds_warn_and_list_what_they_share(tmp_path: Path):
    by_performer = [
        {"train": [k for k in KEYS if f"bars_{p}_" not in k], "val": [k for k in KEYS if f"bars_{p}_" in k]}
        for p in PLAYERS
    ]
    files = tier(tmp_path, KEYS)
    planned = write_folds(files, published(tmp_path, by_performer))
    verdict = check_folds("published", read_folds(files, "published"), ROWS)
    assert (verdict.passed, verdict.warn) == (False, True)
    assert verdict.facts["passages_on_both_sides"] == "f0: 13, f1: 13, f2: 13, f3: 13, f4: 13"
    assert "train shares 13 passages" in verdict.summary
    assert verdict.rows[0]["fault"].startswith("passage Schubert_D935_no.3, 4 bars, 1 is in train, as ")
    assert planned.document["published"]["leaky"] is True
    assert planned.document["passage"]["leaky"] is False


def test_segments_of_published_folds_without_a_label_are_left_out_and_told(tmp_path: Path):
    path = published(tmp_path, [{"train": [f" {KEYS[0]}", "nobody"], "validation": [KEYS[1]]}])
    given = plan_folds(tier(tmp_path, KEYS), path).published
    assert given is not None
    assert given.parts == (((KEYS[0],), (KEYS[1],)),)
    assert given.without_label == ("nobody",)
    assert len(given.not_in_folds) == len(KEYS) - 2


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("[", "not JSON"),
        ({"train": []}, "expected a list of folds"),
        ([], "expected a list of folds"),
        ([{"train": []}], "fold 0 has no 'train' and 'val'"),
        ([["a"]], "fold 0 has no 'train' and 'val'"),
        ([{"train": "abc", "val": []}], "'train' of fold 0 is no list"),
        ([{"train": [1], "val": []}], "'train' of fold 0 is no list"),
        ([{"train": ["x"], "val": []}], "no segment in it has a label"),
    ],
)
def test_a_file_of_another_form_is_refused_with_its_name(tmp_path: Path, document, message):
    with pytest.raises(SetupError, match=message) as caught:
        plan_folds(tier(tmp_path, KEYS), published(tmp_path, document))
    assert "published.json" in str(caught.value)


def test_what_is_written_is_what_was_planned(tmp_path: Path):
    files = tier(tmp_path, KEYS)
    planned = write_folds(files)
    assert PlannedFolds.digest_on_disk(files) == planned.digest == plan_folds(files).digest
    before = files.folds.read_bytes()
    write_folds(files)
    assert files.folds.read_bytes() == before
    assert plan_folds(files, seeds=(0, 1, 3)).digest != planned.digest
    assert list(planned.folds) == read_folds(files)


def test_asking_for_folds_that_there_are_not_says_which_there_are(tmp_path: Path):
    files = tier(tmp_path, KEYS)
    with pytest.raises(SetupError, match="materialize percepiano/folds first"):
        read_folds(files)
    write_folds(files)
    with pytest.raises(SetupError, match="no folds of the protocol 'published', only passage, performer, work"):
        read_folds(files, "published")
    assert not check_folds("passage", [], ROWS).passed


def test_too_few_groups_for_the_folds_are_refused(tmp_path: Path):
    files = tier(tmp_path, score_of("D960", "mv2", PLAYERS, [1, 2, 3]))
    with pytest.raises(SetupError, match=r"3 groups .*make no 4 folds"):
        plan_folds(files)


def test_sizes_are_told_with_and_without_machines():
    folds = left_out_folds(ROWS)
    assert fold_sizes(folds, ROWS)[0] == {
        "protocol": "work",
        "fold": "D935",
        "train": 50,
        "train_without_machine": 30,
        "train_passages": 10,
        "train_performers": 3,
        "val": 15,
        "val_without_machine": 9,
        "val_passages": 3,
        "val_performers": 3,
    }
