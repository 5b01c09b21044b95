"""The folds as a file: planned from the segments, written, read again, counted. What the protocols are: `protocols`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.passages import read_passages
from crescendai_assets.labels.protocols import (
    FOLDS,
    GROUPED_BY,
    LEAKY,
    PROTOCOLS,
    SEEDS,
    Fold,
    Protocol,
    grouped_folds,
    left_out_folds,
)
from crescendai_assets.labels.published_folds import PublishedFolds, read_published_folds
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import write_atomic
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.tables import Row, read_document

_HINTS: Mapping[Protocol, str] = {
    "published": "; give the file of published folds and materialize them",
    "passage_by_content": "; give PercePiano's MIDI, and materialize percepiano/passages and folds again",
}
"""What a protocol needs that not everybody has."""


@dataclass(frozen=True)
class PlannedFolds:
    """What `folds.json` has to be; `published` tells of the file that the published ones were read from."""

    folds: tuple[Fold, ...]
    published: PublishedFolds | None = None

    @property
    def document(self) -> dict[str, Any]:
        """The contents of `folds.json`."""
        return {
            protocol: {
                "grouped_by": GROUPED_BY[protocol],
                "leaky": protocol in LEAKY,
                "folds": {
                    fold.name: {"seed": fold.seed, "train": list(fold.train), "val": list(fold.val)}
                    for fold in self.of(protocol)
                },
            }
            for protocol in PROTOCOLS
            if self.of(protocol)
        }

    def of(self, protocol: Protocol) -> list[Fold]:
        """The folds of one protocol."""
        return [fold for fold in self.folds if fold.protocol == protocol]

    @property
    def digest(self) -> str:
        """Content hash."""
        return fingerprint(self.document)

    @staticmethod
    def digest_on_disk(files: LabelFiles) -> str:
        """The same hash of what is on disk."""
        return PlannedFolds(tuple(read_folds(files))).digest


def plan_folds(
    files: LabelFiles, published: Path | None = None, *, seeds: Sequence[int] = SEEDS, n_folds: int = FOLDS
) -> PlannedFolds:
    """What `folds.json` has to be, from `metadata.jsonl`.

    Args:
        files: Where.
        published: File of published folds; without it there is no such protocol.
        seeds: Shuffles of the protocols by passage and by performer.
        n_folds: Folds of these.

    Raises:
        SetupError: There are no segments or too few groups of them, or the published folds cannot be used.
    """
    rows = read_passages(files)
    known = all(row["content_group"] for row in rows)
    folds = [
        *grouped_folds("passage", rows, seeds, n_folds),
        *(grouped_folds("passage_by_content", rows, seeds, n_folds) if known else ()),
        *grouped_folds("performer", rows, seeds, n_folds),
        *left_out_folds(rows),
    ]
    if published is None:
        return PlannedFolds(tuple(folds))
    given = read_published_folds(published, {row["segment_id"] for row in rows})
    folds += [Fold("published", f"f{i}", None, train, val) for i, (train, val) in enumerate(given.parts)]
    return PlannedFolds(tuple(folds), given)


def write_folds(
    files: LabelFiles, published: Path | None = None, *, seeds: Sequence[int] = SEEDS, n_folds: int = FOLDS
) -> PlannedFolds:
    """Write `folds.json`; arguments as of `plan_folds`."""
    planned = plan_folds(files, published, seeds=seeds, n_folds=n_folds)
    write_atomic(files.folds, json.dumps(planned.document, ensure_ascii=False, indent=0).encode())
    return planned


def read_folds(files: LabelFiles, protocol: Protocol | None = None) -> list[Fold]:
    """The folds on disk, of one protocol or of all.

    Raises:
        SetupError: There are none, or none of that protocol, or they are cut.
    """
    document = read_document(files.folds, "percepiano/folds")
    folds = [
        Fold(kind, name, parts["seed"], tuple(parts["train"]), tuple(parts["val"]))
        for kind, found in document.items()
        if protocol in (None, kind)
        for name, parts in found["folds"].items()
    ]
    if protocol and not folds:
        hint = _HINTS.get(protocol, "")
        raise SetupError(f"{files.folds}: no folds of the protocol '{protocol}', only {', '.join(document)}{hint}")
    return folds


def fold_keys(files: LabelFiles) -> list[str]:
    """The folds on disk as partitions are called, `passage-s0f0`; none where there are no folds."""
    return [f"{fold.protocol}-{fold.name}" for fold in read_folds(files)] if files.folds.exists() else []


def fold_of_key(files: LabelFiles, key: str) -> Fold:
    """The fold that a partition is called after.

    Raises:
        SetupError: There is none.
    """
    protocol, _, name = key.partition("-")
    found = next((fold for fold in read_folds(files) if (fold.protocol, fold.name) == (protocol, name)), None)
    if found is None:
        raise SetupError(
            f"{files.folds}: there is no fold {key!r}; it was made before folds changed: the job "
            "remove_unlisted_partitions takes it out"
        )
    return found


def fold_sizes(folds: Iterable[Fold], rows: Sequence[Row]) -> list[Row]:
    """For a table: segments, passages and performers of each fold, with and without machine renderings."""
    by_id = {row["segment_id"]: row for row in rows}

    def counts(part: str, keys: Sequence[str]) -> Row:
        found = [by_id[key] for key in keys if key in by_id]
        return {
            part: len(found),
            f"{part}_without_machine": sum(not row["machine"] for row in found),
            f"{part}_passages": len({row["passage"] for row in found}),
            f"{part}_performers": len({row["performer_group"] for row in found if not row["machine"]}),
        }

    return [
        {"protocol": fold.protocol, "fold": fold.name, **counts("train", fold.train), **counts("val", fold.val)}
        for fold in folds
    ]
