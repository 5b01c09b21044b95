"""The bench of the training loader runs and says what it measured; how fast it was is never asserted."""

from __future__ import annotations

import json

from click.testing import CliRunner

from crescendai_assets.bench.__main__ import main


def test_the_loader_is_measured_from_a_pack_against_files():
    result = CliRunner().invoke(main, ["loader", "--quick"])
    assert result.exit_code == 0, result.output
    figures = {line["figure"]: line for line in map(json.loads, result.stdout.splitlines()[1:])}
    assert set(figures) == {"loader.equal", "loader.mixed"}
    for figure in figures.values():
        assert (figure["unit"], figure["target"], figure["pairs"]) == ("x", "at least 4", 3)
        assert figure["least"] <= figure["measured"] <= figure["most"]
        assert figure["pack_per_second"] > 0
        assert figure["files_per_second"] > 0
