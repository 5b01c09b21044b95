"""What is made of each MIDI file of the corpus: what it holds, tokens, two forms of graph, curves with hand features.

A `Product` says how, as a function of a path that runs in a guarded process. Where it is kept is `shards`' concern.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crescendai_assets.lake.errors import RecordingError
from crescendai_assets.lake.fingerprints import fingerprint
from crescendai_assets.lake.tables import Row, Table
from crescendai_assets.symbolic import edges, features, graphs, hand_features, voices
from crescendai_assets.symbolic.corpus.aligned import AlignedScore, voices_of
from crescendai_assets.symbolic.corpus.pack import Array, Arrays, content_digest
from crescendai_assets.symbolic.corpus.schemas import CURVES, GRAPHS, TOKENS
from crescendai_assets.symbolic.midi import read_midi
from crescendai_assets.symbolic.tokenizer import MAX_SEQ_LEN, PianoTokenizer

if TYPE_CHECKING:
    from torch_geometric.data import Data, HeteroData

_SHOWN = 20


@dataclass(frozen=True)
class Made:
    """What came of one file.

    Attributes:
        arrays: What goes into the shard.
        facts: Columns of its row.
        content: Hash of the arrays.
    """

    arrays: Arrays
    facts: Row
    content: str


@dataclass(frozen=True)
class Product:
    """One thing that is made of every file.

    Attributes:
        name: Of the asset, its table and its folder.
        table: Schema of its rows.
        make: Path -> `Made`; module-level, so that it can run in another process.
        make_aligned: The same of a file that comes with an aligned score; None where the score plays no part.
        identity: What decides its content besides the file: part of every fingerprint.
        unit: What its rows count, for people.
        compiled: Path of the file for pretraining, below `pretrain_cache/`.
    """

    name: str
    table: Table
    make: Callable[[Path], Made]
    identity: Any
    unit: str
    compiled: str
    make_aligned: Callable[[Path, AlignedScore | None], Made] | None = None

    def fingerprints(self) -> Callable[[str], str]:
        """Hash of a file's bytes -> fingerprint of what is made of it."""
        recipe = fingerprint(self.name, self.identity).encode()
        return lambda sha256: hashlib.blake2b(recipe + sha256.encode(), digest_size=16).hexdigest()

    def facts(self, rows: Iterable[Row]) -> dict[str, Any]:
        """What its rows hold together; of products with voices, where those come from."""
        if self.make_aligned is None:
            return {self.unit: sum(row[self.unit] for row in rows)}
        total, voices, faults = 0, Counter[str](), list[str]()
        for row in rows:
            total += row[self.unit]
            voices[row.get("voices", "estimate")] += 1
            if fault := row.get("voices_fault"):
                faults.append(f"{row['recording_id']}: {fault}")
        not_used = {"aligned_scores_not_used": len(faults), "why_not_used": faults[:_SHOWN]} if faults else {}
        return {
            self.unit: total,
            "voices_from_score": voices["score"],
            "voices_estimated": voices["estimate"],
            **not_used,
        }


def made(arrays: Arrays, facts: Row) -> Made:
    """With the hash of its content."""
    return Made(arrays, facts, content_digest(arrays))


def products(max_seq_len: int = MAX_SEQ_LEN) -> dict[str, Product]:
    """All four by name.

    Args:
        max_seq_len: Tokens of the longest sequence.
    """
    tokens = PianoTokenizer(max_seq_len)
    graph = {
        "nodes": graphs.VERSION,
        "edges": edges.EDGE_TYPES,
        "tolerance": edges.TOLERANCE_SECONDS,
        "voices": voices.VERSION,
    }
    curves = {
        "curves": features.VERSION,
        "channels": features.CHANNELS,
        "frame_rate": features.FRAME_RATE,
        "hand": hand_features.VERSION,
    }
    every = (
        Product("tokens", TOKENS, partial(_tokens, tokens), tokens.identity, "tokens", "tokens/all_tokens.pt"),
        Product("score_graphs", GRAPHS, _score_graph, graph, "edges", "graphs/all_graphs.pt", _score_graph),
        Product("hetero_graphs", GRAPHS, _hetero_graph, graph, "edges", "graphs/all_hetero_graphs.pt", _hetero_graph),
        Product("features", CURVES, _features, curves, "frames", "features/all_features.pt"),
    )
    return {one.name: one for one in every}


