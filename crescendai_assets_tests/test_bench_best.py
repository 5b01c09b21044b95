"""The bench of the best symbolic model: skipped with words without data, and on PercePiano at least what was told."""

from __future__ import annotations

import json

from click.testing import CliRunner

from crescendai_assets.bench.__main__ import main

MATTERS = ("passage", "passage_fresh", "passage_relative", "passage_by_content", "performer", "work", "published")
FIGURES = {f"best.{matter}.{kind}{over}" for matter in MATTERS for kind in ("r2", "pairs") for over in ("", "_over_s0")}


def test_it_is_skipped_where_the_ratings_are_not_given_or_not_whole(tmp_path):
    for folder, said in (("", "set PERCEPIANO_DIR"), (str(tmp_path), "lacks total_2rounds.csv, midi, score_midi")):
        result = CliRunner().invoke(main, ["best", "--quick"], env={"PERCEPIANO_DIR": folder})
        assert result.exit_code == 0, result.output
        figures = [json.loads(line) for line in result.stdout.splitlines()][1:]
        assert {figure["figure"] for figure in figures} == FIGURES
        assert all(said in figure["skipped"] and figure["measured"] is None for figure in figures)
