"""A lake whose rated clips have sound and embeddings of it, and checkpoints of models of sound: all real, all small."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crescendai_assets.embeddings.identity import EncoderSpec
from crescendai_assets.embeddings.muq import MuQEncoder
from crescendai_assets.embeddings.pipeline import embed_partition
from crescendai_assets.evaluation.robustness_report import measure_robustness
from crescendai_assets.evaluation.robustness_sound import Degrading
from crescendai_assets.labels.clips import key_of, rated_keys
from crescendai_assets.labels.files import label_files
from crescendai_assets.labels.folds import write_folds
from crescendai_assets.labels.passages import read_passages, write_passages
from crescendai_assets.labels.percepiano import write_labels
from crescendai_assets.labels.ratings import write_ratings
from crescendai_assets.lake.layout import Lake
from crescendai_assets.lake.stage import StageReport
from crescendai_assets.sample.encoder import write_encoder
from crescendai_assets.sample.ratings import write_ratings_csv
from crescendai_assets.sources.locate import AudioFiles
from crescendai_assets.sources.percepiano_clips import CLIP_RULE, collect_clips, list_clips
from crescendai_assets.training.fit import fit_fold
from crescendai_assets.training.t1_plan import T1Place
from crescendai_assets_tests.clips_folder import write_clip
from crescendai_assets_tests.training.rated_lake import fold, tiny


@dataclass(frozen=True)
class Heard:
    """The lake, and what is needed to degrade its sound."""

    root: Path

    @property
    def place(self) -> T1Place:
        """Where the rated set is."""
        return T1Place.of(Lake(self.root / "lake"))

    @property
    def audio(self) -> AudioFiles:
        """Where the clips are."""
        return AudioFiles(self.place.embeddings.tier, self.root / "audio")

    @property
    def encoder(self) -> MuQEncoder:
        """That made the embeddings."""
        return MuQEncoder(EncoderSpec(checkpoint=str(self.root / "muq"), layers=(1,), device="cpu"))

    def measure(self, degrading: Degrading) -> tuple[StageReport, StageReport] | None:
        """One run."""
        return measure_robustness(self.place, degrading, self.audio, lambda: self.encoder)


def make_heard_lake(root: Path, passages: int = 4) -> Heard:
    """Labels, folds, clips of some passages, their embeddings, and A0 and A1 in one fold."""
    heard = Heard(root)
    files = label_files(Lake(root / "lake"))
    write_ratings(files, write_ratings_csv(root / "total_2rounds.csv"))
    write_labels(files)
    write_passages(files, None)
    write_folds(files)
    write_encoder(root / "muq", depth=1, ffn=16, conv_dim=2)
    for key in of_some_passages(heard.place, passages):
        write_clip(root / "audio", key, 4.2)
    listing = list_clips(root / "audio", rated_keys(files), key_of)
    collect_clips(heard.place.embeddings, listing)
    embed_partition(heard.place.embeddings, heard.encoder, heard.audio, CLIP_RULE)
    for model in ("A0", "A1"):
        fit_fold(heard.place, fold(heard.place), tiny(model, epochs=1))
    return heard


def relabel(heard: Heard, model: str, **changes: object) -> None:
    """Change what a checkpoint's report says."""
    path = heard.root / "lake" / "checkpoints" / model / "passage-s0f0" / "seed0" / "report.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def of_some_passages(place: T1Place, count: int) -> Sequence[str]:
    """Segments of so many passages on either side of the fold."""
    split, rows = fold(place), read_passages(place.labels)
    chosen: set[str] = set()
    for side in (split.train, split.val):
        names = sorted({row["passage"] for row in rows if row["segment_id"] in set(side)})
        chosen |= set(names[: count // 2])
    return sorted(row["segment_id"] for row in rows if row["passage"] in chosen)
