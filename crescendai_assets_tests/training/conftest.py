"""What tests of training share: the sample's rated set, and sums in one order."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch  # noqa: TID253 - tests of torch modules

from crescendai_assets.training.t1_plan import T1Place
from crescendai_assets_tests.training.rated_lake import make_rated_lake


@pytest.fixture(scope="session")
def rated_place(tmp_path_factory) -> T1Place:
    """The rated set; nobody trains into this lake."""
    return make_rated_lake(tmp_path_factory.mktemp("rated_lake"))


@pytest.fixture
def place(rated_place: T1Place, tmp_path: Path) -> T1Place:
    """The same, with a root of the test's own for checkpoints."""
    return replace(rated_place, root=tmp_path)


@pytest.fixture
def own_place(rated_place: T1Place, tmp_path: Path) -> T1Place:
    """A lake of the test's own, to be changed."""
    from crescendai_assets.lake.layout import Lake

    shutil.copytree(rated_place.root, tmp_path / "lake")
    return T1Place.of(Lake(tmp_path / "lake"), rated_place.scores, midi=rated_place.midi)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums in one order: the same numbers in every run, and no threads that fight over small matrices."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
