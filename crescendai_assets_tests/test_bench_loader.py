"""The bench of the training loader runs and says what it measured; how fast it was is never asserted."""

from __future__ import annotations

import json

from click.testing import CliRunner

from crescendai_assets.bench.__main__ import main


def test_the_loader_is_measured_from_a_pack_against_files_and_by_what_training_waits_for_it():
    result = CliRunner().invoke(main, ["loader", "--quick"])
    assert result.exit_code == 0, result.output
    figures = {line["figure"]: line for line in map(json.loads, result.stdout.splitlines()[1:])}
    waiting = {name for name in figures if name.startswith("loader.waiting.")}
    assert waiting == {f"loader.waiting.{name}" for name in ("A0", "A1", "A1_all_tiers")}
    assert set(figures) == {"loader.equal", "loader.mixed", *waiting}
    assert "T2, T3 and T4" in figures["loader.waiting.A1_all_tiers"]["what"]
    for figure in (figures[name] for name in waiting):
        assert (figure["unit"], figure["target"], len(figure["by_epoch"])) == ("%", "at most 5", 2)
        assert min(figure["by_epoch"]) - 0.01 <= figure["measured"] <= max(figure["by_epoch"]) + 0.01
    for figure in (figures["loader.equal"], figures["loader.mixed"]):
        assert (figure["unit"], figure["target"], figure["pairs"]) == ("x", "at least 4", 3)
        assert figure["least"] <= figure["measured"] <= figure["most"]
        assert figure["pack_per_second"] > 0
        assert figure["files_per_second"] > 0
