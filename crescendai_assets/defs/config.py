"""What a user may set for one run in the launchpad. Settings that make work stale are resources, not run config."""

from typing import Any

import dagster as dg
from pydantic import Field

from crescendai_assets.lake.stage import Options


class WorkConfig(dg.Config):
    """Settings of every asset that works by recording."""

    limit: int | None = Field(
        None, description="Only the first so many recordings of the partition, by id: for trying things out."
    )
    retry_failed: bool = Field(False, description="Try failed recordings again, whatever their error class.")
    prune: bool = Field(False, description="Remove rows and files of recordings that left the source.")

    def options(self) -> Options:
        """As the domain takes them."""
        return Options(self.limit, self.retry_failed, self.prune)


class CollectConfig(WorkConfig):
    """Settings of assets that list or fetch recordings."""

    refetch: bool = Field(False, description="Make working copies again that were discarded.")


class PairsConfig(WorkConfig):
    """Settings of assets that run the encoder."""

    decoders: int | None = Field(None, description="Processes that decode ahead; by default what suits the device.")


class EmbedConfig(PairsConfig):
    """Settings of assets that embed what could also be imported."""

    import_from: str = Field(
        "",
        description="Take embeddings that exist instead: a folder of <segment_id>.pt, or a file {segment_id: tensor}.",
    )
    import_identity: dict[str, Any] = Field(
        {},
        description="Who made them: checkpoint, revision, layers, temporal_pool, precision. Empty: unverified.",
    )
