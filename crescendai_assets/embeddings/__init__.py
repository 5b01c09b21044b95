"""Embeddings: the MuQ encoder, one encoder a folder, and the decode -> batch -> forward -> write pipeline.

Which recordings there are belongs to `sources`; what is trained on embeddings to `training`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crescendai_assets.embeddings.muq import MuQExtractor

__all__ = ["MuQExtractor"]


def __getattr__(name: str) -> Any:
    """Import the encoder when it is asked for: torch takes seconds to load."""
    if name == "MuQExtractor":
        from crescendai_assets.embeddings.muq import MuQExtractor

        return MuQExtractor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
