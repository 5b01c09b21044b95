"""Symbolic music: MIDI read safely, as tokens, curves, graphs and hand features.

All start from a `Performance`: notes and pedals in seconds. Nothing here knows of labels, tables or models.
"""

from crescendai_assets.symbolic.features import extract_continuous_features
from crescendai_assets.symbolic.graphs import extract_graph, extract_hetero_graph
from crescendai_assets.symbolic.hand_features import extract_hand_features
from crescendai_assets.symbolic.midi import map_files, read_all, read_midi
from crescendai_assets.symbolic.performance import Performance
from crescendai_assets.symbolic.tokenizer import PianoTokenizer

__all__ = [
    "Performance",
    "PianoTokenizer",
    "extract_continuous_features",
    "extract_graph",
    "extract_hand_features",
    "extract_hetero_graph",
    "map_files",
    "read_all",
    "read_midi",
]
