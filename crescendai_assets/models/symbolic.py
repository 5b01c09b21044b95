"""The symbolic encoders: S1 tokens, S2 and S2h graphs, S3 curves. What they share is in `symbolic_base`."""

from crescendai_assets.models.symbolic_base import Options, SymbolicEncoder
from crescendai_assets.models.symbolic_continuous import ContinuousSymbolicEncoder
from crescendai_assets.models.symbolic_graph import GNNSymbolicEncoder, graph_fields
from crescendai_assets.models.symbolic_hetero import HeteroGNNSymbolicEncoder, hetero_fields
from crescendai_assets.models.symbolic_transformer import TransformerSymbolicEncoder

__all__ = [
    "ContinuousSymbolicEncoder",
    "GNNSymbolicEncoder",
    "HeteroGNNSymbolicEncoder",
    "Options",
    "SymbolicEncoder",
    "TransformerSymbolicEncoder",
    "graph_fields",
    "hetero_fields",
]
