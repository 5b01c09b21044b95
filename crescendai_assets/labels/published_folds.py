"""Folds published with earlier work on these ratings: `[{"train": [...], "val": [...]}, ...]`.

They are for comparison with the figures published on them: their authors grouped by piece and performer and took that
for the passage, so that train and validation share 77 to 82 passages.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crescendai_assets.labels.names import parse_name
from crescendai_assets.lake.errors import SetupError

_VAL = ("val", "validation", "valid")


@dataclass(frozen=True)
class PublishedFolds:
    """What was read.

    Attributes:
        path: The file.
        parts: Train and validation of each fold, segments that have a label, in order.
        without_label: Segments named in it that have none; left out.
        not_in_folds: Labelled segments that stand in no fold.
    """

    path: Path
    parts: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    without_label: tuple[str, ...]
    not_in_folds: tuple[str, ...]


def read_published_folds(path: Path, labelled: Collection[str]) -> PublishedFolds:
    """Read a file of folds; segments that have no label are left out and told.

    Raises:
        SetupError: It cannot be read, has another form, or no segment in it has a label.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SetupError(
            f"{path}: cannot be read ({error.strerror or error}); correct the path, or give none"
        ) from None
    except (ValueError, RecursionError) as error:
        raise SetupError(f"{path}: not JSON ({error}); fetch it again") from None
    if not isinstance(document, list) or not document:
        raise SetupError(f'{path}: expected a list of folds, [{{"train": [...], "val": [...]}}, ...]')
    named = [_parts(path, number, fold) for number, fold in enumerate(document)]
    everything = {key for train, val in named for key in (*train, *val)}
    if not everything & set(labelled):
        raise SetupError(f"{path}: no segment in it has a label (such as {min(everything, default='none')!r})")
    return PublishedFolds(
        path,
        tuple((_labelled(train, labelled), _labelled(val, labelled)) for train, val in named),
        tuple(sorted(everything - set(labelled))),
        tuple(sorted(set(labelled) - everything)),
    )


def _parts(path: Path, number: int, fold: Any) -> tuple[list[str], list[str]]:
    validation = next((key for key in _VAL if isinstance(fold, dict) and key in fold), None)
    if validation is None or "train" not in fold:
        raise SetupError(f"{path}: fold {number} has no 'train' and 'val'; is this a file of folds?")
    found = []
    for part in ("train", validation):
        keys = fold[part]
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise SetupError(f"{path}: '{part}' of fold {number} is no list of segments")
        found.append([_key(key) for key in keys])
    return found[0], found[1]


def _key(text: str) -> str:
    try:
        return parse_name(text).key
    except ValueError:
        return text


def _labelled(keys: list[str], labelled: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(key for key in keys if key in labelled))
