"""Features of aligned notes for the rated clips, kept on disk by the digest of what they come from.

What they are is `note_dataset`'s; aligning a thousand performances takes minutes, and every fold asks for the same.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from crescendai_assets.labels.files import LabelFiles
from crescendai_assets.lake.errors import SetupError
from crescendai_assets.lake.files import write_atomic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"


def note_matrix(
    files: LabelFiles, midi: Path, scores: Path, keys: Sequence[str], kept: Path
) -> tuple[Floats, tuple[str, ...]]:
    """Features of these clips, shape (N, F), and their names.

    Args:
        files: The rated tier.
        midi: Folder of the clips' MIDI.
        scores: Folder of the scores' MIDI.
        keys: Segments, in the order of the rows; NaN for what cannot be read.
        kept: Where they are kept; its name holds the digest of all that they come from.
    """
    import numpy as np

    if not kept.exists():
        _write(files, midi, scores, kept)
    try:
        with np.load(kept, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            place = {key: row for row, key in enumerate(about["segments"])}
            features = np.full((len(keys), len(about["names"])), np.nan)
            there = [row for row, key in enumerate(keys) if key in place]
            features[there] = stored["features"][[place[keys[row]] for row in there]]
    except (OSError, ValueError, KeyError) as error:
        raise SetupError(f"{kept}: cannot be read ({error}); remove it, it is made again") from None
    return features, tuple(about["names"])


def _write(files: LabelFiles, midi: Path, scores: Path, kept: Path) -> None:
    import numpy as np

    from crescendai_assets.training.hand_dataset import hand_dataset
    from crescendai_assets.training.note_dataset import with_note_features

    found = with_note_features(hand_dataset(files, midi, scores), midi, scores)
    about = {"segments": found.segments, "names": found.feature_names}
    out = io.BytesIO()
    np.savez_compressed(out, about=np.array(json.dumps(about)), features=found.features)
    write_atomic(kept, out.getvalue())
