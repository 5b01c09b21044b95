"""`reports/robustness` and difficulty through Dagster: measured once, checked, n/a without audio, faults in words."""

from __future__ import annotations

from typing import Any

import pytest

from crescendai_assets.sample.ratings import write_ratings_csv
from crescendai_assets.training.fit import fit_fold
from crescendai_assets.training.t1_plan import T1Place
from crescendai_assets_tests.clips_folder import write_clips
from crescendai_assets_tests.defs.conftest import Platform
from crescendai_assets_tests.evaluation.heard_lake import of_some_passages
from crescendai_assets_tests.training.rated_lake import fold, tiny

REPORT, COMPARISON = "reports/robustness", "reports/audio_comparison"


@pytest.fixture
def rated(platform, monkeypatch) -> Platform:
    for name in ("PERCEPIANO_DIR", "PERCEPIANO_AUDIO", "CRESCENDAI_EMBEDDING_SET", "CRESCENDAI_DIFFICULTY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CRESCENDAI_ROBUSTNESS_SEGMENTS", "2")
    write_ratings_csv(platform.root / "percepiano" / "total_2rounds.csv")
    done = platform.run([f"percepiano/{name}" for name in ("ratings", "labels", "passages", "folds")])
    assert all(one.succeeded for one in done.values()), done
    found: Platform = platform
    return found


def train(platform: Platform, model: str) -> None:
    place = T1Place.of(platform.lake)
    fit_fold(place, fold(place), tiny(model, epochs=1))


@pytest.mark.slow
def test_checkpoints_are_measured_on_degraded_clips_and_the_comparison_tells_it(rated):
    clips = of_some_passages(T1Place.of(rated.lake), 4)
    write_clips(rated.root / "percepiano" / "audio", dict.fromkeys(clips, 4.1))
    rated.run(["percepiano/clips", "percepiano/embeddings"])
    train(rated, "A0")
    assert all(rated.run([COMPARISON])[COMPARISON].checks.values())
    done = rated.run([REPORT])[REPORT]
    assert done.succeeded, done.error
    assert done.checks == {"idempotent": True}
    assert (done.metadata["newly_embedded"], done.metadata["newly_scored"], done.metadata["clips"]) == (26, 1, 2)
    assert str(done.metadata["by_effect"]).startswith("![by_effect](data:image/png")
    assert "A0: T4 " in str(done.metadata["T4 passage"])
    assert rated.check(COMPARISON) == {"idempotent": False}, "robustness is known since"
    text = (rated.lake.root / "reports" / "audio_comparison.md").read_text()
    assert "Robustness of A0 is n/a: not measured: materialize reports/robustness" in text
    assert all(rated.run([COMPARISON])[COMPARISON].checks.values())
    assert "Robustness of A0" not in (rated.lake.root / "reports" / "audio_comparison.md").read_text()
    again = rated.run([REPORT])[REPORT]
    assert (again.metadata["newly_embedded"], again.metadata["newly_scored"]) == (0, 0)
    train(rated, "A1")
    assert rated.check(REPORT) == {"idempotent": False}, "another checkpoint is finished since"


def test_without_audio_it_succeeds_and_says_why_it_reads_not_available(rated):
    done = rated.run([REPORT])[REPORT]
    assert done.succeeded, done.error
    assert done.checks == {"idempotent": True}
    missing: Any = done.metadata["not_available"]
    assert missing["A0"] == "no finished checkpoint that can be used"
    assert "newly_embedded" not in done.metadata


def test_a_number_of_segments_that_is_none_and_a_csv_at_fault_are_said_in_words(rated, monkeypatch):
    monkeypatch.setenv("CRESCENDAI_ROBUSTNESS_SEGMENTS", "many")
    assert "CRESCENDAI_ROBUSTNESS_SEGMENTS" in rated.run([REPORT])[REPORT].error
    levels = rated.root / "levels.csv"
    levels.write_text("work,level\nWoO83,hard\n")
    monkeypatch.setenv("CRESCENDAI_DIFFICULTY", str(levels))
    assert f"{levels}, line 2: level of WoO83 is 'hard'" in rated.run([COMPARISON])[COMPARISON].error
