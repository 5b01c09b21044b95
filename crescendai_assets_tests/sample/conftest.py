"""One sample corpus for all tests of this room; it takes seconds to make and is only read."""

from __future__ import annotations

import pytest

from crescendai_assets.sample.corpus import SampleCorpus, write_maestro


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> SampleCorpus:
    return write_maestro(tmp_path_factory.mktemp("sample") / "maestro")
