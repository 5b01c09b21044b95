"""`crescendai score` as a user types it: scores, intervals, a page, and refusals that say what to do."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from crescendai_assets.cli import main
from crescendai_assets.labels.dimensions import DIMENSIONS
from crescendai_assets.sample.encoder import write_encoder
from crescendai_assets.training.checkpoints import CheckpointFiles, read_report, write_report
from crescendai_assets.training.t1_plan import T1Place
from crescendai_assets_tests.scored_lake import make_scored_lake, read, run

SAMPLE = "not PercePiano's"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, encoder_folder: Path) -> T1Place:
    """S0 in all folds of a shuffle, A0 in two of them."""
    return make_scored_lake(tmp_path_factory.mktemp("scored"), encoder_folder, s0=4, a0=2)


def test_a_performance_is_told_in_all_dimensions_with_intervals_and_a_page(trained, midi, score):
    result = run(trained, midi, "--score", score)
    assert result.exit_code == 0, result.output
    page = midi.with_name(f"{midi.name}.report.html")
    assert f"page: {page}" in result.output.replace("\n", "")
    lines = [line for line in result.output.splitlines() if re.search(r"\d\.\d to \d\.\d", line)]
    assert len(lines) == 19
    assert all(dimension.high.replace("_", " ").split("/")[0] in result.output for dimension in DIMENSIONS)
    assert "S0 (hand features, trees and kernel ridge), 4 folds by passage; held out: R2" in result.output
    assert SAMPLE in result.output
    assert "is that of the rated performance" in result.output


def test_the_page_fetches_nothing_escapes_names_and_says_in_words_what_pictures_show(trained, midi, score, tmp_path):
    assert run(trained, midi, "--score", score, "--out", tmp_path / "page.html").exit_code == 0
    page = read(tmp_path / "page.html")
    text = " ".join("".join(page.text).split())
    assert "my <best> take & more.mid" in text
    assert "best" not in page.tags
    assert page.sources
    assert all(source.startswith("data:image/") for source in page.sources)
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert len(page.alts) == page.tags.count("img") == 20
    assert all(len(alt) > 20 for alt in page.alts)
    assert SAMPLE in text
    assert "neither end is better" in text
    assert "none: a model of symbols" in text
    assert re.search(r"Intervals made in this way held \d+% of the ratings of passages held out, \d+% to \d+%", text)


def test_json_holds_what_the_table_shows(trained, midi, score):
    result = CliRunner().invoke(
        main, ["score", str(midi), "--score", str(score), "--root", str(trained.root), "--json", "--coverage", "0.9"]
    )
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["model"], told["coverage"], told["folds"]) == ("S0", 0.9, ["s0f0", "s0f1", "s0f2", "s0f3"])
    assert len(told["dimensions"]) == 19
    for row in told["dimensions"]:
        assert 1 / 7 <= row["low"] <= row["score"] <= row["high"] <= 1
        assert row["rating"] == pytest.approx(7 * row["score"], abs=0.01)
        assert 0 <= row["percentile"] <= 100
    wide = [row["high"] - row["low"] for row in told["dimensions"]]
    narrow = json.loads(
        CliRunner()
        .invoke(
            main,
            ["score", str(midi), "--score", str(score), "--root", str(trained.root), "--json", "--coverage", "0.5"],
        )
        .stdout
    )["dimensions"]
    assert all(more >= row["high"] - row["low"] for more, row in zip(wide, narrow, strict=True))


def test_without_a_score_it_says_what_is_missing(trained, midi):
    result = run(trained, midi)
    assert result.exit_code == 0, result.output
    assert "No score was given" in result.output


def test_sound_is_heard_by_the_encoder_that_the_model_learnt_over_and_an_untrained_one_is_named(
    trained, wav, encoder_folder
):
    result = run(trained, wav, CRESCENDAI_MUQ_CHECKPOINT=str(encoder_folder))
    assert result.exit_code == 0, result.output
    assert "The encoder was never trained" in result.output
    assert "UNTRAINED" in result.output
    assert "Only 2 of 12 folds of A0 are trained" in result.output
    text = "".join(read(wav.with_name("noise.wav.report.html")).text)
    assert "The encoder was never trained" in text
    assert "Waveform" in " ".join(read(wav.with_name("noise.wav.report.html")).alts)


def test_another_encoder_than_the_model_learnt_over_is_refused_naming_both(trained, wav, tmp_path):
    other = write_encoder(tmp_path / "other", seed=1)
    result = run(trained, wav, CRESCENDAI_MUQ_CHECKPOINT=str(other))
    assert result.exit_code == 1
    assert "the encoder here is not the one that the model was trained over" in result.output
    assert "other@sha256" in result.output
    assert "sample-muq@sha256" in result.output
    assert not wav.with_name("noise.wav.report.html").exists()


def test_nothing_trained_says_what_to_train(trained, midi, tmp_path):
    bare = replace(trained, root=tmp_path / "lake")
    shutil.copytree(trained.root, bare.root, ignore=shutil.ignore_patterns("checkpoints"))
    result = run(bare, midi)
    assert result.exit_code == 1
    assert "nothing is trained that could score by passage with seed 0" in result.output
    assert "Materialize checkpoints/S4" in result.output
    empty = run(replace(trained, root=tmp_path / "empty"), midi)
    assert empty.exit_code == 1
    assert "materialize percepiano/" in empty.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model", "S9"], "there is no model 'S9'"),
        (["--model", "A0"], "A0 needs the sound"),
        (["--model", "S4"], "Materialize checkpoints/S4"),
        (["--protocol", "pasage"], "there are no folds by 'pasage'; there are passage"),
        (["--coverage", "1"], "give a share from 0.5 to below 1"),
        (["--seed", "3"], "by passage with seed 3"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_way_out(trained, midi, options, said):
    result = run(trained, midi, *options)
    assert result.exit_code == 1
    assert said in result.output.replace("\n", " ")


def test_a_checkpoint_of_other_labels_is_not_asked(trained, midi, tmp_path):
    own = replace(trained, root=tmp_path / "lake")
    shutil.copytree(trained.root, own.root)
    for path in (own.root / "checkpoints" / "S0").glob("*/seed0"):
        report = read_report(CheckpointFiles(path))
        assert report is not None
        write_report(CheckpointFiles(path), replace(report, labels="0" * 32))
    result = run(own, midi)
    assert result.exit_code == 1
    assert "it was trained on another label set" in result.output.replace("\n", " ")


def test_no_file_that_is_read_is_written_over(trained, midi, score):
    before = midi.read_bytes()
    result = run(trained, midi, "--score", score, "--out", midi)
    assert result.exit_code == 1
    assert "is one of the files that are read" in result.output
    assert midi.read_bytes() == before


def test_a_broken_file_is_a_message_and_no_trace(trained, tmp_path):
    (tmp_path / "broken.mid").write_bytes(b"MThd and nothing more")
    result = run(trained, tmp_path / "broken.mid")
    assert result.exit_code == 1
    assert "broken.mid" in result.output
    assert isinstance(result.exception, SystemExit)
