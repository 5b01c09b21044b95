"""Which rated clips a model can be trained on, known from tables alone, and marks of all that they are told by.

Where they lie is a `T1Place`. Symbols come from the corpus's source `percepiano`, sound from the tier's stored
embeddings or from its clips. Reading them is `t1_data`'s work; folds are `labels`'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from crescendai_assets.embeddings.clips import embedded_clips
from crescendai_assets.embeddings.identity import (
    EncoderIdentity,
    EncoderSpec,
    identify,
    read_identity,
    spec_from,
)
from crescendai_assets.labels.files import LabelFiles, label_files
from crescendai_assets.labels.passages import read_passages
from crescendai_assets.labels.percepiano import read_labels
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import sha256_file
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Lake, Partition
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.sources.locate import AudioFiles
from crescendai_assets.symbolic.corpus.performances import corpus_tier
from crescendai_assets.symbolic.corpus.products import products as corpus_products
from crescendai_assets.symbolic.hand_features import VERSION as HAND_VERSION
from crescendai_assets.symbolic.note_features import VERSION as NOTES_VERSION
from crescendai_assets.training.hand_dataset import midi_of_segments, score_path

TierAudio: TypeAlias = Callable[[Partition], AudioFiles]
"""Where the audio of a partition of another tier lies."""

Kind = Literal["hand", "notes", "tokens", "score_graphs", "hetero_graphs", "features", "embeddings", "audio"]
"""What a model listens to. `hand`, which is part of `features`, and what follows it are products of the corpus; `notes`
are features of notes aligned with their score (`note_dataset`), read from MIDI; `audio` is heard through MuQ."""

SOURCE = "percepiano"

PRODUCTS: Mapping[Kind, str] = {
    "hand": "features",
    "tokens": "tokens",
    "score_graphs": "score_graphs",
    "hetero_graphs": "hetero_graphs",
    "features": "features",
}
"""Where symbols are."""


@dataclass(frozen=True)
class T1Place:
    """Where T1 lies.

    Attributes:
        root: Of the lake.
        labels: Labels, segments, folds.
        symbolic: The corpus's source `percepiano`.
        embeddings: The tier's clips.
        scores: Folder of the scores' MIDI, None where it is not at hand.
        midi: Folder of the clips' MIDI, likewise; only models of aligned notes read it.
        audio: Where the clips' audio is, likewise; only models that hear it through MuQ read it.
        encoder: That MuQ; None for the environment's.
        beside: Where other tiers' audio is; only models that hear these through MuQ read it.
    """

    root: Path
    labels: LabelFiles
    symbolic: Partition
    embeddings: Partition
    scores: Path | None = None
    midi: Path | None = None
    audio: AudioFiles | None = None
    encoder: EncoderSpec | None = None
    beside: TierAudio | None = None

    @staticmethod
    def of(
        lake: Lake,
        scores: Path | None = None,
        embedding_set: str = "",
        *,
        midi: Path | None = None,
        audio: AudioFiles | None = None,
        encoder: EncoderSpec | None = None,
        beside: TierAudio | None = None,
    ) -> T1Place:
        """Of a lake."""
        return T1Place(
            root=lake.root,
            labels=label_files(lake),
            symbolic=corpus_tier(lake).partition(SOURCE),
            embeddings=lake.tier("percepiano", embedding_set).partition(),
            scores=scores,
            midi=midi,
            audio=audio,
            encoder=encoder,
            beside=beside,
        )


@dataclass(frozen=True, eq=False)
class T1Plan:
    """Which rated clips have everything that one kind of model takes, and marks of it: known without reading it.

    Attributes:
        kind: What the model listens to.
        hand: Whether hand features are wanted beside it.
        rows: Rows of `metadata.jsonl`, N, by segment.
        products: Product -> segment -> row of its table, of symbols.
        scores: Segment -> MIDI of its score, where there is one and hand features or scores are wanted.
        left_out: Rated segment -> why it is not here.
        label_digest: Of all labels, these clips' or not.
        input_digest: Of all that these clips are told by.
        encoder: What makes the embeddings, in words, and its digest; both empty for models of symbols.
        score: Product that scores are heard as, beside the performances; empty where they are not.
    """

    kind: Kind
    hand: bool
    rows: tuple[Row, ...]
    products: Mapping[str, Mapping[str, Row]]
    scores: Mapping[str, Path]
    left_out: Mapping[str, str]
    label_digest: str
    input_digest: str
    encoder: tuple[str, str] = ("", "")
    score: str = ""

    @property
    def keys(self) -> list[str]:
        """Segments, in the order of the rows."""
        return [row["segment_id"] for row in self.rows]


def label_digest(files: LabelFiles) -> str:
    """Hash of all labels."""
    return fingerprint(read_labels(files))


def plan_t1(place: T1Place, kind: Kind, *, hand: bool, score: bool = False) -> T1Plan:
    """Look what there is for a model of a kind.

    Args:
        place: Where.
        kind: What it listens to.
        hand: Whether hand features are wanted beside it.
        score: Whether scores are, where there are some.

    Raises:
        SetupError: Something was not materialized, or no rated clip has all that is wanted; says what to do.
    """
    labels = read_labels(place.labels)
    rated = [row for row in read_passages(place.labels) if row["segment_id"] in labels]
    names = {PRODUCTS[one] for one in (kind, *(("hand",) if hand else ())) if one in PRODUCTS}
    products = {name: _made(place, name) for name in sorted(names)}
    marks: dict[str, dict[str, str]] = {
        f"symbolic/{name}": {key: row["content"] for key, row in made.items()} for name, made in products.items()
    }
    if kind == "embeddings":
        marks["embedding of its audio as it is now"] = _embedded(place, rated)
    if kind == "audio":
        marks["audio"] = _heard(place)
    if kind == "notes":
        marks["MIDI"] = {row["segment_id"]: row["midi_sha256"] for row in rated if row["midi_sha256"]}
    left_out = {
        row["segment_id"]: f"it has no {what}"
        for what, of in marks.items()
        for row in rated
        if row["segment_id"] not in of
    }
    kept = tuple(row for row in rated if row["segment_id"] not in left_out)
    if not kept:
        why = next(iter(left_out.values()), "there are no labels")
        raise SetupError(f"{place.labels.folder}: no rated segment can be used for training ({why})")
    scores = _scores(place, [row["segment_id"] for row in kept]) if hand else {}
    told = [[of[row["segment_id"]] for row in kept] for _, of in sorted(marks.items())]
    plan = T1Plan(
        kind=kind,
        hand=hand,
        rows=kept,
        products=products,
        scores=scores,
        left_out=left_out,
        label_digest=label_digest(place.labels),
        input_digest=fingerprint(told, [row["segment_id"] for row in kept], _contents(scores), _versions(kind, hand)),
        encoder=_encoder(place, kind),
    )
    return with_scores(place, plan, kind) if score else plan


def with_scores(place: T1Place, plan: T1Plan, kind: Kind) -> T1Plan:
    """The same, with the scores that there are as a model of a kind listens to them; unchanged where there are none.

    Args:
        place: Where.
        plan: Which clips.
        kind: What listens to the scores; that of a fusion is its symbolic model's.
    """
    name, scores = PRODUCTS.get(kind, ""), _scores(place, plan.keys)
    if not name or not scores:
        return plan
    recipe = corpus_products()[name].fingerprints()("")
    digest = fingerprint(plan.input_digest, _contents(scores), recipe)
    return replace(plan, scores=scores, score=name, input_digest=digest)


def joined_plan(plans: Sequence[T1Plan], fingerprints: Sequence[str]) -> T1Plan:
    """The clips that several models can all be asked about.

    Args:
        plans: Of the models, that of sound first.
        fingerprints: Of their checkpoints, which is what these clips are told by.
    """
    common = set.intersection(*(set(plan.keys) for plan in plans))
    left_out = {key: why for plan in plans for key, why in plan.left_out.items()}
    return replace(
        plans[0],
        hand=False,
        rows=tuple(row for row in plans[0].rows if row["segment_id"] in common),
        products={},
        scores={},
        score="",
        left_out=left_out,
        input_digest=fingerprint(fingerprints),
    )


def _versions(kind: Kind, hand: bool) -> list[int]:
    """Of the code that makes what is not kept as a product."""
    return [HAND_VERSION, NOTES_VERSION] if kind == "notes" else [HAND_VERSION] if hand else []


def _made(place: T1Place, name: str) -> dict[str, Row]:
    """Rows of a product by segment."""
    table = place.symbolic.stage(name).table
    if not table.exists():
        raise SetupError(f"{table}: no such table; materialize symbolic/{name} of the source {SOURCE} first")
    prefix = f"{SOURCE}_"
    return {row["recording_id"].removeprefix(prefix): row for row in read_rows(table)}


def _embedded(place: T1Place, rows: Sequence[Row]) -> dict[str, str]:
    """Hash of each clip's embedding."""
    made = {row["segment_id"]: one["sha256"] for row, one in embedded_clips(place.embeddings, rows) if one}
    if not made:
        folder = place.embeddings.embedding_folder
        raise SetupError(f"{folder}: no rated clip has an embedding; materialize percepiano/embeddings first")
    return made


