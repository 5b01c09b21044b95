"""Jobs: named selections to launch or backfill; they run on the definitions' executor like everything else."""

import dagster as dg

collect_maestro = dg.define_asset_job(
    "collect_maestro",
    dg.AssetSelection.assets("maestro/recordings", "maestro/segments"),
    description="List (or fetch) and cut the recordings of a year.",
)

embed_maestro = dg.define_asset_job(
    "embed_maestro",
    dg.AssetSelection.assets("maestro/embeddings"),
    description="Embed the segments of a year; wants a device.",
)
