"""A platform of a test's own: a lake, a small MAESTRO, a tiny encoder, and the project's definitions over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from crescendai_assets.defs.assembly import build_definitions
from crescendai_assets.defs.resources import EncoderResource, LakeResource, MaestroResource
from crescendai_assets.defs.run import Done, materialize
from crescendai_assets.lake.layout import Lake, Partition, Tier
from crescendai_assets.sample.encoder import write_encoder
from crescendai_assets_tests.maestro_folder import Take, write_folder

ALL_OF_A_YEAR = ["maestro/recordings", "maestro/segments", "maestro/embeddings"]
COMPILED = ["maestro/metadata", "maestro/contrastive_mapping"]


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("tiny") / "muq", depth=1, ffn=16, conv_dim=2)


def told(result: dg.ExecuteInProcessResult) -> str:
    """What a failed run shows the user."""
    (failure,) = [e for e in result.all_events if e.is_step_failure]
    data = failure.step_failure_data.user_failure_data
    assert data is not None, "a stack trace is shown instead of a sentence"
    return str(data.description)


@dataclass
class Platform:
    """What a test works on."""

    root: Path
    encoder: Path
    instance: dg.DagsterInstance
    embedding_set: str = ""

    @property
    def maestro(self) -> Path:
        return self.root / "maestro"

    @property
    def resources(self) -> dict[str, Any]:
        return {
            "lake": LakeResource(root=str(self.root / "lake")),
            "maestro": MaestroResource(folder=str(self.maestro)),
            "encoder": EncoderResource(checkpoint=str(self.encoder), device="cpu", embedding_set=self.embedding_set),
        }

    @property
    def definitions(self) -> dg.Definitions:
        return build_definitions(self.resources)

    @property
    def tier(self) -> Tier:
        return Lake(self.root / "lake").tier("maestro", self.embedding_set)

    def year(self, key: str) -> Partition:
        return self.tier.partition(key)

    def write(self, *takes: Take) -> None:
        write_folder(self.maestro, takes)

    def run(self, assets: Sequence[str], partition: str | None = None) -> dict[str, Done]:
        """Materialize assets and their checks in one run; results by asset."""
        return {done.asset: done for done in materialize(self.definitions, self.instance, assets, partition)}

    def run_all(self, *years: str) -> dict[str, Done]:
        for year in years:
            done = self.run(ALL_OF_A_YEAR, year)
            assert all(one.succeeded for one in done.values()), done
        return {**done, **self.run(COMPILED)}


@pytest.fixture
def platform(tmp_path, tiny_encoder):
    with dg.DagsterInstance.ephemeral() as instance:
        yield Platform(tmp_path, tiny_encoder, instance)
