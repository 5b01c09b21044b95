"""What `crescendai score` is given in tests: a rated performance, its score, and sound that is no music.

Each module has a `trained` of its own: which models are trained in how many folds.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from crescendai_assets.training.t1_plan import T1Place
from crescendai_assets_tests.scored_lake import a_rated_midi, its_score, noise


@pytest.fixture
def midi(trained: T1Place, tmp_path: Path) -> Path:
    return a_rated_midi(trained, tmp_path)


@pytest.fixture
def score(trained: T1Place) -> Path:
    return its_score(trained)


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return noise(tmp_path)
