"""Which clips are rated, and which of them a name means: what the tier's audio and embeddings are matched against."""

from __future__ import annotations

from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.labels.names import parse_name
from crescendai_assets.labels.percepiano import read_labels


def rated_keys(files: LabelFiles) -> list[str]:
    """Segments that have a label, sorted.

    Raises:
        SetupError: There are none.
    """
    return sorted(read_labels(files))


def key_of(name: str) -> str:
    """The segment that a name means: spaces around it and the spelling of `Score` do not matter; others as they are."""
    try:
        return parse_name(name).key
    except ValueError:
        return name.strip()
