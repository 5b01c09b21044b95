"""Reports tell of finished checkpoints alone: fairly compared, marked where they leak, silent about nothing missing."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crescendai_assets.evaluation import report_pictures
from crescendai_assets.evaluation.agreement import r2
from crescendai_assets.evaluation.report_files import planned_digest, report_files, write_comparison
from crescendai_assets.evaluation.report_pictures import styled
from crescendai_assets.evaluation.report_text import CEILING, COLUMNS, as_csv, as_markdown, verdict
from crescendai_assets.evaluation.reports import compare
from crescendai_assets.labels.dimensions import DIMENSIONS
from crescendai_assets.labels.folds import fold_of_key, read_folds
from crescendai_assets.labels.passages import read_passages
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.training.checkpoints import SCORES, FitReport, files_of, write_report
from crescendai_assets.training.fit import fit_fold
from crescendai_assets.training.settings import FitSettings
from crescendai_assets.training.t1_plan import T1Place, label_digest
from crescendai_assets_tests.training.rated_lake import make_rated_lake, tiny


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> T1Place:
    """S0 in all folds of two protocols."""
    place = make_rated_lake(tmp_path_factory.mktemp("trained"))
    for fold in read_folds(place.labels):
        if fold.protocol in ("passage", "work"):
            fit_fold(place, fold, tiny("S0"))
    return place


@pytest.fixture
def place(trained: T1Place, tmp_path: Path) -> T1Place:
    """The same, for a test to add to."""
    shutil.copytree(trained.root / "checkpoints", tmp_path / "checkpoints")
    return replace(trained, root=tmp_path)


def pretend(
    place: T1Place, model: str, noise: float, names: list[str] | None = None, protocol: str = "passage"
) -> None:
    """Checkpoints of a model that says the labels plus noise: what a report tells of it is known."""
    labels = json.loads(place.labels.labels.read_text())
    for fold in read_folds(place.labels):
        if fold.protocol != protocol or (names and fold.name not in names):
            continue
        chance = np.random.default_rng(len(model))
        files = files_of(place.root, model, fold, 0)
        rows = [
            {
                "segment_id": key,
                "fold": fold.name,
                "scores": (np.array(labels[key]) + noise * chance.normal(size=19)).tolist(),
            }
            for key in sorted(fold.val)
        ]
        SCORES.write(files.scores, rows)
        report = FitReport(
            model=model,
            protocol=fold.protocol,
            fold=fold.name,
            seed=0,
            leaky=fold.protocol == "published",
            fingerprint="",
            settings=FitSettings(model).plain,
            dims={},
            labels=label_digest(place.labels),
            encoder=("", ""),
            device="CPU",
            precision="",
            epochs=1,
            best_epoch=0,
            batch_size=1,
            notes=(),
            seconds=1.0,
            parameters=0,
            rows={"left_out": 0},
            figures={"r2": 0.5},
            history=(),
            scores_digest=SCORES.digest(rows),
        )
        write_report(files, report)


def rewrite(place: T1Place, model: str, change: Callable[[Row], Row | None]) -> None:
    """Change or leave out rows of what a model said."""
    for path in (place.root / "checkpoints" / model).glob("passage-*/seed0/scores.jsonl"):
        SCORES.write(path, [new for row in list(read_rows(path)) if (new := change(row))])


def cells(place: T1Place, name: str = "symbolic_comparison") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv(compare(place, name, draws=200)))))


def test_a_figure_is_that_of_the_scores_on_disk_over_whole_shuffles(place):
    labels = json.loads(place.labels.labels.read_text())
    by_seed = []
    for seed in (0, 1, 2):
        said = {
            row["segment_id"]: row["scores"]
            for fold in read_folds(place.labels, "passage")
            if fold.seed == seed
            for row in read_rows(files_of(place.root, "S0", fold, 0).scores)
        }
        keys = sorted(said)
        assert keys == sorted(labels)
        by_seed.append(r2(np.array([said[k] for k in keys]), np.array([labels[k] for k in keys])).mean())
    (row,) = (row for row in cells(place) if (row["protocol"], row["rows"], row["model"]) == ("passage", "all", "S0"))
    assert float(row["r2"]) == pytest.approx(np.mean(by_seed), abs=1e-6)
    assert (row["folds"], row["segments"]) == ("12", str(len(labels)))


def test_folds_of_other_settings_are_told_and_another_machine_or_an_older_format_is_no_other_setting(place):
    def note_after(fold: str, **changes: object) -> bool:
        path = files_of(place.root, "S2", fold_of_key(place.labels, fold), 0).report
        report = json.loads(path.read_text())
        told = {**report["settings"], **changes}
        path.write_text(json.dumps({**report, "settings": {k: v for k, v in told.items() if v is not None}}))
        noted = {row["note"] for row in cells(place) if (row["protocol"], row["model"]) == ("passage", "S2")}
        return any("folds were trained with different settings" in one for one in noted)

    pretend(place, "S2", 0.1)
    assert not note_after("passage-s0f0", device="cpu", logger="tensorboard")
    assert not note_after("passage-s0f1", tiers=None, l_rank=None, l_con=None, l_inv=None)  # of before there were these
    assert not note_after("passage-s0f2", l_con=0.5)  # it learnt from no tier
    assert note_after("passage-s0f3", epochs=7)


def test_ceiling_baselines_and_both_sets_of_rows_stand_beside_the_models(place):
    rows = [row for row in cells(place) if row["protocol"] == "work"]
    assert [row["rows"] for row in rows if row["model"] == "S0"] == ["all", "without machine renderings"]
    assert float(next(row["r2"] for row in rows if row["model"] == CEILING)) > 0.5
    assert {row["model"] for row in rows if "without listening" in row["model"]} == {
        f"without listening: mean of the {one}" for one in ("passage", "work and performer", "piece")
    }
    assert tuple(rows[0]) == COLUMNS


def test_a_better_model_wins_with_an_interval_above_0_and_an_equal_one_is_said_to_be_equal(place):
    pretend(place, "S1", 0.02)
    shutil.copytree(place.root / "checkpoints" / "S0", place.root / "checkpoints" / "S2")
    for path in (place.root / "checkpoints" / "S2").glob("*/seed0/report.json"):
        path.write_text(path.read_text().replace('"model": "S0"', '"model": "S2"'))
    comparison = compare(place, "symbolic_comparison", draws=200)
    section = next(one for one in comparison.sections if one.protocol == "passage")
    by_name = {entry.name: entry for entry in section.entries}
    assert section.winner == "S1"
    assert by_name["S1"].over["all"].pairs.low > 0
    assert by_name["S2"].over["all"].pairs.value == 0
    text = as_markdown(comparison)
    assert any(line.startswith("| S2 ") and "no significant difference" in line for line in text.splitlines())
    assert "Winner: S1" in verdict(section)


def test_missing_folds_are_named_and_a_model_without_a_whole_shuffle_cannot_win(place):
    pretend(place, "S1", 0.0, ["s0f0", "s0f2", "s1f1"])
    comparison = compare(place, "symbolic_comparison", draws=200)
    section = next(one for one in comparison.sections if one.protocol == "passage")
    entry = next(one for one in section.entries if one.name == "S1")
    assert entry.done == ("s0f0", "s0f2")
    assert not entry.whole
    assert section.winner == "S0"
    text = as_markdown(comparison)
    assert "S1: not finished: s0f1, s0f3, s1f0, s1f2, s1f3, s2f0, s2f1, s2f2, s2f3" in text
    assert "as no shuffle is complete: S1" in text
    assert "No finished checkpoint: S2, S2h, S3" in text


def test_models_are_set_side_by_side_on_the_shuffles_that_all_have(place):
    pretend(place, "S1", 0.1, [f"s0f{i}" for i in range(4)])
    section = compare(place, "symbolic_comparison", draws=0).sections[0]
    assert section.shuffles == (0,)
    s0 = next(entry for entry in section.entries if entry.name == "S0")
    side_by_side = next(result for result in section.results if result.model == "S0")
    alone = s0.judgement.out_of_fold.of_seed(0)
    labels = compare(place, "symbolic_comparison", draws=0).judges.labels
    assert side_by_side.r2 == pytest.approx(r2(alone.scores[0], labels).mean())
    assert side_by_side.r2 != s0.judgement.everyone.r2.value


def test_who_leaves_hard_rows_out_does_not_win_by_it(place):
    passages = {row["segment_id"]: row["passage"] for row in read_passages(place.labels)}
    easy = set(sorted(set(passages.values()))[::2])
    pretend(place, "S1", 0.0)
    rewrite(place, "S1", lambda row: row if passages[row["segment_id"]] in easy else {**row, "scores": [0.5] * 19})
    pretend(place, "S2", 0.03)
    rewrite(place, "S2", lambda row: row if passages[row["segment_id"]] in easy else None)
    comparison = compare(place, "symbolic_comparison", draws=50)
    section = comparison.sections[0]
    by_name = {entry.name: entry.judgement.everyone.pairs.value for entry in section.entries}
    assert by_name["S2"] > by_name["S1"]
    assert section.winner == "S1"
    both = sum(passage in easy for passage in passages.values())
    assert section.segments == both < len(passages)
    assert f"on the {both} segments that all of them were asked about" in as_markdown(comparison)


def test_models_without_a_row_in_common_have_no_winner(place):
    pretend(place, "S1", 0.0)
    shutil.rmtree(place.root / "checkpoints" / "S0")
    shutil.copytree(place.root / "checkpoints" / "S1", place.root / "checkpoints" / "S2")
    for path in (place.root / "checkpoints" / "S2").glob("*/seed0/report.json"):
        path.write_text(path.read_text().replace('"model": "S1"', '"model": "S2"'))
    half = set(sorted(json.loads(place.labels.labels.read_text()))[::2])
    rewrite(place, "S1", lambda row: row if row["segment_id"] in half else None)
    rewrite(place, "S2", lambda row: None if row["segment_id"] in half else row)
    comparison = compare(place, "symbolic_comparison", draws=50)
    assert comparison.sections[0].winner is None
    assert "on the 0 segments that all of them were asked about" in as_markdown(comparison)


def test_models_without_a_whole_shuffle_in_common_are_said_to_be_incomparable(place):
    pretend(place, "S1", 0.1, [f"s0f{i}" for i in range(4)])
    pretend(place, "S2", 0.1, [f"s1f{i}" for i in range(4)])
    comparison = compare(place, "symbolic_comparison", draws=0)
    section = comparison.sections[0]
    assert verdict(section) == "No winner: no shuffle is complete for every model that has one."
    assert "Nothing can be set side by side." in as_markdown(comparison)


def test_folds_over_different_encoders_are_said_to_be(place):
    pretend(place, "S1", 0.1)
    path = place.root / "checkpoints" / "S1" / "passage-s0f1" / "seed0" / "report.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "encoder": ["another", "abc"]}))
    entries = compare(place, "symbolic_comparison", draws=0).sections[0].entries
    assert "folds were trained over different encoders" in next(e.notes for e in entries if e.name == "S1")


def test_difficulty_that_cannot_be_told_says_why(place, tmp_path):
    works = sorted({row["work"] for row in read_passages(place.labels)})
    levels = tmp_path / "levels.csv"
    levels.write_text("work,level\n" + "".join(f"{work},{5 + number}\n" for number, work in enumerate(works)))
    shutil.rmtree(place.root / "checkpoints")
    first = next(fold.name for fold in read_folds(place.labels, "work"))
    pretend(place, "S1", 0.1, [first], protocol="work")
    (entry,) = compare(place, "symbolic_comparison", draws=0, levels=levels).sections[0].entries
    assert np.isnan(entry.difficulty_rho)
    assert any("difficulty n/a" in note for note in entry.notes)


def test_every_model_of_a_comparison_is_drawn(place):
    names = ("S0", "S1", "S2", "S2h", "S3", "S4", "A0", "A1", "A2", "A3", "F1")
    for name in names[1:]:
        pretend(place, name, 0.1)
    section = compare(place, "fusion", draws=0).sections[0]
    assert [entry.name for entry, _ in styled(section.entries)] == [entry.name for entry in section.entries]
    assert {entry.name for entry in section.entries} == set(names)
    assert len({tuple(style.items()) for _, style in styled(section.entries)}) == len(names)


def test_checkpoints_of_other_labels_or_folds_are_left_out_with_a_reason(place):
    pretend(place, "S1", 0.0)
    for name, old, new in (
        ("s0f0", label_digest(place.labels), "0" * 32),
        ("s0f1", '"fold": "s0f1"', '"fold": "s9f9"'),
    ):
        path = place.root / "checkpoints" / "S1" / f"passage-{name}" / "seed0" / "report.json"
        path.write_text(path.read_text().replace(old, new))
    comparison = compare(place, "symbolic_comparison", draws=0)
    assert comparison.refused == {
        "S1/passage-s0f0/seed0": "was trained on other labels",
        "S1/passage-s0f1/seed0": "there is no such fold any more",
    }
    assert "Left out: `S1/passage-s0f0/seed0` was trained on other labels." in as_markdown(comparison)


def test_a_leaky_protocol_is_marked_wherever_it_is_shown(place):
    document = json.loads(place.labels.folds.read_text())
    folds = {f"f{name[-1]}": fold for name, fold in document["passage"]["folds"].items() if name.startswith("s0")}
    document["published"] = {"grouped_by": "", "leaky": True, "folds": folds}
    own = replace(place, labels=replace(place.labels, folder=place.root / "percepiano_cache"))
    shutil.copytree(place.labels.folder, own.labels.folder)
    own.labels.folds.write_text(json.dumps(document))
    pretend(own, "S1", 0.05, protocol="published")
    comparison = compare(own, "symbolic_comparison", draws=50)
    assert "## published (leaky" in as_markdown(comparison)
    rows = [row for row in csv.DictReader(io.StringIO(as_csv(comparison))) if row["protocol"] == "published"]
    assert {row["leaky"] for row in rows} == {"True"}
    assert rows[0]["pairs_as_published"]
    section = next(one for one in comparison.sections if one.protocol == "published")
    assert "leaky" in verdict(section)


def test_a_report_is_written_with_its_pictures_and_again_the_same(place):
    comparison, pictures, files = write_comparison(place, "symbolic_comparison")
    assert set(pictures) == {"by_dimension", "by_fold", "scatter", "calibration"}
    assert all(picture.startswith(b"\x89PNG") and len(picture) <= 40_000 for picture in pictures.values())
    assert files.picture("scatter").read_bytes() == pictures["scatter"]
    assert files.markdown.read_text().count("![") == 4
    assert comparison.absent == ("S1", "S2", "S2h", "S3", "S4")
    assert planned_digest(place, "symbolic_comparison") == files.digest


def test_each_scale_is_named_with_both_its_ends(place, monkeypatch):
    drawn: list[Any] = []
    monkeypatch.setattr(report_pictures, "png", drawn.append)
    pretend(place, "S0", 0.1)
    report_pictures.pictures_of(compare(place, "symbolic_comparison", draws=50))
    named = [label.get_text() for label in drawn[0].axes[0].get_yticklabels()]
    assert len(named) == len(DIMENSIONS)
    assert named[0] == "Timing: stable - unstable"
    assert named[-1] == "Interpretation: unsatisfactory / doubtful - convincing"


def test_with_nothing_finished_it_says_so(place):
    shutil.rmtree(place.root / "checkpoints")
    _, pictures, files = write_comparison(place, "audio_comparison")
    assert pictures == {}
    assert "Nothing is finished yet" in files.markdown.read_text()
    assert report_files(place.root, "audio_comparison").digest
