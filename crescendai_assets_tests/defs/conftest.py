"""A platform of a test's own: a lake, a small MAESTRO, a tiny encoder, and the project's definitions over them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from crescendai_assets.defs.assembly import build_definitions
from crescendai_assets.defs.corpus_resources import MidiResource
from crescendai_assets.defs.registration import registered_partitions
from crescendai_assets.defs.resources import (
    AugmentationResource,
    CatalogueResource,
    DownloadResource,
    EncoderResource,
    LakeResource,
    MaestroResource,
    PercePianoResource,
)
from crescendai_assets.defs.run import Done, materialize
from crescendai_assets.defs.symbolic_resources import AsapResource
from crescendai_assets.lake.layout import Lake, Partition, Tier
from crescendai_assets.sample.encoder import write_encoder
from crescendai_assets_tests.builders import noise, tone, write_by_ffmpeg
from crescendai_assets_tests.maestro_folder import Take, write_folder
from crescendai_assets_tests.web import serve

ALL_OF_AN_EDITION = [f"competition/{name}" for name in ("recordings", "segments", "embeddings", "ordinal")]
ALL_OF_A_CHANNEL = [f"youtube/{name}" for name in ("recordings", "segments", "embeddings", "augmented_pairs")]
KINDS_OF_MEDIA = [
    ("m4a", "aac", 44_100),
    ("webm", "libopus", 48_000),
    ("mp3", "libmp3lame", 44_100),
    ("opus", "libopus", 48_000),
]

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
    preset: str = ""
    quota: int | None = None

    @property
    def catalog(self) -> Path:
        return self.root / "catalog"

    @property
    def lake(self) -> Lake:
        return Lake(self.root / "lake")

    def add(self, name: str, text: str) -> None:
        """Write a file of the user's catalogue, and let the sensor see it."""
        path = self.catalog / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self.tick()

    def tick(self) -> str:
        """One tick of the sensor that registers partitions; what it says."""
        context = dg.build_sensor_context(instance=self.instance, definitions=self.definitions)
        used = {name: self.resources[name] for name in ("catalogue", "midi", "lake")}
        result = registered_partitions(context, **used)
        assert isinstance(result, dg.SensorResult)
        for request in result.dynamic_partitions_requests or ():
            assert isinstance(request, dg.AddDynamicPartitionsRequest)
            self.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        return str(result.skip_reason.skip_message if result.skip_reason else "")

    @property
    def maestro(self) -> Path:
        return self.root / "maestro"

    @property
    def resources(self) -> dict[str, Any]:
        return {
            "lake": LakeResource(root=str(self.root / "lake")),
            "maestro": MaestroResource(folder=str(self.maestro)),
            "percepiano": PercePianoResource(folder=str(rated) if (rated := self.root / "percepiano").exists() else ""),
            "asap": AsapResource(folder=str(asap) if (asap := self.root / "asap").exists() else ""),
            "midi": MidiResource(folders=f"loose={loose}" if (loose := self.root / "loose").exists() else ""),
            "catalogue": CatalogueResource(folder=str(self.catalog)),
            "downloads": DownloadResource(sleep_seconds=[0, 0], daily_quota=self.quota),
            "augmentation": AugmentationResource(preset=self.preset),
            "encoder": EncoderResource(checkpoint=str(self.encoder), device="cpu", embedding_set=self.embedding_set),
        }

    @property
    def definitions(self) -> dg.Definitions:
        return build_definitions(self.resources)

    @property
    def tier(self) -> Tier:
        return self.lake.tier("maestro", self.embedding_set)

    def year(self, key: str) -> Partition:
        return self.tier.partition(key)

    def write(self, *takes: Take) -> None:
        write_folder(self.maestro, takes)

    def run(self, assets: Sequence[str], partition: str | None = None) -> dict[str, Done]:
        """Materialize assets and their checks in one run; results by asset."""
        return {done.asset: done for done in materialize(self.definitions, self.instance, assets, partition)}

    def check(self, asset: str) -> dict[str, bool]:
        """Evaluate an asset's checks alone, as on its page."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        key = dg.AssetKey.from_user_string(asset)
        checks = {c for c in job.asset_layer.asset_graph.asset_check_keys if c.asset_key == key}
        only = job.get_subset(asset_selection=set(), asset_check_selection=checks)
        result = only.execute_in_process(instance=self.instance, raise_on_error=False)
        return {e.check_name: e.passed for e in result.get_asset_check_evaluations()}

    def run_all(self, *years: str) -> dict[str, Done]:
        for year in years:
            done = self.run(ALL_OF_A_YEAR, year)
            assert all(one.succeeded for one in done.values()), done
        return {**done, **self.run(COMPILED)}


@pytest.fixture
def platform(tmp_path, tiny_encoder):
    (tmp_path / "catalog").mkdir()
    with dg.DagsterInstance.ephemeral() as instance:
        yield Platform(tmp_path, tiny_encoder, instance)


@pytest.fixture(scope="session")
def media(tmp_path_factory) -> Path:
    """Short recordings of every kind that a video site serves, each of another sound; only read."""
    folder: Path = tmp_path_factory.mktemp("media")
    for number, (suffix, codec, rate) in enumerate(KINDS_OF_MEDIA):
        sound = 0.5 * tone(8 + number, rate, 110 * 2 ** (number / 3)) + noise(8 + number, rate, 0.02, seed=number)
        write_by_ffmpeg(folder / f"take{number}.{suffix}", sound, rate, codec)
    return folder


@pytest.fixture
def site(tmp_path, media):
    """A web site on loopback with those recordings; tests add feeds and pages."""
    folder = tmp_path / "site"
    shutil.copytree(media, folder)
    with serve(folder) as server:
        yield server
