"""The rated clips as a model is trained on them: rows, labels, and what it listens to, read.

Which clips they are is decided in `t1_plan`; nothing is computed here but differences of hand features from those of
the score. Scores are read in `t1_scores`, sound in `t1_sound`. What becomes a batch, and how, is in `t1_inputs`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from crescendai_assets.labels.percepiano import read_labels
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.tables import Row, read_rows
from crescendai_assets.symbolic.corpus.pack import Arrays, read_pack
from crescendai_assets.symbolic.corpus.shards import shard_path
from crescendai_assets.training.t1_notes import note_matrix
from crescendai_assets.training.t1_plan import PRODUCTS, T1Place, T1Plan
from crescendai_assets.training.t1_scores import one_a_score, score_arrays, score_hand_features
from crescendai_assets.training.t1_sound import ClipSound, clip_sound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

Floats: TypeAlias = "NDArray[np.float64]"


@dataclass(frozen=True, eq=False)
class T1Data:
    """Rated clips, read.

    Attributes:
        rows: As of the plan, N.
        labels: Shape (N, D).
        raters: Of each clip, shape (N,).
        arrays: What the corpus has of each clip, for models of symbols; empty for others.
        embeddings: Segment -> its embedding, read when asked for, for models of sound; None for others.
        hand: Hand features and their differences from the score's, shape (N, K); None where they are not wanted.
            Of a model of aligned notes their features as well.
        names: Of the columns of `hand`, where a model asks for them.
        scores: What the corpus's products make of each clip's score, None where it has none; empty where no score is
            listened to. Clips of one score hold the same object.
        sound: Where the clips' audio is and what hears it, for models that hear it through MuQ.
    """

    rows: tuple[Row, ...]
    labels: Floats
    raters: Floats
    arrays: tuple[Arrays, ...] = ()
    embeddings: Mapping[str, Tensor] | None = None
    hand: Floats | None = None
    names: tuple[str, ...] = ()
    scores: tuple[Arrays | None, ...] = ()
    sound: ClipSound | None = None

    @property
    def keys(self) -> list[str]:
        """Segments, in the order of the rows."""
        return [row["segment_id"] for row in self.rows]


def load_rows(place: T1Place, plan: T1Plan) -> T1Data:
    """The clips without what is heard of them."""
    import numpy as np

    labels = read_labels(place.labels)
    raters = {row["segment_id"]: row["raters"] for row in read_rows(place.labels.statistics)}
    return T1Data(
        rows=plan.rows,
        labels=np.array([labels[key] for key in plan.keys], np.float64),
        raters=np.array([raters.get(key, 1) for key in plan.keys], np.float64),
    )


def load_t1(place: T1Place, plan: T1Plan) -> T1Data:
    """Read what was planned.

    Raises:
        SetupError: A shard is damaged, or MIDI is not at hand.
    """
    data, keys = load_rows(place, plan), plan.keys
    if plan.kind == "notes":
        features, names = _notes(place, plan)
        return replace(data, hand=features, names=names)
    arrays = {name: _arrays(place, name, made, keys) for name, made in plan.products.items()}
    if plan.hand:
        own = [arrays[PRODUCTS["hand"]][key]["hand"][0] for key in keys]
        written = score_hand_features(plan.scores)
        data = replace(data, hand=with_differences(own, [written.get(key) for key in keys]))
    if plan.score and (made := score_arrays(plan.score, plan.scores)):
        data = replace(data, scores=tuple(made.get(key) for key in keys))
    if plan.kind == "audio":
        return replace(data, sound=clip_sound(place, keys))
    if plan.kind == "embeddings":
        from crescendai_assets.training.packing import embeddings_of

        return replace(data, embeddings=embeddings_of(place.embeddings.tier))
    return replace(data, arrays=tuple(arrays[PRODUCTS[plan.kind]][key] for key in keys))


def as_written(data: T1Data, plan: T1Plan, scored: T1Plan) -> tuple[T1Data, dict[str, int]]:
    """Scores in the place of performances: each deviates from the score, which is itself, in nothing.

    Args:
        data: Clips of a symbolic model, without what is heard of them.
        plan: What the model listens to.
        scored: Clips and their scores.

    Returns:
        A row a score, and clip -> row; clips whose score cannot be used are left out.
    """
    keys = [key for key in data.keys if key in set(scored.keys)]
    made = score_arrays(PRODUCTS[plan.kind], scored.scores)
    stands = one_a_score(keys, made)
    row_of = {key: row for row, key in enumerate(dict.fromkeys(stands.values()))}
    place = {key: row for row, key in enumerate(data.keys)}
    chosen = [place[key] for key in row_of]
    arrays = tuple(made[key] for key in row_of)
    found = replace(
        data,
        rows=tuple(data.rows[row] for row in chosen),
        labels=data.labels[chosen],
        raters=data.raters[chosen],
        arrays=arrays,
        scores=arrays if plan.score else (),
    )
    if plan.hand and row_of:
        written = score_hand_features({key: scored.scores[key] for key in row_of})
        own = [written[key] for key in row_of]  # what a product could be made of has hand features as well
        found = replace(found, hand=with_differences(own, own))
    return found, {key: row_of[first] for key, first in stands.items()}


def _notes(place: T1Place, plan: T1Plan) -> tuple[Floats, tuple[str, ...]]:
    """Hand features and features of aligned notes; kept by their digest, since aligning takes minutes."""
    if place.midi is None or place.scores is None:
        raise SetupError("a model of aligned notes needs midi/ and score_midi/ below PERCEPIANO_DIR; one is not there")
    kept = place.root / "checkpoints" / "features" / f"notes-{plan.input_digest[:16]}.npz"
    return note_matrix(place.labels, place.midi, place.scores, plan.keys, kept)


def _arrays(place: T1Place, name: str, made: Mapping[str, Row], keys: Sequence[str]) -> dict[str, Arrays]:
    """Arrays of a product by segment, from its shards."""
    of_shard: dict[str, dict[str, str]] = defaultdict(dict)
    for key in keys:
        of_shard[made[key]["shard"]][made[key]["recording_id"]] = key
    found: dict[str, Arrays] = {}
    for shard, ids in of_shard.items():
        path = shard_path(place.symbolic, name, shard)
        found |= {ids[recording_id]: one for recording_id, one in read_pack(path).items() if recording_id in ids}
    if missing := sorted(set(keys) - found.keys()):
        raise SetupError(f"{place.symbolic.folder / name}: {missing[0]} is not in its shard; materialize it again")
    return found


def with_differences(own: Sequence[Any], scores: Sequence[Any]) -> Floats:
    """Features beside their differences from the score's, shape (N, 2 K); NaN where there is no score."""
    import numpy as np

    mine = np.array(own, np.float64)
    unknown = np.full(mine.shape[1], np.nan)
    return np.hstack([mine, mine - np.array([unknown if one is None else one for one in scores])])
