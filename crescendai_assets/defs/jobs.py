"""Jobs: named selections to launch or backfill; they run on the definitions' executor like everything else."""

from typing import Any

import dagster as dg

from crescendai_assets.training.registry import MODELS, Track

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

_PRETRAINED = dg.AssetSelection.key_prefixes("pretrained")

pretrain_encoders = dg.define_asset_job(
    "pretrain_encoders",
    _PRETRAINED,
    description="Pretrain the symbolic encoders on the corpus, and A2 on T3 and T4; wants a device. Once, before "
    "train_checkpoints: what is finetuned begins there.",
)

train_checkpoints = dg.define_asset_job(
    "train_checkpoints",
    dg.AssetSelection.groups("checkpoints") - _PRETRAINED,  # once for all folds, not once a fold
    description="Train every model in one fold; a backfill over folds trains all. Wants a device, and MIDI and "
    "embeddings of the rated set; narrow the selection where one of them is not at hand.",
)


def _of_track(track: Track, wants: str) -> Any:
    """Train what one report compares; a backfill over the folds of a protocol is what the report is made of."""
    models = [spec.key for spec in MODELS.values() if spec.track == track]
    return dg.define_asset_job(
        f"train_{track}",
        dg.AssetSelection.assets(*(f"checkpoints/{model}" for model in models)),
        description=f"Train {', '.join(models)} in one fold, to be backfilled over all of them; wants {wants}.",
    )


train_symbolic = _of_track("symbolic", "the rated set's MIDI and scores")
train_audio = _of_track("audio", "its embeddings, and a device")
train_fusion = _of_track("fusion", "finished folds of A0 and S1, or of what is to be fused")

ALL = [
    collect_maestro,
    embed_maestro,
    collect_competition,
    backfill_competition,
    collect_channel,
    embed_channel,
    pretrain_encoders,
    train_checkpoints,
    train_symbolic,
    train_audio,
    train_fusion,
]
