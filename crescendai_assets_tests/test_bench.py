"""The bench runs and says what it measured; how fast anything was is never asserted."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from crescendai_assets.bench.__main__ import MATTERS, as_table, main
from crescendai_assets.bench.measure import Figure, Target, interleaved, pair_ratios, peak_mb
from crescendai_assets_tests.shared_data import DATA, needs_shared

KEYS = {"figure", "what", "measured", "unit", "target", "met", "pairs", "least", "most"}


@pytest.fixture(scope="module")
def lines():
    command = [sys.executable, "-W", "ignore", "-m", "crescendai_assets.bench", "--quick", "decode", "resolve", "load"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "target" in done.stderr  # the table
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_machine_is_described_first(lines):
    machine = lines[0]["machine"]
    assert machine["cores"] >= 1
    assert machine["dagster"]
    assert lines[0]["quick"] is True


def test_every_matter_gives_its_figures_as_json_lines(lines):
    figures = {line["figure"]: line for line in lines[1:]}
    assert set(figures) == {"decode.wav", "resolve.time", "resolve.memory", "load.definitions"}
    memory = figures.pop("resolve.memory")
    assert memory["unit"] == "MB"
    for figure in figures.values():
        assert set(figure) >= KEYS
        assert figure["unit"] == "x"
        assert figure["measured"] > 0
        assert figure["least"] <= figure["measured"] <= figure["most"]


def test_no_line_names_a_path_of_this_machine(lines):
    assert not [line for line in lines if "/tmp" in json.dumps(line) or sys.prefix in json.dumps(line)]


def test_an_unknown_matter_is_refused_with_the_known_ones():
    result = CliRunner().invoke(main, ["speed"])
    assert result.exit_code == 2
    assert all(name in result.output for name in MATTERS)


def test_a_target_is_met_from_its_bound_on():
    assert Target("at least", 12).met_by(12)
    assert not Target("at least", 12).met_by(11.9)
    assert Target("at most", 3).met_by(3)
    assert not Target("at most", 3).met_by(3.1)


def test_runs_take_turns_and_each_repetition_starts_with_another():
    order: list[str] = []

    def run(name: str) -> float:
        order.append(name)
        return len(order)

    taken = interleaved({"a": lambda: run("a"), "b": lambda: run("b")}, 3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert taken == {"a": [1, 4, 5], "b": [2, 3, 6]}


def test_the_ratio_is_the_median_of_pairs_measured_together():
    ratio, facts = pair_ratios([2, 30, 4], [1, 10, 4])
    assert ratio == 2
    assert facts == {"pairs": 3, "least": 1, "most": 3}


def test_a_skipped_figure_meets_nothing_and_says_why():
    figure = Figure("gpu.bare", "forward", None, Target("at least", 0.9), skipped="no CUDA device")
    assert figure.met is None
    assert json.loads(figure.to_json())["skipped"] == "no CUDA device"
    assert as_table([figure]).row_count == 1


def test_peak_memory_of_this_process_is_some_megabytes():
    assert 5 < peak_mb() < 100_000


REFERENCE = {
    f"reference.{matter}.{kind}"
    for matter in ("passage", "passage_relative", "passage_by_content", "performer", "work", "published")
    for kind in ("r2", "pairs")
}


def test_the_reference_is_skipped_where_the_ratings_are_not_given_or_not_whole(tmp_path):
    for folder, said in (("", "set PERCEPIANO_DIR"), (str(tmp_path), "lacks total_2rounds.csv, midi, score_midi")):
        result = CliRunner().invoke(main, ["reference", "--quick"], env={"PERCEPIANO_DIR": folder})
        assert result.exit_code == 0
        figures = [json.loads(line) for line in result.stdout.splitlines()][1:]
        assert {figure["figure"] for figure in figures} == REFERENCE
        for figure in figures:
            assert said in figure["skipped"]
            assert (figure["measured"], figure["met"]) == (None, None)
            assert str(tmp_path) not in json.dumps(figure)


@pytest.mark.slow
@needs_shared
def test_the_reference_is_told_by_protocol_and_by_seed_with_its_interval():
    environ = {"PERCEPIANO_DIR": str(DATA / "percepiano"), "PERCEPIANO_FOLDS": ""}
    result = CliRunner().invoke(main, ["reference", "--quick"], env=environ)
    assert result.exit_code == 0, result.output
    found = {line["figure"]: line for line in map(json.loads, result.stdout.splitlines()[1:])}
    by_seed = {
        f"reference.{matter}_s0.{kind}" for matter in ("passage", "passage_relative") for kind in ("r2", "pairs")
    }
    assert set(found) == REFERENCE | by_seed
    skipped = {name for name, figure in found.items() if "skipped" in figure}
    assert skipped == {"reference.published.r2", "reference.published.pairs"}
    assert found["reference.published.r2"]["skipped"] == "set PERCEPIANO_FOLDS"
    for name in found.keys() - skipped:
        figure = found[name]
        assert figure["unit"] == "%"
        assert figure["low"] < figure["high"]
        assert {"without_machine", "held_out", "drawn"} <= set(figure)
        assert "leaky" not in figure


@pytest.mark.slow
def test_training_adapters_is_measured_from_audio_and_from_the_kept_stem():
    result = CliRunner().invoke(main, ["adapters", "--quick"])
    assert result.exit_code == 0, result.output
    figures = {line["figure"]: line for line in map(json.loads, result.stdout.splitlines()[1:])}
    assert set(figures) == {"adapters.steps", "adapters.stem", "adapters.memory"}
    assert [figures[f"adapters.{name}"]["unit"] for name in ("steps", "stem", "memory")] == ["/s", "x", "MB"]
    assert all(figure["measured"] > 0 for figure in figures.values())
