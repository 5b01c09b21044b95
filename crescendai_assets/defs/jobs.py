"""Jobs: named selections to launch or backfill; they run on the definitions' executor like everything else."""

import dagster as dg

from crescendai_assets.defs.partitions import MAESTRO_YEARS

collect_maestro = dg.define_asset_job(
    "collect_maestro",
    dg.AssetSelection.assets("maestro/recordings", "maestro/segments"),
    partitions_def=MAESTRO_YEARS,
    description="List (or fetch) and cut the recordings of a year.",
)

embed_maestro = dg.define_asset_job(
    "embed_maestro",
    dg.AssetSelection.assets("maestro/embeddings"),
    partitions_def=MAESTRO_YEARS,
    description="Embed the segments of a year; wants a device.",
)
