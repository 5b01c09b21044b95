"""The bench of the training loader runs and says what it measured; how fast it was is never asserted."""

from __future__ import annotations

import json

from click.testing import CliRunner

from crescendai_assets.bench.__main__ import main


def test_the_loader_is_measured_from_a_pack_against_files_and_by_what_training_waits_for_it():
    result = CliRunner().invoke(main, ["loader", "--quick"])
    assert result.exit_code == 0, result.output
    figures = {line["figure"]: line for line in map(json.loads, result.stdout.splitlines()[1:])}
    assert set(figures) == {"loader.equal", "loader.mixed", "loader.waiting.A0", "loader.waiting.A1"}
    for model in ("A0", "A1"):
        figure = figures[f"loader.waiting.{model}"]
        assert (figure["unit"], figure["target"], len(figure["by_epoch"])) == ("%", "at most 5", 2)
        assert min(figure["by_epoch"]) - 0.01 <= figure["measured"] <= max(figure["by_epoch"]) + 0.01
    for figure in (figures["loader.equal"], figures["loader.mixed"]):
        assert (figure["unit"], figure["target"], figure["pairs"]) == ("x", "at least 4", 3)
        assert figure["least"] <= figure["measured"] <= figure["most"]
        assert figure["pack_per_second"] > 0
        assert figure["files_per_second"] > 0