def backbone_spec(given: EncoderSpec | None) -> EncoderSpec:
    """The MuQ that a model stands on; None for the environment's.

    In 32 bits and on no device, as it is loaded, so that a checkpoint trained on a GPU is known again without one.
    """
    return replace(given or spec_from(), precision="fp32", device="cpu")


def _heard(place: T1Place) -> dict[str, str]:
    """Hash of each clip's sound."""
    table = place.embeddings.stage("clips").table
    heard = {row["segment_id"]: row["pcm_hash"] for row in read_rows(table)}
    if not heard or place.audio is None:
        raise SetupError(
            f"{table}: no clip has audio; put a file a rated segment into audio/ of PERCEPIANO_DIR, or set "
            "PERCEPIANO_AUDIO to a folder of them, and materialize percepiano/clips; or set use_pretrained_muq to "
            "false, which trains over stored embeddings"
        )
    return heard


def _encoder(place: T1Place, kind: Kind) -> tuple[str, str]:
    if kind == "audio":
        identity: EncoderIdentity | None = identify(backbone_spec(place.encoder))
    elif kind == "embeddings":
        identity = read_identity(place.embeddings.embedding_folder)
    else:
        return "", ""
    return (identity.describe(), identity.digest) if identity else ("not known", "")


def _contents(scores: Mapping[str, Path]) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in sorted(set(scores.values()))}


def _scores(place: T1Place, keys: Sequence[str]) -> dict[str, Path]:
    files = {} if place.scores is None else midi_of_segments(place.scores)
    return {key: path for key in keys if (path := score_path(key, files))}
