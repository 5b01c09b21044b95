"""A platform of a test's own: a lake, a small MAESTRO, a tiny encoder, and the project's definitions over them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from crescendai_assets.defs.assembly import build_definitions
from crescendai_assets.defs.collecting_resources import CatalogueResource, DownloadResource
from crescendai_assets.defs.corpus_resources import MidiResource
from crescendai_assets.defs.registration import registered_partitions
from crescendai_assets.defs.resources import (
    AugmentationResource,
    EncoderResource,
    LakeResource,
    MaestroResource,
    PercePianoResource,
)
from crescendai_assets.defs.run import Done, materialize
from crescendai_assets.defs.symbolic_resources import AsapResource
from crescendai_assets.lake.layout import Lake, Partition, Tier
from crescendai_assets.lake.ledger import Failure, read_failures
from crescendai_assets.sample.asap import SampleAsap, write_asap
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


@pytest.fixture(autouse=True, scope="session")
def a_job_is_described_once() -> Iterator[None]:
    """Each in-process run makes a job anew and describes it to the instance, which takes longer than a small step."""
    made = dg.JobDefinition.as_ephemeral_job

    def once(job, resource_defs, input_values, op_selection=None, asset_selection=None):
        if resource_defs or input_values or op_selection:
            return made(job, resource_defs, input_values, op_selection, asset_selection)
        of_job = job.__dict__.setdefault("_of_tests", {})
        chosen = frozenset(asset_selection or ())
        if chosen not in of_job:
            of_job[chosen] = once(job, {}, {}).get_subset(asset_selection=chosen) if chosen else made(job, {}, {})
        return of_job[chosen]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dg.JobDefinition, "as_ephemeral_job", once)
        yield


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
    _settings: str = ""
    _definitions: dg.Definitions = field(default_factory=dg.Definitions)

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
        """Built again only where a setting has changed: Dagster takes as long for them as for a run."""
        resources = self.resources
        settings = repr(sorted(resources.items()))
        if settings != self._settings:
            self._definitions, self._settings = build_definitions(resources), settings
        return self._definitions

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


@pytest.fixture(scope="session")
def asap_sample(tmp_path_factory) -> SampleAsap:
    """The sample's ASAP, in which two files cannot be read; only read."""
    return write_asap(tmp_path_factory.mktemp("asap"))


@dataclass
class OverAsap:
    """One asset over an ASAP of a test's own."""

    root: Path
    instance: dg.DagsterInstance
    asset: dg.AssetsDefinition
    checks: Sequence[dg.AssetChecksDefinition]

    @property
    def asap(self) -> Path:
        return self.root / "asap"

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    def failures(self, partition: Partition) -> dict[str, Failure]:
        return read_failures(partition.stage(self.asset.key.path[-1]).ledger)

    def run(self, folder: str | None = None) -> Done:
        """Materialize it over the own ASAP, or over another folder."""
        defs = dg.Definitions(
            assets=[self.asset],
            asset_checks=self.checks,
            resources={
                "lake": LakeResource(root=str(self.lake)),
                "asap": AsapResource(folder=str(self.asap) if folder is None else folder),
            },
        )
        (done,) = materialize(defs, self.instance, [self.asset.key.to_user_string()])
        return done


@pytest.fixture
def over_asap(tmp_path, asap_sample):
    """Makes an `OverAsap` of an asset and its checks."""
    shutil.copytree(asap_sample.root, tmp_path / "asap")
    with dg.DagsterInstance.ephemeral() as instance:
        yield partial(OverAsap, tmp_path, instance)
