"""One sample corpus and one video site for all tests of this room; they take seconds to make and are only read."""

from __future__ import annotations

import pytest

from crescendai_assets.sample.corpus import SampleCorpus, write_maestro
from crescendai_assets.sample.videos import SampleVideos, write_videos


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> SampleCorpus:
    return write_maestro(tmp_path_factory.mktemp("sample") / "maestro")


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> SampleVideos:
    return write_videos(tmp_path_factory.mktemp("sample") / "videos")