def windows(arrays: Arrays) -> list[list[int]]:
    """The token sequences of a performance, each at most `max_seq_len` long; they follow each other."""
    import numpy as np

    ends = np.cumsum(arrays["lengths"])
    return [part.tolist() for part in np.split(arrays["tokens"], ends[:-1])]


def score_graph(arrays: Arrays) -> Data:
    """The graph of a performance for torch-geometric, as `graphs.graph` gives it."""
    import numpy as np
    import torch
    from torch_geometric.data import Data

    return Data(
        x=torch.tensor(np.asarray(arrays["x"])),
        edge_index=torch.tensor(arrays["edge_index"].T.astype(np.int64)),
        edge_type=torch.tensor(arrays["edge_type"].astype(np.int64)),
    )


def hetero_graph(arrays: Arrays) -> HeteroData:
    """The graph of a performance by type of edge, as `graphs.hetero_graph` gives it."""
    import numpy as np
    import torch
    from torch_geometric.data import HeteroData

    data = HeteroData()
    data["note"].x = torch.tensor(np.asarray(arrays["x"]))
    for name in edges.EDGE_TYPES:
        data["note", name, "note"].edge_index = torch.tensor(arrays[name].T.astype(np.int64))
    return data


def _tokens(tokenizer: PianoTokenizer, path: Path) -> Made:
    import numpy as np

    found = tokenizer.windows(path)
    lengths = np.array([len(one) for one in found], np.int32)
    flat = np.array([token for one in found for token in one], np.int16)
    return made({"tokens": flat, "lengths": lengths}, {"tokens": len(flat), "sequences": len(found)})


def _score_graph(path: Path, score: AlignedScore | None = None) -> Made:
    import numpy as np

    nodes, by_type, said = _graph(path, score)
    kinds = np.repeat(np.arange(len(by_type), dtype=np.uint8), [len(one) for one in by_type.values()])
    joined = np.concatenate(list(by_type.values()))
    arrays = {"x": nodes, "edge_index": joined, "edge_type": kinds}
    return made(arrays, {"nodes": len(nodes), "edges": len(joined), **said})


def _hetero_graph(path: Path, score: AlignedScore | None = None) -> Made:
    nodes, by_type, said = _graph(path, score)
    return made({"x": nodes, **by_type}, {"nodes": len(nodes), "edges": sum(map(len, by_type.values())), **said})


def _graph(path: Path, score: AlignedScore | None) -> tuple[Array, dict[str, Any], Row]:
    """Node features; edges by type, int32, shape (E, 2): along the first axis, as a pack has them; columns on voices.

    Only published alignments give a score's voices: aligning here would take seconds a file, and most have no score.
    """
    import numpy as np

    read = read_midi(path)
    found_voices = voices_of(read, score)
    try:
        found = edges.note_edges(read, found_voices.voice)
    except edges.TooManyEdgesError as error:
        raise RecordingError(f"{path}: {error}; take it out") from error
    by_type = {name: np.ascontiguousarray(found[name].T.astype(np.int32)) for name in edges.EDGE_TYPES}
    said = {"voices": found_voices.source, "voices_fault": found_voices.fault}
    return graphs.node_features(read, found_voices.voice), by_type, said


def _features(path: Path) -> Made:
    read = read_midi(path)
    drawn = features.curves(read)
    hand, _ = hand_features.as_matrix([hand_features.named_hand_features(read)])
    return made({"curves": drawn, "hand": hand}, {"frames": len(drawn)})
