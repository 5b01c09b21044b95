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

collect_competition = dg.define_asset_job(
    "collect_competition",
    dg.AssetSelection.assets("competition/recordings", "competition/segments"),
    description="Download and cut the recordings of an edition.",
)

backfill_competition = dg.define_asset_job(
    "backfill_competition",
    dg.AssetSelection.assets("competition/embeddings", "competition/ordinal"),
    description="Embed an edition and put it in order; wants a device.",
)

collect_channel = dg.define_asset_job(
    "collect_channel",
    dg.AssetSelection.assets("youtube/recordings", "youtube/segments"),
    description="Ask a channel what it has, download and cut what is new.",
)

embed_channel = dg.define_asset_job(
    "embed_channel",
    dg.AssetSelection.assets("youtube/embeddings", "youtube/augmented_pairs"),
    description="Embed a channel's segments, clean and augmented; wants a device.",
)

train_checkpoints = dg.define_asset_job(
    "train_checkpoints",
    dg.AssetSelection.groups("checkpoints"),
    description="Train every model in one fold; a backfill over folds trains all. Wants a device, and MIDI and "
    "embeddings of the rated set; narrow the selection where one of them is not at hand.",
)

ALL = [
    collect_maestro,
    embed_maestro,
    collect_competition,
    backfill_competition,
    collect_channel,
    embed_channel,
    train_checkpoints,
]
