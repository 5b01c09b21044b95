"""What checkpoints say of degraded sound: a row a checkpoint and effect, over the clips that the checkpoint never saw.

A checkpoint is scored again only when it, the choice of clips or an embedding of one of them changed. Degrading is in
`robustness_sound`; what the rows add up to in `robustness_report`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crescendai_assets.embeddings.folder import CLEAN
from crescendai_assets.embeddings.store import embedding_path, read_embedding
from crescendai_assets.evaluation.arrays import Floats
from crescendai_assets.evaluation.comparison import Judges
from crescendai_assets.evaluation.pairs import pair_accuracy
from crescendai_assets.evaluation.robustness import compute_robustness_metrics
from crescendai_assets.evaluation.robustness_about import Checkpoint, Listened
from crescendai_assets.evaluation.robustness_sound import degraded_id
from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.layout import Partition
from crescendai_assets.lake.stage import Options, Progress, StageReport, StageRun, run_stage, silent
from crescendai_assets.lake.tables import Row, Table, read_rows
from crescendai_assets.training.settings import FitSettings
from crescendai_assets.training.trained import load_module, predicted

if TYPE_CHECKING:
    from torch import Tensor

STAGE = "robustness"

_VERSION = 2
"""Raise it when the same embeddings give other rows."""

_SAME = 5e-3
"""By how much scores may differ from those written when the checkpoint was trained, on another device perhaps."""

_OR_NULL = {"type": ["number", "null"]}
_EACH = {"type": "array", "items": {"type": "number"}}

ROBUSTNESS = Table(
    "robustness",
    "row_id",
    {
        "type": "object",
        "required": ["row_id", "recording_id", "of", "model", "protocol", "fold", "seed", "checkpoint", "effect"],
        "properties": {
            "row_id": {"type": "string", "minLength": 1},
            "recording_id": {"type": "string", "minLength": 1},  # the checkpoint
            "of": {"type": "string"},  # all that the row comes from
            "model": {"type": "string"},
            "protocol": {"type": "string"},
            "fold": {"type": "string"},
            "seed": {"type": "integer"},
            "checkpoint": {"type": "string"},  # digest of the scores it gave when it was trained
            "effect": {"type": "string"},
            "segments": {"type": "array", "items": {"type": "string"}},
            "clean": _EACH,  # mean score of each segment
            "degraded": _EACH,
            "pearson_r": _OR_NULL,
            "score_drop_pct": _OR_NULL,
            "compared": {"type": "integer", "minimum": 0},
            "pairs": _OR_NULL,
            "pairs_degraded": _OR_NULL,
        },
    },
)


def wanted_scores(about: Listened) -> dict[str, str]:
    """Checkpoint -> fingerprint of all that its rows come from."""
    clean = {row["segment_id"]: row["sha256"] for row in CLEAN.rows(about.place.embeddings)}
    degraded = _degraded(about)
    return {
        one.name: fingerprint(
            _VERSION,
            one.report.fingerprint,
            one.report.scores_digest,
            [
                (key, clean[key], [degraded.get(degraded_id(key, effect)) for effect in about.degrading.effects])
                for key in _unseen(one, about)
            ],
            about.degrading.effects,
        )
        for one in about.checkpoints
    }


def committed_scores(cache: Partition) -> dict[str, str]:
    """Checkpoint -> fingerprint its rows have."""
    return {row["recording_id"]: row["of"] for row in read_rows(cache.stage(STAGE).table)}


def score_degraded(about: Listened, *, options: Options = Options(), progress: Progress = silent) -> StageReport:
    """Ask every checkpoint whose rows are missing or stale.

    Args:
        about: What is measured; its clips are degraded and embedded.
        options: Retries. Rows of checkpoints that are gone always go.
        progress: Gets lines for the log.
    """
    cache = about.cache
    assert cache is not None  # without clips there is nothing to ask about
    by_name = {one.name: one for one in about.checkpoints}

    def work(run: StageRun) -> None:
        wanted = wanted_scores(about)
        for name in run.plan.pending:
            try:
                run.commit(name, list(_rows(by_name[name], about, wanted[name])))
            except RecordingError as error:
                run.fail(name, error)

    return run_stage(
        cache,
        STAGE,
        ROBUSTNESS,
        wanted=lambda: wanted_scores(about),
        committed=lambda: committed_scores(cache),
        work=work,
        options=Options(retry_failed=options.retry_failed, prune=True),
        progress=progress,
    )


def _rows(one: Checkpoint, about: Listened, of: str) -> Iterator[Row]:
    """Rows of a checkpoint, one an effect.

    Raises:
        RecordingError: It says something else of the clean clips than when it was trained.
    """
    import numpy as np

    keys, degraded = _unseen(one, about), _degraded(about)
    of_effect = {
        effect: [key for key in keys if degraded_id(key, effect) in degraded] for effect in about.degrading.effects
    }
    said = _said(one, about, [*keys, *(degraded_id(key, effect) for effect, has in of_effect.items() for key in has)])
    _refuse_other(one, keys, said)
    place = {row["segment_id"]: number for number, row in enumerate(about.judges.rows)}
    for effect, has in of_effect.items():
        clean, after = (
            np.array([said[name] for name in names]) for names in (has, [degraded_id(k, effect) for k in has])
        )
        yield {
            "row_id": f"{one.name}_{effect}",
            "recording_id": one.name,
            "of": of,
            "model": one.report.model,
            "protocol": one.report.protocol,
            "fold": one.report.fold,
            "seed": one.report.seed,
            "checkpoint": one.report.scores_digest,
            "effect": effect,
            "segments": has,
            "clean": [round(float(value), 4) for value in clean.mean(1)] if has else [],
            "degraded": [round(float(value), 4) for value in after.mean(1)] if has else [],
            **_figures(clean, after, [place[key] for key in has], about.judges),
        }


def _figures(clean: Floats, after: Floats, places: Sequence[int], judges: Judges) -> Row:
    if not places:
        return {"compared": 0}
    labels, passages = judges.labels[list(places)], [judges.rows[place]["passage"] for place in places]
    pairs, pairs_degraded = (pair_accuracy(scores, labels, passages) for scores in (clean, after))
    held = compute_robustness_metrics(clean, after)
    return {
        **{name: _known(value) for name, value in held.items()},
        "compared": int(pairs.compared.sum()),
        "pairs": _known(pairs.overall),
        "pairs_degraded": _known(pairs_degraded.overall),
    }


def _said(one: Checkpoint, about: Listened, names: Sequence[str]) -> dict[str, Any]:
    """Scores of clips, clean and degraded, by name, shape (D,) each."""
    import torch

    from crescendai_assets.training.t1_inputs import EmbeddingInputs, T1Batches

    if not names:
        return {}
    settings = FitSettings.of(one.report.settings)
    none = torch.zeros(len(names))
    batches = T1Batches(EmbeddingInputs(_Stored(about), names), none[:, None], none, none.long(), None)
    model = load_module(one.files, settings)
    return dict(zip(names, predicted(model, batches, range(len(names)), settings.batch_size), strict=True))


def _refuse_other(one: Checkpoint, keys: Sequence[str], said: Mapping[str, Any]) -> None:
    import numpy as np

    apart = max((float(np.abs(said[key] - np.array(one.held_out[key])).max()) for key in keys), default=0.0)
    if apart > _SAME:
        raise RecordingError(
            f"{one.files.folder}: its scores of clean clips are {apart:.3f} away from those it gave when it was "
            "trained, so the embeddings have changed since; "
            f"train {one.report.model} of {one.report.partition} again",
            "needs_user",
        )


class _Stored(Mapping[str, "Tensor"]):
    """Embeddings of clips, clean by their own name and degraded by theirs, read when asked for."""

    def __init__(self, about: Listened) -> None:
        cache, clean = about.cache, about.place.embeddings.embedding_folder
        assert cache is not None
        self._paths: dict[str, Path] = {
            row["segment_id"]: embedding_path(clean, row["segment_id"]) for row in about.clips
        }
        self._paths |= {name: embedding_path(cache.augmented_folder, name) for name in _degraded(about)}

    def __getitem__(self, name: str) -> Tensor:
        return read_embedding(self._paths[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def _unseen(one: Checkpoint, about: Listened) -> list[str]:
    """Degraded clips that a checkpoint never saw."""
    return [clip["segment_id"] for clip in about.clips if clip["segment_id"] in one.held_out]


def _degraded(about: Listened) -> dict[str, str]:
    """Degraded clip -> hash of its embedding."""
    cache = about.cache
    rows = about.degrading.product.rows(cache) if cache else ()
    return {row["segment_id"]: row["sha256"] for row in rows}


def _known(value: float) -> float | None:
    return None if value != value else round(float(value), 6)
