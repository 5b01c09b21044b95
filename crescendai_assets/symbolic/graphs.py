"""A performance as a graph for torch-geometric: notes are nodes; the edges are defined in `edges`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.symbolic.edges import EDGE_TYPES, TOLERANCE_SECONDS, TooManyEdgesError, note_edges
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.performance import Performance, pedal_at

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch_geometric.data import Data, HeteroData

NODE_FEATURES = ("pitch", "velocity", "onset", "duration", "pedal", "voice")
"""Columns of `x`; see `node_features`."""

VERSION = 1
"""Raise it when a node feature or an edge changes: it is part of every fingerprint of graphs."""

_ONSET_UNIT_SECONDS = 30.0


def extract_graph(midi_path: str | Path, voice: Any = None, *, tolerance: float = TOLERANCE_SECONDS) -> Data:
    """The graph of a MIDI file with all edges in one list; see `graph`.

    Raises:
        FileNotFoundError: There is no such file.
        RecordingError: It cannot be used, see `read_midi`, or holds too many notes at once.
    """
    try:
        return graph(read_midi(midi_path), voice, tolerance=tolerance)
    except TooManyEdgesError as error:
        raise RecordingError(f"{midi_path}: {error}; take it out") from error


def extract_hetero_graph(
    midi_path: str | Path, voice: Any = None, *, tolerance: float = TOLERANCE_SECONDS
) -> HeteroData:
    """The graph of a MIDI file with edges by type; see `hetero_graph`. Raises as `extract_graph` does."""
    try:
        return hetero_graph(read_midi(midi_path), voice, tolerance=tolerance)
    except TooManyEdgesError as error:
        raise RecordingError(f"{midi_path}: {error}; take it out") from error


def graph(read: Performance, voice: Any = None, *, tolerance: float = TOLERANCE_SECONDS) -> Data:
    """One list of edges.

    Args:
        read: A performance of N notes, in the order of (onset, pitch); nodes are in the same order.
        voice: Whole numbers by note, shape (N,), for instance a score's; None when voices are not known.
        tolerance: Seconds within which onsets count as one.

    Returns:
        `x`: float32, shape (N, 6). `edge_index`: int64, shape (2, E), from earlier to later but for `onset`, which
        goes both ways; a pair may stand twice with different types. `edge_type`: int64, shape (E,), the place in
        `EDGE_TYPES`.
    """
    import numpy as np
    import torch
    from torch_geometric.data import Data

    edges = note_edges(read, voice, tolerance)
    kinds = np.repeat(np.arange(len(EDGE_TYPES)), [edges[name].shape[1] for name in EDGE_TYPES])
    return Data(
        x=torch.from_numpy(node_features(read, voice)),
        edge_index=torch.from_numpy(np.concatenate([edges[name] for name in EDGE_TYPES], axis=1)),
        edge_type=torch.from_numpy(kinds),
    )


def hetero_graph(read: Performance, voice: Any = None, *, tolerance: float = TOLERANCE_SECONDS) -> HeteroData:
    """The nodes and edges of `graph`, one `(note, <type>, note)` for each of `EDGE_TYPES`, also where it is empty."""
    import torch
    from torch_geometric.data import HeteroData

    data = HeteroData()
    data["note"].x = torch.from_numpy(node_features(read, voice))
    for name, pairs in note_edges(read, voice, tolerance).items():
        data["note", name, "note"].edge_index = torch.from_numpy(pairs)
    return data


def node_features(read: Performance, voice: Any = None) -> NDArray[np.float32]:
    """What a node knows, scaled for a network; shape (N, 6).

    - `pitch`: MIDI number / 127.
    - `velocity`: / 127.
    - `onset`: seconds since the first note / 30, the length of a segment.
    - `duration`: log(1 + seconds the key is held).
    - `pedal`: value of the sustain pedal at the onset / 127.
    - `voice`: its number as it is, 0 when not known.
    """
    import numpy as np

    columns = [
        read.pitch / 127,
        read.velocity / 127,
        (read.onset - read.onset[0]) / _ONSET_UNIT_SECONDS,
        np.log1p(read.duration),
        pedal_at(read.sustain, read.onset) / 127,
        np.zeros(len(read)) if voice is None else np.asarray(voice, float),
    ]
    return np.stack(columns, axis=1).astype(np.float32)
