"""The rated clips as a model is trained on them: rows, labels, and what it listens to, read.

Which clips they are is decided in `t1_plan`; nothing is computed here but differences of hand features from those of
the score. What becomes a batch, and how, is in `t1_inputs`.
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
from crescendai_assets.symbolic.hand_features import extract_hand_features
from crescendai_assets.symbolic.midi import map_files
from crescendai_assets.training.t1_notes import note_matrix
from crescendai_assets.training.t1_plan import PRODUCTS, T1Place, T1Plan

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
    """

    rows: tuple[Row, ...]
    labels: Floats
    raters: Floats
    arrays: tuple[Arrays, ...] = ()
    embeddings: Mapping[str, Tensor] | None = None
    hand: Floats | None = None
    names: tuple[str, ...] = ()


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
        data = replace(data, hand=_with_differences(own, _of_scores(plan)))
    if plan.kind == "embeddings":
        from crescendai_assets.training.packing import embeddings_of

        return replace(data, embeddings=embeddings_of(place.embeddings.tier))
    return replace(data, arrays=tuple(arrays[PRODUCTS[plan.kind]][key] for key in keys))


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


def _of_scores(plan: T1Plan) -> list[Any]:
    """Hand features of each segment's score, shape (81,), None where it has no usable one."""
    import numpy as np

    wanted = sorted(set(plan.scores.values()))
    read = {
        path: np.array(list(one.values()), np.float64)
        for path, one in (map_files(extract_hand_features, wanted) if wanted else ())
        if isinstance(one, dict)
    }
    return [read.get(plan.scores[key]) if key in plan.scores else None for key in plan.keys]


def _with_differences(own: Sequence[Any], scores: Sequence[Any]) -> Floats:
    """Features beside their differences from the score's, shape (N, 2 K); NaN where there is no score."""
    import numpy as np

    mine = np.array(own, np.float64)
    unknown = np.full(mine.shape[1], np.nan)
    return np.hstack([mine, mine - np.array([unknown if one is None else one for one in scores])])
