"""Rated clips degraded by one effect at a time and embedded again: what robustness is measured on.

The clips are a small choice, spread over passages, of those that some checkpoint never saw. Their embeddings lie in
`robustness_cache/<encoder>/`, made by the pipeline of every tier: once for all checkpoints, going on after a kill. What
checkpoints make of them is in `robustness_scores`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from crescendai_assets.audio.augmentation import EFFECTS, VERSION
from crescendai_assets.audio.decode import Audio
from crescendai_assets.audio.guarded import GuardedProcess
from crescendai_assets.audio.pairs import cut_augmented
from crescendai_assets.embeddings.clips import embedded_clips
from crescendai_assets.embeddings.folder import Product
from crescendai_assets.embeddings.identity import read_identity
from crescendai_assets.embeddings.pipeline import (
    Cutter,
    Encoder,
    bounds_of,
    embed_partition,
    refuse_other_than_clean,
)
from crescendai_assets.lake.files import sha256_file
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Partition, Tier
from crescendai_assets.lake.schemas import AUGMENTED_PAIRS, CLIPS
from crescendai_assets.lake.stage import Options, Progress, StageReport, silent
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.sources.locate import AudioFiles
from crescendai_assets.sources.percepiano_clips import CLIP_RULE
from crescendai_assets.training.t1_plan import T1Place

SEGMENTS = 40
"""Clips that are degraded, unless another number is asked for."""

TOGETHER = 4
"""Clips of a passage that are taken together: pairs of one passage are what accuracy is counted on."""

_ROOM = "room_response"


@dataclass(frozen=True)
class Degrading:
    """What is degraded, and by what.

    Attributes:
        segments: How many clips.
        seed: Of their choice.
        room_responses: Recorded responses of rooms; without any there is no such effect.
        among: Effects that are wanted.
    """

    segments: int = SEGMENTS
    seed: int = 0
    room_responses: tuple[Path, ...] = ()
    among: tuple[str, ...] = EFFECTS

    @property
    def effects(self) -> tuple[str, ...]:
        """Effects, one at a time."""
        return tuple(effect for effect in self.among if effect != _ROOM or self.room_responses)

    @property
    def product(self) -> Product:
        """The degraded embeddings; stale when an effect or the responses change."""
        responses = [(path.name, sha256_file(path)) for path in self.room_responses]
        return Product("augmented_pairs", AUGMENTED_PAIRS, fingerprint("one effect", VERSION, responses))

    def cutter(self) -> Cutter:
        """A clip under the effect of its row."""

        def sounds(worker: GuardedProcess, path: Path, rows: list[Row]) -> Iterator[tuple[Audio, Row]]:
            for row, bounds in zip(rows, bounds_of(rows), strict=True):
                piece, preset = (row["clip"], *bounds), f"single:{row['effect']}"
                yield from worker.stream(
                    cut_augmented, path, [piece], CLIP_RULE, preset, self.room_responses, what=str(path)
                )

        return sounds


def cache_of(place: T1Place) -> Partition | None:
    """Where degraded embeddings of the encoder at hand lie; None where nothing is embedded."""
    identity = read_identity(place.embeddings.embedding_folder)
    if identity is None:
        return None
    return Tier("percepiano", place.root / "robustness_cache" / identity.digest[:12]).partition()


def degraded_id(clip: str, effect: str) -> str:
    """Name of a degraded clip."""
    return f"{clip}__{effect}"


def clips_with_sound(place: T1Place, rows: Sequence[Row]) -> list[Row]:
    """Of the rated rows those whose audio is listed and embedded as it is now, as rows of `clips.jsonl` with `passage`.

    Args:
        place: Where the tier is.
        rows: Of `metadata.jsonl`.
    """
    clips = {row["segment_id"]: row for row in read_rows(place.embeddings.stage("clips").table)}
    return [
        {**clips[row["segment_id"]], "passage": row["passage"]}
        for row, made in embedded_clips(place.embeddings, rows)
        if made and not made.get("imported") and row["segment_id"] in clips
    ]


def choose_clips(clips: Sequence[Row], held_out: Collection[str], degrading: Degrading) -> list[Row]:
    """So many clips that some checkpoint never saw, a handful a passage, passage after passage by a seeded order.

    Asking for more adds clips and takes none away.
    """

    def chance(name: str) -> str:
        return fingerprint(degrading.seed, name)

    of_passage: defaultdict[str, list[Row]] = defaultdict(list)
    for clip in sorted(clips, key=lambda row: chance(row["segment_id"])):
        if clip["segment_id"] in held_out:
            of_passage[clip["passage"]].append(clip)
    order = sorted(of_passage, key=chance)
    longest = max(map(len, of_passage.values()), default=0)
    taken = [
        clip
        for start in range(0, longest, TOGETHER)
        for passage in order
        for clip in of_passage[passage][start : start + TOGETHER]
    ]
    return taken[: degrading.segments]


def plan_degraded(clips: Sequence[Row], effects: Sequence[str]) -> list[Row]:
    """A row each clip and effect, as the pipeline takes a clip."""
    rows = []
    for clip in clips:
        for effect in effects:
            name = degraded_id(clip["segment_id"], effect)
            rows.append(
                {**clip, "clip": clip["segment_id"], "effect": effect, "segment_id": name, "recording_id": name}
            )
    return sorted(rows, key=lambda row: str(row["segment_id"]))


def embed_degraded(
    place: T1Place,
    clips: Sequence[Row],
    degrading: Degrading,
    audio: AudioFiles,
    open_encoder: Callable[[], Encoder],
    *,
    options: Options = Options(),
    decoders: int | None = None,
    progress: Progress = silent,
) -> StageReport:
    """Degrade and embed what is missing or stale of these clips.

    Args:
        place: Where the tier is; something of it is embedded.
        clips: From `choose_clips`.
        degrading: By what.
        audio: Finds the clips' audio.
        open_encoder: Gives the encoder that made the clean embeddings.
        options: Retries; what was made for another choice of clips stays, for the next time.
        decoders: As of `embed_partition`.
        progress: Gets lines for the log.

    Raises:
        SetupError: The encoder is another one than that of the clean embeddings, audio is not at hand, or the disk is
            full.
    """
    cache = cache_of(place)
    assert cache is not None  # nothing embedded, nothing chosen
    encoder = open_encoder()
    refuse_other_than_clean(place.embeddings, encoder.identity)
    CLIPS.write(cache.stage("segments").table, plan_degraded(clips, degrading.effects))
    return embed_partition(
        cache,
        encoder,
        audio,
        CLIP_RULE,
        product=degrading.product,
        cutter=degrading.cutter(),
        options=options,
        decoders=decoders,
        progress=progress,
    )
