"""Models that are plain arrays as files: numpy's `.npz`, which runs no code when it is read.

Beside the arrays lies JSON of their format, the settings and the names of the features. Which arrays a model has is its
own matter.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from crescendai_assets.lake.errors import SetupError

Fitted = TypeVar("Fitted")

_NOT_OURS = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)
"""What reading and building raise over bytes that are no such model."""


def to_bytes(version: int, settings: Any, feature_names: Sequence[str], fitted: Any, **more: Any) -> bytes:
    """A trained model as a file's bytes.

    Args:
        version: Of the format.
        settings: A dataclass of plain values.
        feature_names: Names of the columns.
        fitted: A dataclass of arrays.
        **more: More arrays by name.
    """
    import numpy as np

    about = {"format": version, "settings": asdict(settings), "feature_names": tuple(feature_names)}
    arrays: dict[str, Any] = {one.name: getattr(fitted, one.name) for one in fields(fitted)}
    out = io.BytesIO()
    np.savez_compressed(out, about=np.array(json.dumps(about)), **arrays, **more)
    return out.getvalue()


@contextmanager
def opened(path: Path, version: int, what: str, inside: bytes | None = None) -> Iterator[tuple[dict[str, Any], Any]]:
    """Settings and names of a stored model, and its arrays by name; they can be read until the block ends.

    Args:
        path: The file.
        version: Of the format.
        what: What it should be, for messages.
        inside: Its bytes, where it is stored within the file.

    Raises:
        SetupError: There is none, it is of another format, or holds something else; also what the block raises over it.
    """
    import numpy as np

    try:
        with np.load(path if inside is None else io.BytesIO(inside), allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            if about["format"] != version:
                raise SetupError(f"{path}: a model of format {about['format']}, not {version}; train it again")
            yield about, stored
    except FileNotFoundError:
        raise SetupError(f"{path}: there is no such model; train it first") from None
    except _NOT_OURS as error:
        raise SetupError(f"{path}: no {what} ({error}); train it again") from None


def fitted_from(kind: type[Fitted], stored: Any) -> Fitted:
    """The dataclass of arrays that `to_bytes` was given."""
    return kind(**{one.name: stored[one.name] for one in fields(kind)})  # type: ignore[arg-type]  # a dataclass
