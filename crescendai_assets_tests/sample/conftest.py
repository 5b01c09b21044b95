"""One sample corpus and one video site for all tests of this room; they take seconds to make and are only read."""

from __future__ import annotations

import pytest

from crescendai_assets.sample.asap import SampleAsap, write_asap
from crescendai_assets.sample.corpus import SampleCorpus, write_maestro
from crescendai_assets.sample.rated_set import RatedSet, write_rated_set
from crescendai_assets.sample.videos import SampleVideos, write_videos


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> SampleCorpus:
    return write_maestro(tmp_path_factory.mktemp("sample") / "maestro")


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> SampleVideos:
    return write_videos(tmp_path_factory.mktemp("sample") / "videos")


@pytest.fixture(scope="session")
def rated(tmp_path_factory: pytest.TempPathFactory) -> RatedSet:
    return write_rated_set(tmp_path_factory.mktemp("sample") / "percepiano")


@pytest.fixture(scope="session")
def asap(tmp_path_factory: pytest.TempPathFactory) -> SampleAsap:
    return write_asap(tmp_path_factory.mktemp("sample") / "asap")
